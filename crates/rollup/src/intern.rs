//! Sharing of equal values between contributions.
//!
//! Thousands of deployments have the same objects, the same cluster names and often the same error.
//! Each distinct value is held once. What nobody uses any more is swept out after as many changes as
//! there are values, so that the cost per change stays constant.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use crate::contribution::{Contribution, ObjectId, ObjectList};
use crate::key::{ObjectKey, Source};

/// Changes before the first sweep.
const SWEEP_AFTER_MIN: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Interner {
    texts: HashSet<Arc<str>>,
    ids: HashSet<Arc<ObjectId>>,
    lists: HashSet<ObjectList>,
    details: HashSet<Arc<[u8]>>,
    n_changes: usize,
}

impl Interner {
    /// Replaces every part that is known by the known one.
    pub(crate) fn share(&mut self, contribution: &mut Contribution) {
        self.share_key(&mut contribution.bundle);
        self.share_key(&mut contribution.cluster);
        if let Some(Source::GitRepo(key) | Source::HelmOp(key)) = &mut contribution.maybe_source {
            self.share_key(key);
        }
        share(&mut self.details, &mut contribution.details);
        if let Some(list) = self.lists.get(&contribution.objects) {
            contribution.objects = Arc::clone(list);
        } else {
            let mut ids = contribution.objects.to_vec();
            for id in &mut ids {
                share(&mut self.ids, id);
            }
            contribution.objects = ids.into();
            self.lists.insert(Arc::clone(&contribution.objects));
        }
        if !contribution.exceptions.is_empty() {
            let mut exceptions = contribution.exceptions.to_vec();
            for (id, state) in &mut exceptions {
                share(&mut self.ids, id);
                share(&mut self.texts, state);
            }
            contribution.exceptions = exceptions.into();
        }
    }

    pub(crate) fn share_key(&mut self, key: &mut ObjectKey) {
        share(&mut self.texts, &mut key.0);
    }

    /// Counts a change and, from time to time, drops what is not used.
    pub(crate) fn changed(&mut self) {
        self.n_changes += 1;
        let n_values = self.texts.len() + self.ids.len() + self.lists.len() + self.details.len();
        if self.n_changes < SWEEP_AFTER_MIN.max(n_values) {
            return;
        }
        self.n_changes = 0;
        self.lists.retain(|value| Arc::strong_count(value) > 1);
        self.ids.retain(|value| Arc::strong_count(value) > 1);
        self.texts.retain(|value| Arc::strong_count(value) > 1);
        self.details.retain(|value| Arc::strong_count(value) > 1);
    }
}

fn share<T: Eq + Hash + ?Sized>(known: &mut HashSet<Arc<T>>, value: &mut Arc<T>) {
    match known.get(value) {
        Some(known) => *value = Arc::clone(known),
        None => {
            known.insert(Arc::clone(value));
        }
    }
}
