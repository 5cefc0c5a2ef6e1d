//! Reading and writing YAML and JSON: what is written is read again as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let parsed = goyaml::parse(text);
    let strict = goyaml::parse_strict(text);
    if let (Err(_), Ok(_)) = (&parsed, &strict) {
        panic!("strict reading takes what lenient reading refuses");
    }
    let nodes = goyaml::nodes::parse(text);
    if let Ok(document) = nodes.document()
        && let Some(root) = document.root()
    {
        let _ = root.duplicate_keys();
        let _ = root.to_value();
    }
    if let Ok(stream) = std::str::from_utf8(text) {
        let total: usize = goyaml::documents::split(stream)
            .map(|part| part.text.len())
            .sum();
        assert!(total <= stream.len());
    }
    if let Some(Ok(Some(document))) = std::str::from_utf8(text).ok().map(goyaml::v3::parse) {
        let mut printer = goyaml::v3::Printer::default();
        printer.document(&document, true);
        printer.document(&document, false);
        let _ = goyaml::v3::parse(&printer.finish());
    }
    let Ok(value) = parsed else { return };
    if let Ok(written) = goyaml::to_yaml(&value) {
        // Not the value itself: `-0.0` is written as `0`. A merge key `<<` is written, but not read again, as in Go.
        let again = goyaml::parse(written.as_bytes()).map(|value| goyaml::to_yaml(&value));
        let merges = written.contains("<<");
        assert!(
            merges || matches!(&again, Ok(Ok(again)) if *again == written),
            "{written:?} {again:?}"
        );
    }
    if let Ok(written) = goyaml::to_yaml_v3(&value, 2) {
        let _ = goyaml::parse(written.as_bytes());
    }
    if let Ok(json) = goyaml::json::to_vec(&value) {
        // Deeper than serde reads.
        assert!(sprig::json::parse(&json).is_ok());
    }
});
