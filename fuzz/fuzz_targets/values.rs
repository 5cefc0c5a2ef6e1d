//! `--set` and its relatives, values files, and values merged with those of a chart and its sub-chart.

#![no_main]

use flotilla_fuzz::{CHART_LIMITS, parts, render};
use helm::{Chart, strvals, values};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fn flag(kind: u8, line: &str, map: &mut Map<String, Value>) {
    let _ = match kind % 5 {
        0 => strvals::set(line, map),
        1 => strvals::set_string(line, map),
        2 => strvals::set_json(line, map),
        3 => strvals::set_literal(line, map),
        _ => strvals::set_file(line, map, &mut |name| match name.len() {
            0 => Err("no name".to_owned()),
            _ => Ok(name.repeat(2)),
        }),
    };
}

const CHART: &str = "apiVersion: v2\nname: a\nversion: 0.1.0\ndependencies:\n\
    - {name: sub, version: 0.1.0, condition: sub.on, tags: [t], alias: other, import-values: [data, {child: x.y, parent: z}]}\n\
    - {name: sub, version: 0.1.0, condition: 'also.on,sub.on'}\n";

fuzz_target!(|bytes: &[u8]| {
    let mut parts = parts(bytes);
    let mut given = Map::new();
    for line in parts
        .next()
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
    {
        if let Some((kind, line)) = line.split_first() {
            flag(*kind, &String::from_utf8_lossy(line), &mut given);
        }
    }
    let file = parts.next().unwrap_or_default();
    if let Ok(more) = values::load(file) {
        values::merge(&mut given, more);
    }
    let own = parts.next().unwrap_or_default().to_vec();
    let subs = parts.next().unwrap_or_default().to_vec();
    let files = vec![
        ("Chart.yaml".to_owned(), CHART.into()),
        ("values.yaml".to_owned(), own),
        (
            "templates/a.txt".to_owned(),
            "{{ .Values | toYaml }}".into(),
        ),
        (
            "charts/sub/Chart.yaml".to_owned(),
            "apiVersion: v2\nname: sub\nversion: 0.1.0".into(),
        ),
        ("charts/sub/values.yaml".to_owned(), subs),
    ];
    if let Ok(chart) = Chart::from_files(files, &CHART_LIMITS) {
        let _ = render(chart, Value::Object(given));
    }
});
