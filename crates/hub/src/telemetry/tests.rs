//! Cases of the answers.

use super::health;

#[test]
fn health_names_the_watches_that_hear_nothing() {
    assert_eq!(health(&[]).status.as_u16(), 200);
    let answer = health(&[
        "bundles.fleet.cattle.io".to_owned(),
        "namespaces".to_owned(),
    ]);
    assert_eq!(answer.status.as_u16(), 500);
    assert_eq!(
        answer.text,
        "watches that hear nothing: bundles.fleet.cattle.io, namespaces"
    );
}
