//! What is done about a credential. Pure.

/// How the stored credential fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is none.
    Missing,
    /// It cannot be read; why.
    Unreadable(String),
    /// The hub takes it.
    Works,
    /// The hub refuses it, or is not trusted; why.
    Rejected(String),
    /// No answer, or one that says nothing about the credential; why.
    Away(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Go on with it.
    Use,
    /// Get another one.
    Exchange,
    /// Nothing can be done before somebody creates the bootstrap Secret; what is wrong with the credential.
    Stuck(Option<String>),
}

/// Decides. `stored` is the server that the credential is for, `offered` the one that the bootstrap Secret
/// names, if there is such a Secret.
pub(crate) fn step(found: Found, stored: Option<&str>, offered: Option<&str>) -> Step {
    match (found, offered) {
        (Found::Missing | Found::Unreadable(_) | Found::Rejected(_), Some(_)) => Step::Exchange,
        (Found::Missing, None) => Step::Stuck(None),
        (Found::Unreadable(why) | Found::Rejected(why), None) => Step::Stuck(Some(why)),
        // An outage is waited for. That the hub has moved is no outage.
        (Found::Away(_), Some(offered))
            if stored.is_some_and(|stored| !is_same(stored, offered)) =>
        {
            Step::Exchange
        }
        (Found::Works | Found::Away(_), _) => Step::Use,
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_replaced_only_when_it_is_refused_and_another_can_be_had() {
        let (hub, why) = (Some("https://hub"), || "why".to_owned());
        for (found, offered, want) in [
            (Found::Works, None, Step::Use),
            (Found::Works, Some("https://other"), Step::Use),
            (Found::Missing, None, Step::Stuck(None)),
            (Found::Missing, hub, Step::Exchange),
            (Found::Unreadable(why()), hub, Step::Exchange),
            (Found::Unreadable(why()), None, Step::Stuck(Some(why()))),
            (Found::Rejected(why()), hub, Step::Exchange),
            (Found::Rejected(why()), None, Step::Stuck(Some(why()))),
            (Found::Away(why()), None, Step::Use),
            (Found::Away(why()), hub, Step::Use),
            (Found::Away(why()), Some("https://hub/"), Step::Use),
            (Found::Away(why()), Some("https://other"), Step::Exchange),
        ] {
            assert_eq!(
                step(found.clone(), hub, offered),
                want,
                "{found:?} {offered:?}"
            );
        }
        // A credential whose server is not known is not given up for an outage.
        assert_eq!(step(Found::Away(why()), None, hub), Step::Use);
    }
}
