//! Versions and what is asked of them.

#![no_main]

use std::sync::{Arc, LazyLock};

use flotilla_fuzz::{parsed, parts, run};
use gotemplate::{Map, Str, TemplateSet, Value};
use libfuzzer_sys::fuzz_target;
use sprig::semver::{Error, Version, is_compatible_range};

const TEMPLATE: &[u8] =
    b"{{ $v := semver .v }}{{ $v.Major }}{{ $v }}{{ $v.IncMinor }}{{ $v.Compare (semver .w) }}\
    {{ semverCompare .c .v }}";

thread_local! {
    static SET: LazyLock<Option<Arc<TemplateSet>>> = LazyLock::new(|| parsed(TEMPLATE));
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = parts(bytes);
    let [constraint, one, other] =
        [(); 3].map(|()| String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned());
    let _ = is_compatible_range(&constraint, &one);
    let _ = helm::KubeVersion::parse(&one);
    if let (Ok(one), Ok(other)) = (Version::parse(&one), Version::parse(&other)) {
        assert!(one.compare(&one).is_eq());
        assert_eq!(one.compare(&other), other.compare(&one).reverse());
        match Version::parse(&one.to_string()) {
            Ok(again) => assert!(again.compare(&one).is_eq()),
            // `1-a` is written as `1.0.0-a`, which may be too long to be read.
            Err(error) => assert_eq!(error, Error::VersionTooLong),
        }
        let _ = (one.next_major(), one.next_minor(), one.next_patch());
    }
    let data: Map = [("c", constraint), ("v", one), ("w", other)]
        .map(|(key, text)| (key, Value::Str(Str::from(text))))
        .into_iter()
        .collect();
    SET.with(|set| {
        if let Some(set) = &**set {
            run(set, &Value::Map(data));
        }
    });
});
