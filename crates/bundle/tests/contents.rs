//! Storing the files of bundles: budgets, round trips, stability, and what damage does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use api::ids;
use api::limits::{Limits, json_len};
use api::v1alpha1::{Bundle, BundleResource, BundleTarget, Content, HelmOptions};
use bundle::content::{
    AssembleError, MANIFEST_BYTES_MAX, StoreError, assemble, decode_resource, pack, store,
};
use errors::chain;
use k8s_openapi::ByteString;
use proptest::prelude::*;
use serde_json::json;

fn resource(name: impl Into<String>, content: impl Into<String>) -> BundleResource {
    BundleResource {
        name: name.into(),
        content: content.into(),
        encoding: String::new(),
    }
}

/// Text that compresses as badly as it can: the same for the same seed.
fn noise(seed: u64, bytes: usize) -> String {
    random(seed, bytes, 95)
}

/// Text of so many different characters.
fn random(seed: u64, bytes: usize, n_characters: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b' ' + (state % n_characters) as u8)
        })
        .collect()
}

/// Small chunks, so that the tests are fast.
const SMALL: Limits = Limits {
    chunk_bytes_max: 32 * 1024,
    ..Limits::PRODUCTION
};

/// Files as those of two versions of a large chart: many, most of them small.
fn chart_files() -> Vec<BundleResource> {
    let mut files = Vec::new();
    for version in ["1", "2"] {
        for i in 0..150_u64 {
            let bytes = if i % 10 == 0 { 6_000 } else { 400 };
            files.push(resource(
                format!(".chart/{version}/templates/file-{i:03}.yaml"),
                random(i * 3 + u64::from(version == "2"), bytes, 16),
            ));
        }
    }
    files
}

fn read_back(contents: &[Content]) -> Result<Vec<BundleResource>, AssembleError> {
    let (root, chunks) = contents.split_last().unwrap();
    assemble(root, &by_name(chunks))
}

fn by_name(chunks: &[Content]) -> BTreeMap<String, Content> {
    chunks
        .iter()
        .map(|chunk| (chunk.metadata.name.clone().unwrap(), chunk.clone()))
        .collect()
}

fn names(contents: &[Content]) -> BTreeSet<String> {
    contents
        .iter()
        .map(|content| content.metadata.name.clone().unwrap())
        .collect()
}

fn bundle(resources: Vec<BundleResource>) -> Bundle {
    let mut bundle = Bundle::default();
    bundle.metadata.name = Some("b".into());
    bundle.metadata.namespace = Some("ns".into());
    bundle.spec.resources = resources;
    bundle
}

#[test]
fn small_bundles_keep_their_files() {
    let wanted = bundle(vec![resource("a", "x")]);
    let stored = store(wanted.clone(), &Limits::PRODUCTION).unwrap();
    assert_eq!((stored.bundle, stored.contents), (wanted, vec![]));
}

#[test]
fn medium_contents_have_upstreams_form() {
    let files = vec![resource("a", noise(1, 200_000))];
    let stored = store(bundle(files.clone()), &Limits::PRODUCTION).unwrap();
    let [content] = stored.contents.as_slice() else {
        panic!("one content")
    };
    let sum = ids::content_sha256(&ids::manifest_json(&files));
    assert_eq!(content.sha256sum, sum);
    assert_eq!(content.metadata.name, Some(ids::content_id(&sum)));
    assert_eq!(stored.bundle.spec.contents_id, ids::content_id(&sum));
    assert!(stored.bundle.spec.resources.is_empty() && content.chunks.is_empty());
    assert_eq!(assemble(content, &BTreeMap::new()).unwrap(), files);
}

#[test]
fn large_contents_are_chunks_within_their_budget() {
    let files = chart_files();
    let stored = store(bundle(files.clone()), &SMALL).unwrap();
    let (root, chunks) = stored.contents.split_last().unwrap();
    assert!(chunks.len() >= 4, "{}", chunks.len());
    for content in &stored.contents {
        assert!(
            json_len(content) <= SMALL.chunk_bytes_max,
            "{}",
            json_len(content)
        );
    }
    for chunk in chunks {
        assert!(
            chunk
                .metadata
                .labels
                .as_ref()
                .unwrap()
                .contains_key("fleet.cattle.io/content-chunk")
        );
    }
    let listed = &root.metadata.annotations.as_ref().unwrap()["fleet.cattle.io/content-chunks"];
    assert_eq!(
        listed.split(',').collect::<BTreeSet<_>>().len(),
        chunks.len()
    );
    assert_eq!(
        root.metadata.name,
        Some(stored.bundle.spec.contents_id.clone())
    );
    assert_eq!(read_back(&stored.contents).unwrap(), files);
}

#[test]
fn a_change_in_one_file_writes_one_chunk() {
    let before = chart_files();
    let old = names(&pack("b", &before, &SMALL).unwrap());
    for at in [0, 17, 140, 299] {
        let mut after = before.clone();
        after[at].content.push_str("changed: true\n");
        let new = names(&pack("b", &after, &SMALL).unwrap());
        // The chunk and the content that lists it.
        assert_eq!(new.difference(&old).count(), 2, "change in file {at}");
    }
}

#[test]
fn a_file_that_comes_or_goes_changes_few_chunks() {
    let before = chart_files();
    let old = names(&pack("b", &before, &SMALL).unwrap());
    for at in [20, 160] {
        let mut less = before.clone();
        less.remove(at);
        let mut more = before.clone();
        more.insert(at, resource(format!("{}-new", before[at].name), "x"));
        for after in [less, more] {
            let new = names(&pack("b", &after, &SMALL).unwrap());
            assert!(new.difference(&old).count() <= 4, "{at}");
        }
    }
}

#[test]
fn a_single_file_larger_than_a_chunk_is_cut() {
    let files = vec![resource("big", noise(5, 1_000_000)), resource("small", "s")];
    let contents = pack("b", &files, &Limits::PRODUCTION).unwrap();
    assert!(
        contents
            .iter()
            .all(|c| json_len(c) <= Limits::PRODUCTION.chunk_bytes_max)
    );
    assert_eq!(read_back(&contents).unwrap(), files);
}

#[test]
fn too_large_bundles_are_refused_and_name_what_is_large() {
    let files = vec![
        resource("huge.bin", "x".repeat(MANIFEST_BYTES_MAX)),
        resource("a", "x"),
    ];
    let error = store(bundle(files), &Limits::PRODUCTION)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"b\"") && error.contains("largest: huge.bin"),
        "{error}"
    );

    let mut wide = bundle(vec![resource("a", "x")]);
    wide.spec.targets = (0..3_000)
        .map(|i| BundleTarget {
            name: format!("{i:0100}"),
            ..BundleTarget::default()
        })
        .collect();
    assert!(matches!(
        store(wide, &Limits::PRODUCTION),
        Err(StoreError::BundleTooLarge { bytes, .. }) if bytes > 256 * 1024
    ));
}

#[test]
fn values_leave_the_bundle_and_internal_fields_are_cleared() {
    let mut with = bundle(vec![resource("a", "x")]);
    with.spec.contents_id = "smuggled".into();
    with.spec.options.helm = Some(HelmOptions {
        chart: "c".into(),
        values: json!({"replicas": 2}).as_object().cloned(),
        values_files: vec!["v".into()],
        ..HelmOptions::default()
    });
    let stored = store(with, &Limits::PRODUCTION).unwrap();
    let helm = stored.bundle.spec.options.helm.unwrap();
    assert_eq!(
        (helm.values, helm.values_files.len(), helm.chart.as_str()),
        (None, 0, "c")
    );
    assert_eq!(stored.values["values.yaml"], br#"{"replicas":2}"#);
    assert_eq!(
        stored.bundle.spec.values_hash,
        "c75d165561414f510a2709f504933f7e6119b9bb6a10256809e9f55bdfba02ff"
    );
    assert_eq!(stored.bundle.spec.contents_id, "");
}

#[test]
fn values_of_a_target_without_name_are_refused() {
    let mut with = bundle(vec![resource("a", "x")]);
    with.spec.targets = vec![BundleTarget::default()];
    with.spec.targets[0].options.helm = Some(HelmOptions {
        values: json!({"a": 1}).as_object().cloned(),
        ..HelmOptions::default()
    });
    let error = store(with, &Limits::PRODUCTION).unwrap_err();
    assert_eq!(
        chain(&error),
        "values of bundle \"b\": target 0 has values but no name"
    );
}

#[test]
fn damage_is_noticed_and_named() {
    let good = pack("b", &chart_files(), &SMALL).unwrap();
    let broken = |change: &dyn Fn(&mut Vec<Content>)| {
        let mut contents = good.clone();
        change(&mut contents);
        chain(&read_back(&contents).unwrap_err())
    };
    let lost = broken(&|c| drop(c.remove(0)));
    assert!(lost.contains("lacks its chunk"), "{lost}");
    let empty = broken(&|c| c[0].content = None);
    assert!(empty.contains("is empty"), "{empty}");
    let cut = broken(&|c| c[0].content.as_mut().unwrap().0.truncate(1000));
    assert!(cut.contains("unpack content"), "{cut}");
    let swapped = broken(&|c| {
        let other = c[1].content.clone();
        c[0].content = other;
    });
    assert!(swapped.contains("is damaged"), "{swapped}");
    let order = broken(&|c| c.last_mut().unwrap().chunks.swap(0, 1));
    assert!(order.contains("is damaged"), "{order}");
    let sum = broken(&|c| c.last_mut().unwrap().sha256sum = "0".repeat(64));
    assert!(sum.contains("is damaged"), "{sum}");
    let many = broken(&|c| {
        let root = c.last_mut().unwrap();
        root.chunks = vec![root.chunks[0].clone(); 5000];
    });
    assert!(many.contains("too large"), "{many}");
}

fn gzipped(bytes: &[u8]) -> ByteString {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    ByteString(packer.finish().unwrap())
}

#[test]
fn single_contents_of_others_are_read_and_checked() {
    let read = |manifest: &[u8], sum: Option<&str>| {
        let found = ids::content_sha256(manifest);
        let mut content = Content {
            content: Some(gzipped(manifest)),
            sha256sum: sum.map_or_else(|| found.clone(), str::to_owned),
            ..Content::default()
        };
        content.metadata.name = Some(ids::content_id(&found));
        assemble(&content, &BTreeMap::new()).map_err(|error| error.to_string())
    };
    let manifest = br#"{"resources":[{"name":"a","content":"x","other":1}]}"#;
    assert_eq!(read(manifest, None), Ok(vec![resource("a", "x")]));
    // Without a sum the name is what is checked.
    assert_eq!(read(manifest, Some("")), Ok(vec![resource("a", "x")]));
    assert_eq!(read(br#"{"resources":null}"#, None), Ok(vec![]));
    assert_eq!(read(b"{}", None), Ok(vec![]));
    assert!(
        read(manifest, Some("00"))
            .unwrap_err()
            .contains("is damaged")
    );
    assert!(read(b"3", None).unwrap_err().contains("is no manifest"));
    assert!(read(b"", None).unwrap_err().contains("is no manifest"));
    assert!(
        read(br#"{"resources":[{"name":1}]}"#, None)
            .unwrap_err()
            .contains("is no manifest")
    );
}

#[test]
fn a_bomb_does_not_go_off() {
    let bomb = gzipped(&vec![b'x'; MANIFEST_BYTES_MAX + 1]);
    let mut content = Content {
        content: Some(bomb),
        ..Content::default()
    };
    content.metadata.name = Some("s-x".into());
    let error = assemble(&content, &BTreeMap::new()).unwrap_err();
    assert!(matches!(error, AssembleError::TooLarge { .. }), "{error}");
}

#[test]
fn files_are_decoded_within_bounds() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let decode = |content: String, encoding: &str| {
        let file = BundleResource {
            name: "f".into(),
            content,
            encoding: encoding.into(),
        };
        decode_resource(&file, 10).map_err(|error| error.to_string())
    };
    assert_eq!(decode("text".into(), ""), Ok(b"text".to_vec()));
    assert_eq!(decode(base64(b"x"), "base64"), Ok(b"x".to_vec()));
    assert_eq!(
        decode(base64(&gzipped(b"x").0), "base64+gz"),
        Ok(b"x".to_vec())
    );
    assert!(
        decode("x".repeat(11), "")
            .unwrap_err()
            .contains("larger than 10 bytes")
    );
    assert!(
        decode(base64(&gzipped(&[0; 100]).0), "base64+gz")
            .unwrap_err()
            .contains("larger than")
    );
    assert!(decode("%".into(), "base64").is_err());
    assert!(decode(base64(b"no gzip"), "base64+gz").is_err());
    assert!(
        decode("x".into(), "zstd")
            .unwrap_err()
            .contains("unknown encoding")
    );
}

fn any_files() -> impl Strategy<Value = Vec<BundleResource>> {
    let name = "[a-d]{1,3}(/[a-d<>é]{1,3}){0,2}";
    prop::collection::btree_map(name, (any::<u64>(), 0..600_usize), 0..20).prop_map(|files| {
        files
            .into_iter()
            .map(|(name, (seed, bytes))| resource(name, noise(seed, bytes)))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_packed_comes_back(files in any_files()) {
        let contents = pack("b", &files, &Limits::TINY).unwrap();
        prop_assert_eq!(read_back(&contents).unwrap(), files.clone());
        let sum = ids::content_sha256(&ids::manifest_json(&files));
        prop_assert_eq!(&contents.last().unwrap().sha256sum, &sum);
    }

    #[test]
    fn no_payload_exceeds_its_budget(files in any_files()) {
        for content in pack("b", &files, &Limits::TINY).unwrap() {
            let payload = content.content.map_or(0, |packed| packed.0.len());
            prop_assert!(payload <= Limits::TINY.chunk_bytes_max / 4 * 3, "{}", payload);
        }
    }

    #[test]
    fn equal_files_give_equal_contents(files in any_files()) {
        prop_assert_eq!(
            pack("b", &files, &Limits::TINY).unwrap(),
            pack("b", &files.clone(), &Limits::TINY).unwrap()
        );
    }
}
