//! The one binary: every command of Flotilla.
fn main() {}
