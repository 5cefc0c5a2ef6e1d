//! The fleet.cattle.io/v1alpha1 types, names, hashes, canonical JSON, byte budgets and CRDs.
