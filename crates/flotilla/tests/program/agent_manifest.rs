//! What is installed on a cluster whose agent asks to be registered.

use crate::{Answer, flotilla};

const GOOD: &str =
    "apiServerURL: https://hub\nclusterNamespace: ws\ntoken: secret-value\ntokenName: import\n";

fn print(values: &str, more: &[&str]) -> Answer {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("values.yaml"), values).unwrap();
    std::fs::write(dir.path().join("ca.pem"), "no PEM").unwrap();
    let arguments = ["agent-manifest", "--image", "agent:1", "-f", "values.yaml"];
    flotilla(dir.path(), &[], &[&arguments, more].concat())
}

#[test]
fn values_of_upstreams_chart_become_objects_and_what_means_nothing_is_named() {
    let more = "clientID: me\nlabels: {a: b}\ngarbageCollectionInterval: 1m\ninternal: {systemNamespace: own}\n\
                proxy: http://proxy\nagent: {replicas: 2}\n";
    let answer = print(
        &format!("{GOOD}{more}"),
        &["--labels", "c=d,e=f", "--checkin-interval", "5m"],
    );
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert_eq!(answer.stderr, "values without effect: agent, proxy\n");
    let texts = [
        "namespace: own\n",
        // base64 of own-clusters-system
        "systemRegistrationNamespace: b3duLWNsdXN0ZXJzLXN5c3RlbQ==\n",
        r#""clientID":"me""#,
        r#""labels":{"a":"b","c":"d","e":"f"}"#,
        r#""agentTLSMode":"system-store""#,
        r#""garbageCollectionInterval":"1m""#,
        "value: 5m\n",
        "image: agent:1\n",
    ];
    for text in texts {
        assert!(answer.stdout.contains(text), "{text}\n{}", answer.stdout);
    }
    assert!(!answer.stdout.contains("secret-value"), "only encoded");
}

#[test]
fn what_no_agent_could_use_is_refused_without_its_values() {
    let without = |name: &str| {
        let lines = GOOD.lines().filter(|line| !line.starts_with(name));
        lines.collect::<Vec<_>>().join("\n")
    };
    let with = |line: &str| format!("{GOOD}{line}\n");
    for (values, more, want) in [
        (
            without("apiServerURL"),
            &[][..],
            "value apiServerURL is missing: give --api-server-url",
        ),
        (
            without("clusterNamespace"),
            &[],
            "value clusterNamespace is missing",
        ),
        (without("token:"), &[], "value token is missing"),
        (with("tokenName2: ["), &[], "it is no YAML map"),
        ("- secret-value".to_owned(), &[], "it is no YAML map"),
        (with("clientID: 1"), &[], "value clientID must be a text"),
        (
            with("labels: [secret-value]"),
            &[],
            "value labels must be a map of texts",
        ),
        (
            with("agentTLSMode: secret-value"),
            &[],
            "must be strict or system-store",
        ),
        (
            with("garbageCollectionInterval: secret-value"),
            &[],
            "must be a duration",
        ),
        (
            with("apiServerCA: secret-value"),
            &[],
            "holds no certificate",
        ),
        (
            GOOD.to_owned(),
            &["--api-server-ca", "ca.pem"],
            "holds no certificate",
        ),
        (
            GOOD.to_owned(),
            &["--api-server-ca", "none.pem"],
            "read none.pem",
        ),
        (
            GOOD.to_owned(),
            &["--agent-tls-mode", "strict"],
            "needs the authority of the hub",
        ),
        (
            GOOD.to_owned(),
            &["--agent-tls-mode", "other"],
            "invalid value 'other'",
        ),
        (
            GOOD.to_owned(),
            &["--labels", "plain"],
            "must be NAME=VALUE",
        ),
        (GOOD.to_owned(), &["--checkin-interval", "soon"], "soon"),
    ] {
        let answer = print(&values, more);
        assert!(answer.code > 0 && answer.stdout.is_empty(), "{want}");
        assert!(answer.stderr.contains(want), "{want}: {}", answer.stderr);
        assert!(!answer.stderr.contains("secret-value"), "{}", answer.stderr);
    }
}
