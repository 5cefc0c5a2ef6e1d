//! What compiling and validating may cost.

use std::cell::Cell;

/// Steps of one compilation or validation. Real schemas need some thousands; tests spend them all.
const STEPS_MAX: u64 = if cfg!(test) { 300_000 } else { 5_000_000 };
/// Validations inside one another. Each needs a frame of the stack.
pub(crate) const DEPTH_MAX: usize = 5_000;
/// Bytes of a report.
pub(crate) const REPORT_MAX: usize = 4 << 20;

/// Why validation stopped without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More steps than any real schema needs.
    #[error("the schema takes too many steps")]
    Steps,
    /// Sub-schemas inside one another without an end.
    #[error("the schema is nested too deeply")]
    Depth,
    /// More errors than a reader can use.
    #[error("the report of what is wrong is too long")]
    Report,
    /// Source: where Go runs into the nil of an exponent that it does not read.
    #[error("runtime error: invalid memory address or nil pointer dereference")]
    Number,
    /// Source: `big.Rat.Quo`.
    #[error("division by zero")]
    Division,
}

/// What is left to spend.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Cell<u64>,
    fault: Cell<Option<Fault>>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            steps: Cell::new(STEPS_MAX),
            fault: Cell::new(None),
        }
    }

    /// Takes some steps; false once nothing may go on.
    pub(crate) fn spend(&self, steps: usize) -> bool {
        match self.steps.get().checked_sub(steps as u64) {
            Some(left) => self.steps.set(left),
            None => self.fail(Fault::Steps),
        }
        self.fault.get().is_none()
    }

    /// Notes the first reason to stop.
    pub(crate) fn fail(&self, fault: Fault) {
        if self.fault.get().is_none() {
            self.fault.set(Some(fault));
        }
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }
}
