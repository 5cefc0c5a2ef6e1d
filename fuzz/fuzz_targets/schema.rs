//! Values against schemas, and what is said about them.

#![no_main]

use flotilla_fuzz::{CHART_LIMITS, parts, render};
use helm::Chart;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = parts(bytes);
    let schema = parts.next().unwrap_or_default().to_vec();
    let values = parts.next().unwrap_or_default().to_vec();
    let files = vec![
        (
            "Chart.yaml".to_owned(),
            "apiVersion: v2\nname: a\nversion: 0.1.0".into(),
        ),
        ("values.schema.json".to_owned(), schema),
        ("values.yaml".to_owned(), values),
    ];
    if let Ok(chart) = Chart::from_files(files, &CHART_LIMITS) {
        let _ = render(chart, serde_json::Value::Null);
    }
});
