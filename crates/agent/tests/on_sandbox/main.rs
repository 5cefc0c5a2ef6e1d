//! Agents on the sandbox: the whole road from a BundleDeployment to its status.

mod deploy;
mod faults;
mod hooks;
mod restart;
mod world;
