//! Charts made of files: metadata, ignore rules, locks, templates, sub-charts.

#![no_main]

use flotilla_fuzz::{CHART_LIMITS, parts, render};
use helm::Chart;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut files = Vec::new();
    for part in parts(bytes) {
        let end = part
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(part.len());
        let name = String::from_utf8_lossy(&part[..end]).into_owned();
        files.push((name, part.get(end + 1..).unwrap_or_default().to_vec()));
    }
    for (name, _) in &files {
        let _ = helm::Glob::new(name).map(|glob| glob.matches("templates/a.yaml"));
    }
    if let Ok(chart) = Chart::from_directory(files, &CHART_LIMITS) {
        let _ = chart.check_dependencies();
        let _ = chart.check_installable();
        let _ = render(
            chart,
            serde_json::json!({"a": {"b": 1.0}, "tags": {"t": true}}),
        );
    }
});
