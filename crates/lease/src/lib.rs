//! Taking, keeping and giving back Leases: of several processes with one name to win, one has it.
//!
//! What is done about a Lease is decided by [`Memory`], [`held`] and [`released`], which are pure; [`try_hold`]
//! reads, decides and writes once. Loops, and what follows from winning or losing, are the caller's.
//!
//! Source: client-go `leaderelection`, whose candidates and these wait for each other.

mod plan;
mod store;
#[cfg(test)]
mod tests;

pub use plan::{Memory, Step, held, released};
pub use store::{create, replace, try_hold};
