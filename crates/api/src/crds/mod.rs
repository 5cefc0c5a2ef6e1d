//! CustomResourceDefinitions of all kinds, generated from the types.

pub(crate) mod schemas;
