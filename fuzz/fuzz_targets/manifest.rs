//! Rendered texts taken apart into documents, hooks and objects.

#![no_main]

use flotilla_fuzz::{CHART_LIMITS, render};
use helm::Chart;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let total: usize = helm::split_manifests(text)
            .iter()
            .map(|part| part.len())
            .sum();
        assert!(total <= text.len());
    }
    let files = vec![
        (
            "Chart.yaml".to_owned(),
            "apiVersion: v2\nname: a\nversion: 0.1.0".into(),
        ),
        ("templates/a.yaml".to_owned(), "{{ .Files.Get `m` }}".into()),
        ("m".to_owned(), bytes.to_vec()),
    ];
    if let Ok(chart) = Chart::from_files(files, &CHART_LIMITS)
        && let Ok(rendered) = render(chart, serde_json::Value::Null)
    {
        let _ = helm::hooks_at(&rendered.hooks, helm::HookEvent::Test);
    }
});
