//! Metrics as they are at a scrape, and their text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Names and values of labels.
pub type Labels = Vec<(&'static str, String)>;

/// A name with its series.
#[derive(Debug)]
pub struct Metric {
    /// Of counters without the ending `_total`, which the text gives them.
    pub name: &'static str,
    /// A sentence.
    pub help: &'static str,
    /// What there is of it.
    pub series: Series,
}

/// Series of one type by their labels.
#[derive(Debug)]
pub enum Series {
    /// Numbers that only grow while the process lives.
    Counters(Vec<(Labels, u64)>),
    /// Numbers.
    Gauges(Vec<(Labels, u64)>),
    /// Distributions of what was observed.
    Histograms(Vec<(Labels, Histogram)>),
}

impl Metric {
    /// Adds the metric to what is printed.
    ///
    /// # Errors
    /// Those of the printer.
    pub fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = match &self.series {
            Series::Counters(_) => MetricType::Counter,
            Series::Gauges(_) => MetricType::Gauge,
            Series::Histograms(_) => MetricType::Histogram,
        };
        let metric = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        match &self.series {
            Series::Counters(rows) => rows_of(rows, metric, |value, series| {
                ConstCounter::new(*value).encode(series)
            }),
            Series::Gauges(rows) => rows_of(rows, metric, |value, series| {
                ConstGauge::new(i64::try_from(*value).unwrap_or(i64::MAX)).encode(series)
            }),
            Series::Histograms(rows) => rows_of(rows, metric, EncodeMetric::encode),
        }
    }
}

fn rows_of<T>(
    rows: &[(Labels, T)],
    mut metric: MetricEncoder<'_>,
    encode: impl Fn(&T, MetricEncoder<'_>) -> Result<(), fmt::Error>,
) -> Result<(), fmt::Error> {
    if let [(labels, value)] = rows
        && labels.is_empty()
    {
        return encode(value, metric);
    }
    for (labels, value) in rows {
        encode(value, metric.encode_family(labels)?)?;
    }
    Ok(())
}

/// Several metrics, for [`text`].
#[derive(Debug)]
pub struct Metrics(pub Vec<Metric>);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut metrics = self.0.iter();
        metrics.try_for_each(|metric| metric.encode(&mut encoder))
    }
}

/// What is collected, in the `OpenMetrics` form.
///
/// # Errors
/// Those of the printer.
pub fn text(collected: impl Collector + 'static) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collected));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_gauges_and_histograms_are_printed_with_their_labels() {
        let runs = Histogram::new([1.0, 60.0]);
        runs.observe(0.5);
        runs.observe(90.0);
        let metrics = vec![
            Metric {
                name: "requests",
                help: "Requests.",
                series: Series::Counters(vec![(vec![("verb", "a\"b".to_owned())], 2)]),
            },
            Metric {
                name: "depth",
                help: "Depth.",
                series: Series::Gauges(vec![(Vec::new(), u64::MAX)]),
            },
            Metric {
                name: "run_seconds",
                help: "Runs.",
                series: Series::Histograms(vec![(vec![("of", "x".to_owned())], runs)]),
            },
            Metric {
                name: "nothing",
                help: "Has no series.",
                series: Series::Gauges(Vec::new()),
            },
        ];
        let text = text(Metrics(metrics)).unwrap();
        for line in [
            "# TYPE requests counter",
            "requests_total{verb=\"a\\\"b\"} 2",
            "depth 9223372036854775807",
            "run_seconds_count{of=\"x\"} 2",
            "run_seconds_bucket{le=\"1.0\",of=\"x\"} 1",
            "run_seconds_bucket{le=\"+Inf\",of=\"x\"} 2",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
