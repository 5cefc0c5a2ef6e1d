//! Regular expressions, globs and shell patterns on texts.

#![no_main]

use std::sync::{Arc, LazyLock};

use flotilla_fuzz::{parsed, parts, run};
use gotemplate::{Map, Str, TemplateSet, Value};
use libfuzzer_sys::fuzz_target;

const TEMPLATE: &[u8] =
    b"{{ regexMatch .p .t }}{{ regexFindAll .p .t 9 }}{{ regexSplit .p .t -1 }}\
    {{ regexReplaceAll .p .t .r }}{{ regexReplaceAllLiteral .p .t .r }}{{ regexFind .p .t }}";

thread_local! {
    static SET: LazyLock<Option<Arc<TemplateSet>>> = LazyLock::new(|| parsed(TEMPLATE));
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = parts(bytes);
    let [pattern, text, replacement] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let data: Map = [("p", pattern), ("t", text), ("r", replacement)]
        .map(|(key, bytes)| (key, Value::Str(Str::from(bytes))))
        .into_iter()
        .collect();
    SET.with(|set| {
        if let Some(set) = &**set {
            run(set, &Value::Map(data));
        }
    });
    let (pattern, text) = (
        String::from_utf8_lossy(pattern),
        String::from_utf8_lossy(text),
    );
    let _ = helm::Glob::new(&pattern).map(|glob| glob.matches(&text));
    let _ = sprig::gopath::matches(&pattern, &text);
    let clean = sprig::gopath::clean_str(&text);
    assert_eq!(sprig::gopath::clean_str(&clean), clean);
});
