//! Desired against live objects: normalise, compare, readiness of each kind.
