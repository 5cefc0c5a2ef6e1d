//! Git repositories into in-memory file trees, with size caps.
