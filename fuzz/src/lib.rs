//! What the fuzz targets share: small limits, a host without surprises, charts of a few files.
//!
//! In: bytes of the fuzzer. Out: nothing; a target fails by panicking, by taking too long or too much memory.

use std::sync::{Arc, LazyLock};

use gotemplate::{Functions, Limits, Map, MissingKey, Renderer, Str, TemplateSet, Value};
use helm::{Chart, CompiledChart, Host, RandomSource, RenderFailure, RenderOptions, Rendered};
use jiff::Timestamp;

/// Small enough that what runs away ends before the fuzzer's time is up.
pub const LIMITS: Limits = Limits {
    steps_max: 50_000,
    output_bytes_max: 1 << 20,
    values_bytes_max: 4 << 20,
    depth_max: 200,
    nested_max: 100,
};

/// Limits of loading a chart, as small.
pub const CHART_LIMITS: helm::Limits = helm::Limits {
    total_bytes: 1 << 20,
    files: 200,
    depth: 8,
};

/// Bytes that repeat, so that a finding does too.
struct Counter(u8);

impl RandomSource for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(13);
            *byte = self.0;
        }
    }
}

/// A host at a fixed moment.
pub fn host() -> Host {
    Host::new(Timestamp::UNIX_EPOCH, Box::new(Counter(1)))
}

/// Helm's functions.
pub fn functions() -> Arc<Functions> {
    static FUNCTIONS: LazyLock<Arc<Functions>> = LazyLock::new(|| Arc::new(sprig::helm()));
    Arc::clone(&FUNCTIONS)
}

/// A set with one template `t`, if it parses.
pub fn parsed(text: &[u8]) -> Option<Arc<TemplateSet>> {
    let mut set = TemplateSet::new(functions()).with_missing_key(MissingKey::Zero);
    set.parse("t", text).ok()?;
    Some(Arc::new(set))
}

/// Runs the template `t`; what it says is looked at, so that errors are formed too.
pub fn run(set: &Arc<TemplateSet>, data: &Value) {
    match Renderer::new(LIMITS, host()).execute(set, "t", data) {
        Ok(out) => assert!(out.len() as u64 <= LIMITS.output_bytes_max),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Data with a value of each kind.
pub fn data() -> Value {
    let text = r#"{"text": "a text: \n  with lines\n", "empty": "", "number": 42.5, "whole": 7, "yes": true,
        "nothing": null, "list": ["b", 1, null, {"c": [1.5]}], "map": {"a": {"b": {"c": "deep"}}, "z": []},
        "day": "2024-02-29T12:30:00Z", "version": "1.2.3-rc.1+build", "encoded": "aGVsbG8="}"#;
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let value = sprig::values::to_template(&json);
    if let Value::Map(map) = &value {
        let _ = map.insert("bytes", Value::Bytes(Str::from(&b"\xff\x00a"[..])));
        let _ = map.insert("Values", Value::Map(Map::new()));
    }
    value
}

/// Renders a chart and looks at the result.
pub fn render(chart: Chart, values: serde_json::Value) -> Result<Rendered, Box<RenderFailure>> {
    let options = RenderOptions {
        values,
        limits: LIMITS,
        ..RenderOptions::default()
    };
    let result = helm::render(&CompiledChart::new(chart), &options, host());
    match &result {
        Ok(rendered) => drop(rendered.manifest_text(true)),
        Err(failure) => assert!(!failure.to_string().is_empty()),
    }
    result
}

/// Cuts bytes at a mark that seeds can hold: files of a chart, texts of a comparison.
pub fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    const MARK: &[u8] = b"\n====\n";
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let text = rest?;
        let at = text.windows(MARK.len()).position(|window| window == MARK);
        rest = at.map(|at| &text[at + MARK.len()..]);
        Some(&text[..at.unwrap_or(text.len())])
    })
}
