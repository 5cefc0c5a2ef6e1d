//! Records as they are written, read and changed.

use serde_json::json;

use super::payload::encode64;
use super::*;
use crate::manifest::HookEvent;

fn release() -> Release {
    Release {
        name: "web".into(),
        info: Info {
            first_deployed: Some("2026-01-02T03:04:05Z".into()),
            last_deployed: Some("2026-01-02T03:04:05Z".into()),
            description: "Install complete".into(),
            status: Status::Deployed,
            ..Info::default()
        },
        chart: Some(StoredChart {
            metadata: Metadata {
                name: "c".into(),
                version: "1".into(),
                ..Default::default()
            },
            templates: vec![StoredFile {
                name: "templates/a".into(),
                data: "YQ==".into(),
                ..StoredFile::default()
            }],
            ..StoredChart::default()
        }),
        config: [("n".to_owned(), json!(1.0)), ("t".to_owned(), json!("<&>"))]
            .into_iter()
            .collect(),
        manifest: "---\n# Source: c/templates/a\na\n".into(),
        hooks: vec![Hook {
            name: "h".into(),
            events: vec![HookEvent::PreInstall],
            weight: -5,
            ..Hook::default()
        }],
        version: 3,
        namespace: "ns".into(),
        labels: [("team".to_owned(), "x".to_owned())].into_iter().collect(),
        ..Release::default()
    }
}

#[test]
fn records_come_back_as_they_were() {
    let release = release();
    let secret = to_secret(&release, Stamp::Created(42)).expect("encodes");
    assert_eq!(secret["metadata"]["name"], "sh.helm.release.v1.web.v3");
    assert_eq!(
        secret["metadata"]["labels"],
        json!({"createdAt": "42", "name": "web", "owner": "helm", "status": "deployed", "team": "x", "version": "3"})
    );
    assert_eq!(from_secret(&secret).expect("decodes"), release);
}

#[test]
fn the_json_is_that_of_helm() {
    let text = String::from_utf8(goyaml::json::to_vec(&release()).expect("writes")).expect("text");
    assert_eq!(
        text,
        "{\"name\":\"web\",\"info\":{\"first_deployed\":\"2026-01-02T03:04:05Z\",\"last_deployed\":\"2026-01-02T03:04:05Z\",\"description\":\"Install complete\",\"status\":\"deployed\"},\"chart\":{\"metadata\":{\"name\":\"c\",\"version\":\"1\"},\"lock\":null,\"templates\":[{\"name\":\"templates/a\",\"data\":\"YQ==\"}],\"values\":{},\"schema\":null,\"schemamodtime\":\"0001-01-01T00:00:00Z\",\"files\":[]},\"config\":{\"n\":1,\"t\":\"\\u003c\\u0026\\u003e\"},\"manifest\":\"---\\n# Source: c/templates/a\\na\\n\",\"hooks\":[{\"name\":\"h\",\"events\":[\"pre-install\"],\"last_run\":{\"phase\":\"\"},\"weight\":-5}],\"version\":3,\"namespace\":\"ns\"}"
    );
}

#[test]
fn what_is_no_record_is_refused() {
    for (secret, want) in [
        (json!({}), "secret has no data.release"),
        (
            json!({"data": {"release": "!"}}),
            "release is not base64: illegal base64 data at input byte 0",
        ),
        (
            json!({"data": {"release": encode64(encode64(b"{").as_bytes())}}),
            "release is no JSON",
        ),
        (
            json!({"data": {"release": encode64(encode64(b"\x1f\x8b\x08x").as_bytes())}}),
            "release cannot be decompressed",
        ),
    ] {
        assert_eq!(from_secret(&secret).expect_err(want).to_string(), want);
    }
}

#[test]
fn names_are_checked_as_helm_does() {
    let longest = "a".repeat(53);
    for good in ["a", "1", "a-b", "a.b", "a--b", "0.v2", longest.as_str()] {
        assert_eq!(check_name(good), Ok(()), "{good}");
    }
    let too_long = "a".repeat(54);
    for bad in [
        "A", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a_b", "ä", "a b", "a\n", &too_long,
    ] {
        let error = check_name(bad).expect_err(bad);
        assert_eq!(error, InvalidName::Malformed(bad.to_owned()));
    }
    assert_eq!(check_name(""), Err(InvalidName::Missing));
    assert_eq!(
        check_name("A").expect_err("A").to_string(),
        r#"release name "A": invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"#
    );
}
