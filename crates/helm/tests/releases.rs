//! Payloads of release records: read and refused as the real Helm does (recorded by
//! `tools/oracle/releases`), changed without loss, and read again as they were written.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helm::release::{
    Change, Info, Release, Stamp, Status, StoredChart, changed, decode, encode, from_secret,
    to_secret,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What records say and Helm keeps as it is, and what becomes of it here.
const WORDS: [(&str, &str); 2] = [("resting", "unknown"), ("crd-install", "")];

fn cases() -> Vec<Value> {
    let lines = include_str!("data/releases.jsonl").lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Without what says nothing, which Go and we write in different ways; values stay as they are.
fn neutral(value: Value, is_free: bool) -> Value {
    let is_nothing = |value: &Value| {
        value.is_null()
            || value == &json!([])
            || value == &json!({})
            || value == &json!({"phase": ""})
            || value == ""
    };
    match value {
        Value::Object(members) if !is_free => members
            .into_iter()
            .map(|(name, value)| {
                let is_free = name == "config" || name == "values";
                (name, neutral(value, is_free))
            })
            .filter(|(name, value)| {
                let is_zero = name == "schemamodtime" && value == "0001-01-01T00:00:00Z";
                !is_zero && !is_nothing(value)
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) if !is_free => {
            let items = items.into_iter().map(|item| neutral(item, false));
            items.filter(|item| !is_nothing(item)).collect()
        }
        Value::String(text) => {
            let known = WORDS.iter().find(|(theirs, _)| *theirs == text);
            known.map_or(text.as_str(), |(_, ours)| ours).into()
        }
        other => other,
    }
}

#[test]
fn payloads_are_read_and_refused_as_helm_does() {
    let (mut read, mut refused) = (0, 0);
    for case in cases() {
        let name = &case["name"];
        let ours = decode(case["payload"].as_str().unwrap());
        if let Some(error) = case.get("err") {
            assert!(ours.is_err(), "{name}: Helm says {error}");
            refused += 1;
            continue;
        }
        let ours = ours.unwrap_or_else(|error| panic!("{name}: {error}"));
        let written = STANDARD.decode(encode(&ours).unwrap()).unwrap();
        let mut json = Vec::new();
        let mut unzip = flate2::read::GzDecoder::new(written.as_slice());
        std::io::Read::read_to_end(&mut unzip, &mut json).unwrap();
        let mut json: Value = serde_json::from_slice(&json).unwrap();
        if case["release"].pointer("/info/status").is_none() {
            json["info"].as_object_mut().unwrap().remove("status");
        }
        assert_eq!(
            neutral(json, false),
            neutral(case["release"].clone(), false),
            "{name}"
        );
        read += 1;
    }
    assert!(read > 25 && refused > 45, "{read} read, {refused} refused");
}

fn secret(payload: &str) -> Value {
    json!({
        "metadata": {
            "name": "sh.helm.release.v1.a.v1", "resourceVersion": "7", "annotations": {"k": "v"},
            "ownerReferences": [{"uid": "u"}],
            "labels": {"owner": "helm", "status": "deployed", "createdAt": "1", "team": "a"},
        },
        "immutable": false,
        "data": {"release": STANDARD.encode(payload), "more": "bW9yZQ=="},
    })
}

fn json_of(secret: &Value) -> String {
    let data = secret["data"]["release"].as_str().unwrap();
    let zipped = STANDARD.decode(STANDARD.decode(data).unwrap()).unwrap();
    let mut json = String::new();
    let mut unzip = flate2::read::GzDecoder::new(zipped.as_slice());
    std::io::Read::read_to_string(&mut unzip, &mut json).unwrap();
    json
}

#[test]
fn a_changed_record_keeps_what_nobody_here_knows() {
    let change = Change {
        status: Status::Superseded,
        description: None,
        deleted: None,
    };
    let full = Change {
        status: Status::Uninstalling,
        description: Some("<gone>"),
        deleted: Some("2026-01-02T03:04:05Z"),
    };
    for (json, change, expected) in [
        (
            r#"{"name":"a","more":[1.0,1e3,null],"info":{"x":"é","status":"deployed","description":"d"},"version":1}"#,
            change,
            r#"{"name":"a","more":[1.0,1e3,null],"info":{"x":"é","status":"superseded","description":"d"},"version":1}"#,
        ),
        (
            r#"{ "info" : {"status":"deployed","deleted":""} , "chart":{"z": 1, "a":  2} }"#,
            full,
            r#"{"info":{"status":"uninstalling","deleted":"2026-01-02T03:04:05Z","description":"<gone>"},"chart":{"z": 1, "a":  2}}"#,
        ),
        (
            r#"{"info":null}"#,
            change,
            r#"{"info":{"status":"superseded"}}"#,
        ),
        ("{}", change, r#"{"info":{"status":"superseded"}}"#),
    ] {
        let before = secret(&STANDARD.encode(json));
        let mut after = changed(before.clone(), &change, 42).unwrap();
        assert_eq!(json_of(&after), expected);
        let labels = &after["metadata"]["labels"];
        assert_eq!(labels["status"], change.status.as_str());
        assert_eq!(labels["modifiedAt"], "42");
        let was = |label: &str| before["metadata"]["labels"].get(label).cloned();
        let labels = after["metadata"]["labels"].as_object_mut().unwrap();
        labels.remove("modifiedAt");
        labels.insert("status".to_owned(), was("status").unwrap());
        after["data"]["release"] = before["data"]["release"].clone();
        assert_eq!(after, before, "nothing else has changed");
    }
}

#[test]
fn what_is_no_record_is_not_changed() {
    let change = Change {
        status: Status::Superseded,
        description: None,
        deleted: None,
    };
    let bare = |json: &str| secret(&STANDARD.encode(json));
    let mut unlabelled = bare("{}");
    unlabelled["metadata"]["labels"] = Value::Null;
    for (secret, error) in [
        (json!({}), "secret has no data.release"),
        (json!([]), "secret has no data.release"),
        (
            secret("!"),
            "release is not base64: illegal base64 data at input byte 0",
        ),
        (bare("[]"), "release is no JSON of a release"),
        (bare(r#"{"info":"x"}"#), "release is no JSON of a release"),
        (bare(r#"{"info":{}"#), "release is no JSON of a release"),
        (unlabelled, "secret has no metadata.labels"),
    ] {
        let refused = changed(secret.clone(), &change, 1).expect_err(error);
        assert_eq!(refused.to_string(), error, "{secret}");
    }
}

#[test]
fn a_payload_that_unpacks_to_too_much_is_refused() {
    let zip = |bytes: &[u8], times: usize| {
        use std::io::Write as _;
        let best = flate2::Compression::best();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), best);
        for _ in 0..times {
            encoder.write_all(bytes).unwrap();
        }
        STANDARD.encode(encoder.finish().unwrap())
    };
    let bomb = zip(&vec![b' '; 1 << 20], 65);
    assert!(bomb.len() < 1 << 20, "it fits into a Secret");
    let error = decode(&bomb).expect_err("too large");
    assert_eq!(error.to_string(), "release is larger than 67108864 bytes");
    let deep = decode(&zip(b"[", 1 << 20)).expect_err("too deep");
    assert_eq!(deep.to_string(), "release is no JSON");
    let deep = decode(&zip(br#"{"config":"#, 1 << 20)).expect_err("too deep");
    assert_eq!(deep.to_string(), "release is no JSON");
}

#[test]
fn a_release_that_does_not_fit_is_refused_with_its_size() {
    let mut state = 1_u64;
    let random = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    });
    let release = Release {
        manifest: random.take(1_400_000).collect(),
        ..Release::default()
    };
    let error = to_secret(&release, Stamp::Created(1)).expect_err("too large");
    let text = error.to_string();
    let end = " bytes after compression, at most 1048576 fit into a Secret";
    assert!(
        text.starts_with("the record of the release takes ") && text.ends_with(end),
        "{text}"
    );
}

/// Values as YAML and JSON have them.
fn values() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no other", |n| n.is_finite())
            .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(".{0,4}", value, 0..4).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn records_come_back(
        config in values(),
        defaults in values(),
        manifest in ".{0,64}",
        version in 1_u32..,
        description in ".{0,16}",
    ) {
        let release = Release {
            name: "a".to_owned(),
            namespace: "ns".to_owned(),
            info: Info { description, status: Status::Deployed, ..Info::default() },
            chart: Some(StoredChart { values: defaults, ..StoredChart::default() }),
            config,
            manifest,
            version,
            labels: [("team".to_owned(), "x".to_owned())].into(),
            ..Release::default()
        };
        let secret = to_secret(&release, Stamp::Created(1)).unwrap();
        prop_assert_eq!(&from_secret(&secret).unwrap(), &release);
        let change = Change { status: Status::Superseded, description: None, deleted: None };
        let mut expected = release;
        expected.info.status = Status::Superseded;
        prop_assert_eq!(from_secret(&changed(secret, &change, 2).unwrap()).unwrap(), expected);
    }

    #[test]
    fn nothing_makes_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in ".{0,32}") {
        let _ = decode(&STANDARD.encode(&bytes));
        let _ = decode(&text);
        let _ = changed(secret(&text), &Change { status: Status::Failed, description: None, deleted: None }, 1);
    }
}
