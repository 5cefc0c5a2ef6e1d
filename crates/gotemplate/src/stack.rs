//! Keeps deep recursion off the thread's stack.
//!
//! Templates decide how deep parsing, evaluating and printing recurse. Limits bound that depth, but a thread's
//! stack may be smaller than the bound needs, so every recursive step runs through [`grow`].

/// Left on the stack before a new segment is taken; more than any one step needs, also in a debug build.
const RED_ZONE_BYTES: usize = 128 * 1024;
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

/// Runs `step` with enough stack, on a fresh segment if need be.
pub(crate) fn grow<R>(step: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(RED_ZONE_BYTES, SEGMENT_BYTES, step)
}
