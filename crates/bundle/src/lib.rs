//! From a file tree and fleet.yaml to Bundles and content chunks.
