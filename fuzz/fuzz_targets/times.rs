//! Times and durations, read and written by Go's layouts.

#![no_main]

use std::sync::{Arc, LazyLock};

use flotilla_fuzz::{parsed, parts, run};
use gotemplate::{Map, Str, TemplateSet, Value};
use libfuzzer_sys::fuzz_target;
use sprig::gotime;

const TEMPLATE: &[u8] = b"{{ $t := toDate .l .v }}{{ date .l $t }}{{ dateInZone .l $t .z }}{{ ago $t }}\
    {{ $t | dateModify .d | date .l }}{{ htmlDate $t }}{{ unixEpoch $t }}{{ duration .n }}{{ durationRound .n }}\
    {{ durationRound $t }}{{ date .l (int64 .n) }}";

thread_local! {
    static SET: LazyLock<Option<Arc<TemplateSet>>> = LazyLock::new(|| parsed(TEMPLATE));
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = parts(bytes);
    let [layout, value, duration, zone, number] =
        [(); 5].map(|()| String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned());
    if let Ok(moment) = gotime::parse(&layout, &value) {
        let _ = moment.format(&layout);
        if let Some(zone) = gotime::zone(&zone) {
            let _ = moment.in_zone(zone).format(&layout);
        }
    }
    if let Ok(nanoseconds) = gotime::parse_duration(&duration) {
        let text = gotime::duration_text(nanoseconds);
        assert_eq!(gotime::parse_duration(&text), Ok(nanoseconds), "{text}");
    }
    let texts = [
        ("l", layout),
        ("v", value),
        ("d", duration),
        ("z", zone),
        ("n", number),
    ];
    let data: Map = texts
        .map(|(key, text)| (key, Value::Str(Str::from(text))))
        .into_iter()
        .collect();
    SET.with(|set| {
        if let Some(set) = &**set {
            run(set, &Value::Map(data));
        }
    });
});
