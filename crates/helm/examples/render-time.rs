//! How long a render takes once a chart is loaded and its templates are parsed.
//!
//! In: `render-time CHART.tgz [TIMES]`. Out: the time of the first render, which parses, and the least and
//! the median of the others, in milliseconds; and what a render takes of its limits.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Context as _;
use helm::{Chart, CompiledChart, Cost, Host, Limits, RenderOptions, SystemRandom, render};

/// As in the real program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args
        .next()
        .context("usage: render-time CHART.tgz [TIMES]")?;
    let times: usize = args.next().map_or(Ok(20), |times| times.parse())?;
    let start = Instant::now();
    let chart = Chart::from_archive(&std::fs::read(&path)?, &Limits::default())?;
    let loaded = start.elapsed();
    let chart = CompiledChart::new(chart);
    let mut taken = Vec::new();
    let mut cost = Cost::default();
    for _ in 0..=times {
        let start = Instant::now();
        let host = Host::new(jiff::Timestamp::now(), Box::new(SystemRandom));
        let rendered = render(&chart, &RenderOptions::default(), host)?;
        taken.push(start.elapsed().as_secs_f64() * 1e3);
        cost = rendered.cost;
    }
    let first = taken.remove(0);
    taken.sort_by(f64::total_cmp);
    let (least, median) = (
        taken.first().unwrap_or(&first),
        taken.get(times / 2).unwrap_or(&first),
    );
    writeln!(
        std::io::stdout(),
        "load {:.1} ms, first render {first:.1} ms, then least {least:.1} ms, median {median:.1} ms",
        loaded.as_secs_f64() * 1e3
    )?;
    writeln!(
        std::io::stdout(),
        "{} steps, {} bytes of text, {} bytes in lists and maps",
        cost.steps,
        cost.output_bytes,
        cost.values_bytes
    )?;
    Ok(())
}
