//! Bad input and accidents, end to end: a clear error in the right place, nothing lost, everything
//! else goes on.
//!
//! [`bad_input`] and [`accidents`] run the program itself as a child process and look at the hub and
//! the clusters over their kubeconfigs, as a person would; [`away`] runs the same parts in this
//! process, where a cluster's API server can be taken away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking"
)]

mod accidents;
mod audit;
mod away;
mod bad_input;
mod chunks;
mod diff;
mod doctor;
mod product;
mod repository;
mod rollback;
mod view;
