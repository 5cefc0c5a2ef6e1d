//! Kustomizations made of files: the first line of each part is its path.

#![no_main]

use flotilla_fuzz::parts;
use kustomize::Tree;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut tree = Tree::default();
    for part in parts(bytes) {
        let end = part
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(part.len());
        let name = String::from_utf8_lossy(&part[..end]);
        tree.insert(&name, part.get(end + 1..).unwrap_or_default());
    }
    if let Ok(built) = kustomize::build(&tree, "/") {
        let _ = built.to_yaml();
    }
});
