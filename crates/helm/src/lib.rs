//! Helm charts in Rust: loading, values, schemas, hooks, rendering, release
//! records; to the byte as Helm 4.3.1.
//!
//! In: files in memory, values, options. Out: manifests, hooks, notes, records. Pure but for what the
//! caller hands in: no files, no network, no clock, no environment; time, randomness and lookups come
//! from the [`Host`]. Templates and values may come from anybody: every loop and every size is bounded.
//!
//! A render, step by step: [`Chart`] (files) → [`CompiledChart`] (parsed templates) → [`render`] with
//! [`RenderOptions`] → [`Rendered`].

mod capabilities;
mod chart;
mod command;
mod decode;
mod excerpt;
mod glob;
pub mod jsonpath;
pub mod lint;
mod log;
mod manifest;
#[cfg(test)]
mod never_panics;
mod objects;
mod post_render;
pub mod release;
mod render;
mod report;
mod schema;
pub mod strvals;
mod templates;
mod tree;
pub mod values;

pub use capabilities::{Capabilities, KubeVersion, VersionError};
pub use chart::{
    ArchiveError, Chart, Dependency, File, Files, IgnoreError, Limits, LoadError, LoadFailure,
    Lock, Maintainer, Metadata, MissingDependencies, NotInstallable, ValidationError,
    archive_files,
};
pub use command::{
    NameError, Origin, OutputFile, TemplateError, TemplateFlags, TemplateOutput, release_name,
    template, template_through,
};
pub use excerpt::Excerpt;
pub use glob::{Error as GlobError, Glob};
pub use gotemplate::{Cost, Limits as RenderLimits};
pub use log::{Level, Record};
pub use manifest::{
    HOOK_ANNOTATION, HOOK_DELETE_ANNOTATION, HOOK_OUTPUT_LOG_ANNOTATION, HOOK_WEIGHT_ANNOTATION,
    Hook, HookEvent, HookExecution, INSTALL_ORDER, Manifest, ManifestError, UNINSTALL_ORDER,
    hooks_at, kind_rank, split as split_manifests,
};
pub use post_render::PostRenderer;
pub use render::{
    CompiledChart, RenderError, RenderFailure, RenderOptions, Rendered, render, render_through,
};
pub use schema::{Schema, SchemaError};
pub use sprig::{Host, Lookup, RandomSource, SystemRandom};
