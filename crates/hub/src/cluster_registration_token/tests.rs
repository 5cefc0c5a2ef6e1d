//! Cases of the plan for a ClusterRegistrationToken.

use apiclient::ObjectKey;
use jiff::{SignedDuration, Timestamp};

use super::plan::{Observed, Plan, objects, plan};

fn observed() -> Observed {
    Observed {
        key: ObjectKey::new("fleet-default", "import"),
        uid: "u-1".to_owned(),
        created: Some(Timestamp::UNIX_EPOCH),
        is_deleting: false,
        ttl: Some(SignedDuration::from_hours(12)),
        ttl_required: false,
        status: api::v1alpha1::ClusterRegistrationTokenStatus::default(),
        server: "https://hub".to_owned(),
        ca_pem: "PEM\n".to_owned(),
        system_namespace: "cattle-fleet-system".to_owned(),
    }
}

#[test]
fn a_token_is_valid_until_it_expires_and_then_goes() {
    let at = |hours| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
    let forever = Observed {
        ttl: None,
        ..observed()
    };
    let required = Observed {
        ttl_required: true,
        ..forever.clone()
    };
    let deleting = Observed {
        is_deleting: true,
        ..observed()
    };
    let expired = Plan::Delete { why: "has expired" };
    for (observed, now, want) in [
        (
            observed(),
            at(1),
            Plan::Provide {
                expires: Some(at(12)),
            },
        ),
        (observed(), at(12), expired),
        (forever, at(9999), Plan::Provide { expires: None }),
        (
            required,
            at(0),
            Plan::Delete {
                why: "has no time to live, which is required",
            },
        ),
        (deleting, at(99), Plan::Nothing),
    ] {
        assert_eq!(plan(&observed, now), want, "{now}");
    }
}

#[test]
fn an_agent_may_ask_and_nothing_else_and_is_told_where() {
    let [role, binding, secret] =
        objects(&observed(), "t").unwrap_or_else(|error| unreachable!("{error}"));
    assert_eq!(role.1["rules"].as_array().map(Vec::len), Some(1));
    assert_eq!(role.1["rules"][0]["verbs"], serde_json::json!(["create"]));
    assert_eq!(binding.1["metadata"]["name"], "import-u-1-to-role");
    assert_eq!(binding.1["subjects"][0]["name"], "import-u-1");
    let values: k8s_openapi::ByteString =
        serde_json::from_value(secret.1["data"]["values"].clone()).unwrap();
    let want = "apiServerCA: |\n  PEM\napiServerURL: https://hub\nclusterNamespace: fleet-default\n\
                systemRegistrationNamespace: cattle-fleet-clusters-system\ntoken: t\ntokenName: import\n";
    assert_eq!(String::from_utf8(values.0).unwrap(), want);
    let moved = Observed {
        system_namespace: "fleet".to_owned(),
        ..observed()
    };
    let [.., secret] = objects(&moved, "t").unwrap();
    let values: k8s_openapi::ByteString =
        serde_json::from_value(secret.1["data"]["values"].clone()).unwrap();
    let text = String::from_utf8(values.0).unwrap();
    assert!(
        text.contains("internal:\n  systemNamespace: fleet\n"),
        "{text}"
    );
    assert!(
        text.contains("systemRegistrationNamespace: fleet-clusters-system\n"),
        "{text}"
    );
}
