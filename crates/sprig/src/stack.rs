//! Keeps deep recursion off the thread's stack.
//!
//! Values are as deep as charts make them. Limits bound that depth, but a thread's stack may be smaller
//! than the bound needs, so every recursive step over values runs through [`grow`].

/// Left on the stack before a new segment is taken; more than any one step needs, also in a debug build.
const RED_ZONE_BYTES: usize = 128 * 1024;
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;
/// Enough for libraries that recurse by themselves over values of the greatest depth.
const DEEP_BYTES: usize = 32 * 1024 * 1024;
/// Values up to this depth fit any stack.
const SHALLOW: usize = 64;

/// Runs `step` with enough stack, on a fresh segment if need be.
pub fn grow<R>(step: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(RED_ZONE_BYTES, SEGMENT_BYTES, step)
}

/// Runs a library's recursion over a value of this depth.
pub fn for_depth<R>(depth: usize, step: impl FnOnce() -> R) -> R {
    if depth <= SHALLOW {
        step()
    } else {
        stacker::grow(DEEP_BYTES, step)
    }
}
