//! One case of the functions of charts: a template, what Helm made of it, and what this engine makes of it.
//!
//! In: a template and the files of `data/functions-chart`. Out: what the template prints, in a `define` that
//! the chart's only template includes and prints in base 64, so that it can be any bytes; or the whole error.

#![expect(clippy::expect_used, reason = "a test says what it expects")]

use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helm::{Chart, CompiledChart, Host, Limits, RandomSource, RenderOptions, render};
use jiff::Timestamp;
use serde::Deserialize;

/// The present of every recorded case, in seconds since 1970; nothing recorded depends on it.
pub(crate) const NOW: i64 = 1_800_000_000;

static CHART: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/functions-chart");
    ["Chart.yaml", "values.yaml", "a/b.txt", "a/c.bin"]
        .map(|name| {
            (
                name.to_owned(),
                std::fs::read(root.join(name)).expect("a file"),
            )
        })
        .to_vec()
});

/// Counts up: nothing recorded depends on what is random.
struct Counter(u8);

impl RandomSource for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(83);
            *byte = self.0;
        }
    }
}

/// A line of a file of cases.
#[derive(Deserialize)]
pub(crate) struct Case {
    /// Stands in front of the `define`.
    #[serde(default)]
    pub(crate) before: String,
    pub(crate) template: String,
    output: Option<String>,
    /// The output if it is no UTF-8.
    base64: Option<String>,
    error: Option<String>,
}

impl Case {
    /// What Helm gave.
    pub(crate) fn want(&self) -> Result<Vec<u8>, String> {
        match (&self.output, &self.base64) {
            (Some(output), _) => Ok(output.clone().into_bytes()),
            (None, Some(base64)) => Ok(STANDARD.decode(base64).expect("base 64")),
            (None, None) => Err(self.error.clone().unwrap_or_default()),
        }
    }

    /// What this engine gives at a moment.
    pub(crate) fn got(&self, now: i64) -> Result<Vec<u8>, String> {
        let text = format!(
            "{}{{{{ define \"case\" }}}}{}{{{{ end }}}}out: {{{{ include \"case\" . | b64enc }}}}\n",
            self.before, self.template
        );
        let mut files = CHART.clone();
        files.push(("templates/t.yaml".to_owned(), text.into_bytes()));
        let chart = Chart::from_files(files, &Limits::default()).expect("a chart");
        let options = RenderOptions {
            release_name: "rel".to_owned(),
            ..RenderOptions::default()
        };
        let now = Timestamp::from_second(now).expect("in range");
        let host = Host::new(now, Box::new(Counter(7)));
        let rendered = render(&CompiledChart::new(chart), &options, host)
            .map_err(|failure| failure.error.to_string())?;
        let manifest = rendered.manifests[0].text.trim();
        let start = manifest.rfind("out:").expect("the output");
        Ok(STANDARD
            .decode(manifest[start + 4..].trim())
            .expect("base 64"))
    }
}
