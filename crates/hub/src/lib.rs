//! The hub's controllers, one directory per kind.
