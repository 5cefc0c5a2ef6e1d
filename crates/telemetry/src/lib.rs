//! What a process tells machines about itself: a small HTTP server for probes and metrics, and the text of
//! metrics.
//!
//! Knows nothing of what is told. Nothing is kept between scrapes but histograms, which their owner has.

mod metrics;
mod serve;

pub use metrics::{Labels, Metric, Metrics, Series, text};
pub use prometheus_client::metrics::histogram::Histogram;
pub use serve::{Answer, Listen, listen, serve};
