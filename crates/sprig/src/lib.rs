//! The functions that templates of charts call: sprig v3 and what Helm 4.3.1 adds to it; to the byte.
//!
//! In: template values. Out: template values, or errors in the words of the originals. Knows no chart.
//! Time, randomness and the cluster come from the [`Host`] of a render. [`helm`] gives the functions;
//! the modules are Go's libraries behind them, as far as charts can tell.

mod functions;
pub mod gopath;
pub mod goregex;
pub mod gotext;
pub mod gotime;
pub mod gourl;
#[cfg(test)]
mod never_panics;
pub mod semver;
pub mod stack;
pub mod values;
pub mod yaml;

pub use functions::encoding;
pub use functions::flow::{Excused, WARN_END, WARN_START};
pub use functions::templates::{ROOT, without_no_value};
pub use functions::{
    Excuse, Host, Lookup, RandomSource, SystemRandom, decode64, helm, json, sprig_for_values,
};
