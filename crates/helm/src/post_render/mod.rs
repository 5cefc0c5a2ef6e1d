//! Between rendering and sorting: files to one stream for a post-renderer, and its answer back to files.
//!
//! In: rendered files by path. Out: a stream in which every object carries the path of its file in an
//! annotation, and files again from a stream in which the annotation leads the way. Every object is
//! printed anew, both times.
//!
//! Source: Helm `annotateAndMerge`, `splitAndDeannotate`.

mod resources;

use std::collections::BTreeMap;

use sprig::gopath;

use self::resources::Resource;
use crate::manifest;

/// Annotation with the path of the file that an object is from.
const FILE_NAME: &str = "postrenderer.helm.sh/postrender-filename";

/// A program that changes manifests: it gets the stream, and gives the changed one or its error.
pub type PostRenderer<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// Runs the program over rendered files.
pub(crate) fn run(
    files: &BTreeMap<String, String>,
    program: PostRenderer<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let merged = merge(files).map_err(|error| format!("error merging manifests: {error}"))?;
    let changed = program(&merged)
        .map_err(|error| format!("error while running post render on files: {error}"))?;
    split(&changed).map_err(|error| format!("error while parsing post rendered output: {error}"))
}

fn merge(files: &BTreeMap<String, String>) -> Result<String, String> {
    let mut all = Vec::new();
    for (path, text) in files {
        if gopath::base_str(path).starts_with('_') {
            continue;
        }
        for document in manifest::split(text) {
            let found =
                resources::read(document).map_err(|error| format!("parsing {path}: {error}"))?;
            for mut resource in found {
                resource
                    .set_annotation(FILE_NAME, path)
                    .map_err(|error| format!("annotating {path}: {error}"))?;
                all.push(resource);
            }
        }
    }
    resources::write(all).map_err(|error| format!("writing merged docs: {error}"))
}

fn split(stream: &str) -> Result<BTreeMap<String, String>, String> {
    let found = resources::read(stream).map_err(|error| format!("error parsing YAML: {error}"))?;
    let mut files = BTreeMap::<String, Vec<Resource>>::new();
    for (n, mut resource) in found.into_iter().enumerate() {
        let annotations = resource
            .annotations()
            .ok_or("getting metadata: missing Resource metadata")?;
        let path = annotations.get(FILE_NAME).filter(|path| !path.is_empty());
        let path = match path {
            Some(path) => path.clone(),
            None => format!("generated-by-postrender-{n}.yaml"),
        };
        resource
            .clear_annotation(FILE_NAME)
            .map_err(|error| format!("clearing filename annotation: {error}"))?;
        files.entry(path).or_default().push(resource);
    }
    let written = files.into_iter().map(|(path, resources)| {
        let text =
            resources::write(resources).map_err(|error| format!("re-writing {path}: {error}"))?;
        Ok((path, text))
    });
    written.collect()
}

#[cfg(test)]
mod tests;
