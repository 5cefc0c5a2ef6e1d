//! Cases of the answers.

use hyper::StatusCode;

use super::health;

#[test]
fn health_names_the_watches_that_hear_nothing() {
    assert_eq!(health(&[]).status, StatusCode::OK);
    let answer = health(&[
        "bundles.fleet.cattle.io".to_owned(),
        "namespaces".to_owned(),
    ]);
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        answer.text,
        "watches that hear nothing: bundles.fleet.cattle.io, namespaces"
    );
}
