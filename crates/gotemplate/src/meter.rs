//! What values cost on this thread: bytes that lists and maps hold at the moment, and work that functions did
//! without a [`Context`](crate::Context) at hand to charge it to.
//!
//! Lists and maps belong to one thread, so the count is exact. An execution looks at the meter after every call of
//! a function, and charges to its own limits what it finds.

use std::cell::{Cell, RefCell};

use crate::error::LimitError;

thread_local! {
    static HELD_BYTES: Cell<u64> = const { Cell::new(0) };
    static WORK: Cell<u64> = const { Cell::new(0) };
    static EXCEEDED: RefCell<Option<LimitError>> = const { RefCell::new(None) };
}

/// Counts work done: about one for what takes as long as a node of a template.
pub fn work(steps: u64) {
    WORK.with(|work| work.set(work.get().saturating_add(steps)));
}

/// Makes the call that is being executed fail, for code that cannot give back an error. The first limit counts.
pub fn exceed(limit: LimitError) {
    EXCEEDED.with(|exceeded| {
        exceeded.borrow_mut().get_or_insert(limit);
    });
}

/// The work counted since the last look.
pub(crate) fn take_work() -> u64 {
    WORK.with(|work| work.replace(0))
}

/// The limit exceeded since the last look.
pub(crate) fn take_exceeded() -> Option<LimitError> {
    EXCEEDED.with(|exceeded| exceeded.borrow_mut().take())
}

pub(crate) fn hold(n_bytes: usize) {
    HELD_BYTES.with(|held| held.set(held.get().saturating_add(n_bytes as u64)));
}

pub(crate) fn release(n_bytes: usize) {
    HELD_BYTES.with(|held| held.set(held.get().saturating_sub(n_bytes as u64)));
}

/// Bytes that the lists and maps of this thread hold.
pub(crate) fn held_bytes() -> u64 {
    HELD_BYTES.with(Cell::get)
}
