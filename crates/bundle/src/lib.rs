//! From a file tree and fleet.yaml to Bundles and content chunks.
//!
//! In: a view of files ([`tree::Files`]) and [`ApplyOptions`]. Out: Bundles, the contents that hold their
//! files, warnings and errors ([`read`]); their text ([`to_yaml`]). Nothing here reads a disk, a clock,
//! the environment or the network.
//!
//! What a fleet.yaml can say that needs the network (charts from repositories, registries, archives and
//! git; missing chart dependencies) or another part of the system (image scans) is refused by name.

mod build;
pub mod content;
mod dependencies;
mod fleet_yaml;
mod gzip;
mod ignore;
mod options;
mod overlap;
pub mod path;
mod print;
mod read;
mod scan;
mod schema;
pub mod tree;
mod values;
mod walk;
pub mod write;

pub use build::{
    Error as BuildError, LoadError, ProcessError, ResourcesError, commit_label, upstream_form,
};
pub use dependencies::MissingDependency;
pub use fleet_yaml::{Unreadable, parse_bundle};
pub use options::{ApplyOptions, DrivenPath, InvalidDrivenPath, OnError, Paths, Targets};
pub use print::{Unprintable, to_yaml};
pub use read::{BuiltBundle, Failure, NothingFound, Outcome, PathError, Warning, read};
pub use scan::Error as ScanError;
pub use schema::WrongType;
pub use schema::lint::{KeyProblem, KeyWarning};
pub use values::{BadValuesFile, Flaw as ValuesFlaw};
pub use walk::Error as WalkError;
