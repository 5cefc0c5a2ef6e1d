//! Who works on what: objects by process.

use std::collections::BTreeMap;

use api::labels::SHARD_REF;
use apiclient::ObjectKey;
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use hub::{Owner, Owners};
use serde::Serialize;
use serde_json::Value;

/// Kinds that are shared out, in the order in which they are shown.
const KINDS: [&str; 4] = ["GitRepo", "Bundle", "Cluster", "ClusterGroup"];
/// Who has what is handed over at the moment.
const MOVING: &str = "(being handed over)";
/// Who has what no process works on.
const NOBODY: &str = "(nobody)";

/// The objects of each process.
#[derive(Debug, Default)]
pub(super) struct Work {
    owners: Owners,
    counts: BTreeMap<(String, String), BTreeMap<&'static str, usize>>,
    /// Objects with who works on them, if they are asked for.
    named: Option<BTreeMap<String, String>>,
}

/// What one process works on.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    /// Empty for the default.
    shard: String,
    process: String,
    /// Number of objects by kind.
    objects: BTreeMap<&'static str, usize>,
}

impl Work {
    /// Counts by these owners; objects are named if `is_named`.
    pub(super) fn new(owners: Owners, is_named: bool) -> Self {
        Self {
            owners,
            counts: BTreeMap::new(),
            named: is_named.then(BTreeMap::new),
        }
    }

    /// Takes an object in. The answer is what is wrong with who works on it.
    pub(super) fn add(&mut self, kind: &'static str, object: &Value) -> Option<&'static str> {
        if !self.owners.is_known() || !KINDS.contains(&kind) {
            return None;
        }
        let text = |path: &str| object.pointer(path).and_then(Value::as_str);
        let key = ObjectKey::new(
            text("/metadata/namespace").unwrap_or_default(),
            text("/metadata/name").unwrap_or_default(),
        );
        let labels = object.pointer("/metadata/labels");
        let shard = labels.and_then(|labels| labels.get(SHARD_REF)?.as_str());
        let (process, problem) = match self.owners.owner(kind, &key, shard) {
            Owner::Process(identity) => (identity, None),
            Owner::Moving => (MOVING.to_owned(), None),
            Owner::Nobody => (NOBODY.to_owned(), shard.map(problem_of)),
        };
        if let Some(named) = &mut self.named {
            named.insert(format!("{kind} {key}"), process.clone());
        }
        let of_process = (shard.unwrap_or_default().to_owned(), process);
        let counts = self.counts.entry(of_process).or_default();
        *counts.entry(kind).or_default() += 1;
        problem
    }

    /// What each process works on, and each object's if that was asked for.
    pub(super) fn finish(self) -> (Vec<Part>, Option<BTreeMap<String, String>>) {
        let parts = self.counts.into_iter();
        let part = |((shard, process), objects)| Part {
            shard,
            process,
            objects,
        };
        (parts.map(part).collect(), self.named)
    }
}

fn problem_of(shard: &str) -> &'static str {
    if shard.is_empty() {
        "its label fleet.cattle.io/shard-ref is empty, so no controller works on it: remove the label"
    } else {
        "no controller works on its shard: run one with --shard-id, or change its label fleet.cattle.io/shard-ref"
    }
}

/// The parts as a table.
pub(super) fn table(parts: &[Part]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    let header = ["process", "shard"].into_iter().chain(KINDS);
    table.set_header(header.collect::<Vec<_>>());
    for part in parts {
        let counts = KINDS
            .iter()
            .map(|kind| part.objects.get(kind).copied().unwrap_or_default());
        let texts = [part.process.clone(), part.shard.clone()].into_iter();
        table.add_row(
            texts
                .chain(counts.map(|n| n.to_string()))
                .collect::<Vec<_>>(),
        );
    }
    table
}
