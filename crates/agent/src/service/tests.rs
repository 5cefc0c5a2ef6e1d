//! Cases of probes.

use std::sync::Arc;

use super::{Stage, State};
use crate::Contact;

#[test]
fn who_waits_for_another_is_ready_and_who_has_no_credential_is_not() {
    let state = State::default();
    assert_eq!((state.problem(), state.sickness()), (None, None));
    state.enter(Stage::Registering("no bootstrap".to_owned()));
    assert_eq!(state.problem().as_deref(), Some("no bootstrap"));
    assert_eq!(state.sickness(), None);
    let contact = Arc::new(Contact::default());
    state.enter(Stage::Running(Arc::clone(&contact)));
    assert!(state.problem().is_some());
    contact.synced();
    contact.reported(Ok(()));
    assert_eq!(state.problem(), None);
}
