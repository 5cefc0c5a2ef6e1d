//! Names, tags and digests of images.

use super::fieldspec::{self, Create};
use crate::error::Result;
use crate::node::{Kind, Node};
use crate::pattern::Pattern;
use crate::resources::Resources;
use crate::types::{FieldSpec, Image};

/// Changes the images of one name.
#[derive(Debug)]
pub(crate) struct ImageTransformer {
    pub(crate) image: Image,
    pub(crate) fields: Vec<FieldSpec>,
}

impl ImageTransformer {
    pub(crate) fn run(&self, all: &mut Resources) -> Result<()> {
        // Quirk: a name that is no pattern panics in kustomize.
        let pattern = Pattern::new(&format!(
            "^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$",
            self.image.name
        ))?;
        let mut set = |node: &mut Node| -> Result<()> {
            node.expect(Kind::Scalar)?;
            if !pattern.is_match(&node.value) {
                return Ok(());
            }
            node.set_scalar(Node::plain(self.changed(&node.value)))
        };
        for resource in all.iter_mut() {
            let kind = resource.node.meta()?.kind;
            if kind == "CustomResourceDefinition" {
                continue;
            }
            containers(&mut resource.node, &mut set)?;
        }
        for resource in all.iter_mut() {
            if resource.node.kind_text() == "CustomResourceDefinition" {
                continue;
            }
            for spec in &self.fields {
                fieldspec::visit(&mut resource.node, spec, None::<Create>, &mut set)?;
            }
            resource.settle();
        }
        all.drop_empty();
        Ok(())
    }

    fn changed(&self, old: &str) -> String {
        let Image {
            new_name,
            tag_suffix,
            new_tag,
            digest: new_digest,
            ..
        } = &self.image;
        let (name, tag, digest) = split(old);
        let name = if new_name.is_empty() { name } else { new_name };
        let (tag, digest) = match (new_tag.is_empty(), new_digest.is_empty()) {
            (false, false) => (new_tag.clone(), new_digest.as_str()),
            (false, true) => (new_tag.clone(), ""),
            (true, false) => (String::new(), new_digest.as_str()),
            (true, true) if !tag_suffix.is_empty() => (format!("{tag}{tag_suffix}"), ""),
            (true, true) => (tag.to_owned(), digest),
        };
        let mut changed = name.to_owned();
        if !tag.is_empty() {
            changed = format!("{changed}:{tag}");
        }
        if !digest.is_empty() {
            changed = format!("{changed}@{digest}");
        }
        changed
    }
}

/// Visits the images of all that looks like a list of containers.
fn containers(node: &mut Node, set: &mut dyn FnMut(&mut Node) -> Result<()>) -> Result<()> {
    match node.kind {
        Kind::Scalar => Ok(()),
        Kind::Sequence => node
            .content
            .iter_mut()
            .try_for_each(|item| containers(item, set)),
        Kind::Mapping => {
            for (key, value) in node.entries_mut() {
                containers(value, set)?;
                let is_list = matches!(key.value.as_str(), "containers" | "initContainers");
                if !is_list || value.kind != Kind::Sequence {
                    continue;
                }
                for container in &mut value.content {
                    if let Some(image) = container.get_mut("image")? {
                        set(image)?;
                    }
                }
            }
            Ok(())
        }
    }
}

/// Name, tag and digest.
fn split(image: &str) -> (&str, &str, &str) {
    let slash = image.find('/').filter(|at| *at > 0).unwrap_or(0);
    let find = |c| image[slash..].find(c).map(|at| at + slash);
    match (find(':'), find('@')) {
        (None, None) => (image, "", ""),
        (Some(colon), None) => (&image[..colon], &image[colon + 1..], ""),
        (colon, Some(at)) if colon.is_none_or(|colon| at < colon) => {
            (&image[..at], "", &image[at + 1..])
        }
        (Some(colon), Some(at)) => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (None, Some(at)) => (&image[..at], "", &image[at + 1..]),
    }
}
