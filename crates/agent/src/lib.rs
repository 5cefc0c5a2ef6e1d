//! Downstream: deploy, watch, report.
