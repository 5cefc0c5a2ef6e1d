//! Kustomize builds, equal to `kubectl kustomize` to the byte.
//!
//! A tree of files goes in ([`Files`], in memory as a [`Tree`]) and the objects of a kustomization come
//! out, or why there are none in kustomize's words. Built-in generators, transformers and field
//! specifications are those of kustomize 5.8 (api 0.21). Files outside of a kustomization's directory,
//! remote files and bases, charts and plugins of one's own are refused by name.
//!
//! ```
//! let mut tree = kustomize::Tree::default();
//! tree.insert("kustomization.yaml", b"namePrefix: my-\nresources: [a.yaml]\n".as_slice());
//! tree.insert("a.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n".as_slice());
//! let built = kustomize::build(&tree, "/")?;
//! assert_eq!(built.to_yaml()?, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: my-a\n");
//! # Ok::<(), kustomize::Error>(())
//! ```
//!
//! # Differences from kustomize
//!
//! - comments in YAML inside of texts that replacements change are lost;
//! - bounds on nesting, nodes, objects, kustomizations and output;
//! - where kustomize panics (a name of `images` that is no pattern, `patchesJson6902` without a
//!   target), the build is refused;
//! - order is fixed where kustomize's is random.

mod config;
mod crds;
mod decode;
mod error;
mod files;
mod generate;
mod id;
mod node;
mod origin;
mod path;
mod pattern;
mod plugin;
mod resource;
mod resources;
mod schema;
mod target;
mod transform;
mod types;

use serde_json::Value;

pub use error::Error;
pub use files::{Files, Tree};

/// Names that the file of a kustomization can have, in order of precedence.
pub const FILE_NAMES: [&str; 3] = target::FILE_NAMES;

/// Largest text of a build.
pub const OUTPUT_BYTES_MAX: usize = 256 << 20;

/// What a build gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    /// The objects, in the order of the result.
    pub objects: Vec<Value>,
    /// Lines for the user, about fields that have successors.
    pub warnings: Vec<String>,
}

impl Built {
    /// The text that kustomize prints.
    ///
    /// # Errors
    /// When it is larger than [`OUTPUT_BYTES_MAX`], or something in it is nested too deep for YAML.
    pub fn to_yaml(&self) -> Result<String, Error> {
        let mut text = String::new();
        for (n, object) in self.objects.iter().enumerate() {
            if n > 0 {
                text.push_str("---\n");
            }
            text.push_str(&goyaml::to_yaml(object).map_err(|error| Error(error.to_string()))?);
            if text.len() > OUTPUT_BYTES_MAX {
                return Err(Error(format!(
                    "the result is larger than {OUTPUT_BYTES_MAX} bytes"
                )));
            }
        }
        Ok(text)
    }
}

/// Builds the kustomization in a directory of files.
///
/// # Errors
/// Kustomize's reason for refusing it.
pub fn build(files: &dyn Files, directory: &str) -> Result<Built, Error> {
    let (resources, warnings) = target::build(files, directory)?;
    let objects: Result<Vec<Value>, Error> = resources
        .iter()
        .map(|resource| resource.node.to_value())
        .collect();
    Ok(Built {
        objects: objects?,
        warnings,
    })
}
