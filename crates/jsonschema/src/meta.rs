//! The metaschemas, and what they say about schemas.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::compile::{Compiler, Resource};
use crate::draft::{Dialect, Version};
use crate::error::Reason;
use crate::json::Json;
use crate::limits::Budget;
use crate::patterns::Patterns;
use crate::quick::Quick;
use crate::schema::{Id, Schema};
use crate::validate::{self, Checked};
use crate::{Loader, Location};

/// The metaschemas of some drafts in one list.
pub(crate) struct Metaschemas {
    schemas: Vec<Schema>,
    drafts: BTreeMap<Version, Id>,
    vocabularies: BTreeMap<(Version, &'static str), Id>,
}

type Cell = OnceLock<Result<Metaschemas, Reason>>;

/// The metaschemas of these drafts, compiled when first asked for. Most documents keep to one draft,
/// and one costs a fraction of all.
fn metaschemas(versions: &BTreeSet<Version>) -> Result<&'static Metaschemas, Reason> {
    static OF_ONE: [Cell; Version::ALL.len()] = [const { OnceLock::new() }; Version::ALL.len()];
    static OF_ALL: Cell = OnceLock::new();
    let one = versions.first().filter(|_| versions.len() == 1);
    let known = match one.and_then(|version| OF_ONE.get(*version as usize)) {
        Some(cell) => cell.get_or_init(|| compile(versions)),
        None => OF_ALL.get_or_init(|| compile(&BTreeSet::from(Version::ALL))),
    };
    known.as_ref().map_err(Clone::clone)
}

/// Nothing but metaschemas is asked for.
struct Nothing;

impl Loader for Nothing {
    fn load(&self, _: &Location<'_>) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

fn compile(versions: &BTreeSet<Version>) -> Result<Metaschemas, Reason> {
    let (budget, patterns) = (Budget::new(), Patterns::default());
    let mut compiler = Compiler::new(&Nothing, false, &patterns, &budget);
    let mut drafts = BTreeMap::new();
    let mut vocabularies = BTreeMap::new();
    for version in versions.iter().copied() {
        drafts.insert(version, compiler.compile(version.address())?);
        for name in version.vocabularies() {
            let address = version.vocabulary_address(name);
            vocabularies.insert((version, *name), compiler.compile(&address)?);
        }
    }
    Ok(Metaschemas {
        schemas: compiler.into_schemas(),
        drafts,
        vocabularies,
    })
}

/// The report about a schema that its metaschema refuses; None for a good one. Most schemas are good at
/// first sight, and need no metaschema.
pub(crate) fn check(
    part: &Json,
    dialect: &Dialect,
    resources: &BTreeMap<String, Arc<Resource>>,
    patterns: &Patterns,
    budget: &Budget,
) -> Result<Option<String>, Reason> {
    let quick = Quick {
        version: dialect.version,
        patterns,
    };
    if resources.len() == 1 && dialect.vocabularies.is_none() && quick.is_good(part) {
        return Ok(None);
    }
    report(part, dialect, resources, patterns, budget)
}

/// As [`check`], by the metaschema.
///
/// `resources` are those of the whole document, by pointer. Quirk: Go looks them up by pointers into
/// `part`, and so does this.
pub(crate) fn report(
    part: &Json,
    dialect: &Dialect,
    resources: &BTreeMap<String, Arc<Resource>>,
    patterns: &Patterns,
    budget: &Budget,
) -> Result<Option<String>, Reason> {
    let versions = resources.values().map(|resource| resource.dialect.version);
    let metaschemas = metaschemas(&versions.chain([dialect.version]).collect())?;
    let mut chosen = Chosen {
        metaschemas,
        extra: Vec::new(),
    };
    let root = chosen.metaschema(dialect);
    let by_pointer: BTreeMap<&str, Id> = resources
        .iter()
        .map(|(pointer, resource)| (pointer.as_str(), chosen.metaschema(&resource.dialect)))
        .collect();
    let check = Checked {
        schemas: &metaschemas.schemas,
        extra: &chosen.extra,
        resources: Some(&by_pointer),
        patterns,
        budget,
    };
    validate::report(&check, root, part).map_err(Reason::Fault)
}

/// Metaschemas put together from vocabularies, behind those in the list.
struct Chosen<'a> {
    metaschemas: &'a Metaschemas,
    extra: Vec<Schema>,
}

impl Chosen<'_> {
    /// Source: jsonschema v6 `dialect.getSchema`, which makes a new one each time as well.
    fn metaschema(&mut self, dialect: &Dialect) -> Id {
        let of_draft = self.metaschemas.drafts.get(&dialect.version);
        let Some(vocabularies) = &dialect.vocabularies else {
            return of_draft.copied().unwrap_or(Id(0));
        };
        let place = self.metaschemas.schemas.len() + self.extra.len();
        let id = Id(u32::try_from(place).unwrap_or(u32::MAX));
        let mut schema = Schema::new(None, dialect.version, id);
        let known = &self.metaschemas.vocabularies;
        schema.all_of = vocabularies
            .iter()
            .filter_map(|name| known.get(&(dialect.version, *name)).copied())
            .collect();
        if dialect.version >= Version::V2020 {
            "meta".clone_into(&mut schema.dynamic_anchor);
            schema.dynamic_anchors.insert("meta".to_owned(), id);
        }
        self.extra.push(schema);
        id
    }
}
