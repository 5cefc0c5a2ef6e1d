//! The functions charts call: sprig v3 and what Helm 4.3.1 adds to it.
//!
//! One module per group. In: template values. Out: template values, or errors in the words of the
//! originals. Functions have no side effects but on dictionaries they are given; time and randomness
//! come from the [`Host`] of the render.

mod base;
mod certs;
mod crypto;
mod dates;
mod decimal;
mod dicts;
pub mod encoding;
pub(crate) mod flow;
pub mod json;
mod lists;
mod math;
pub(crate) mod moments;
mod network;
mod paths;
mod pretty;
mod reflection;
mod regexes;
pub(crate) mod semver;
mod strings;
mod support;
pub(crate) mod templates;
mod toml;
mod urls;
mod words;

use std::collections::{BTreeMap, HashMap};

pub use base::decode64;
use gotemplate::{Functions, Str};
use jiff::Timestamp;

/// Where random bytes come from.
pub trait RandomSource {
    /// Fills the whole slice.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// A source that everything called from it trusts to be secret.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl RandomSource for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}

/// What looks objects up in a cluster for the function `lookup`.
pub trait Lookup {
    /// The object, or the list if `name` is empty; None if there is no such object or kind.
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<serde_json::Value>, String>;
}

/// Hears of what a chart asked to fail for, with the chart's text.
pub type Excuse = Box<dyn FnMut(flow::Excused, &str)>;

/// The state that functions of one render share: the present, randomness, the cluster.
pub struct Host {
    pub(crate) now: Timestamp,
    pub(crate) random: Box<dyn RandomSource>,
    pub(crate) lookup: Option<Box<dyn Lookup>>,
    pub(crate) excuse: Option<Excuse>,
    pub(crate) regexes: HashMap<Str, Result<crate::goregex::Pattern, crate::goregex::SyntaxError>>,
    /// How often each template is being included at the moment.
    pub(crate) included: BTreeMap<Str, u32>,
}

impl Host {
    /// A host without a cluster.
    pub fn new(now: Timestamp, random: Box<dyn RandomSource>) -> Self {
        Self {
            now,
            random,
            lookup: None,
            excuse: None,
            regexes: HashMap::new(),
            included: BTreeMap::new(),
        }
    }

    /// With a cluster to look objects up in.
    #[must_use]
    pub fn with_lookup(mut self, lookup: Box<dyn Lookup>) -> Self {
        self.lookup = Some(lookup);
        self
    }

    /// Lets `fail` and `required` give an empty text instead of an error.
    #[must_use]
    pub fn with_excuse(mut self, excuse: Excuse) -> Self {
        self.excuse = Some(excuse);
        self
    }
}

/// sprig's text functions without `env`, `expandenv` and `getHostByName`: what `${ }` templating of
/// values uses. Render with a [`Host`] as the host, else the functions for time and randomness fail.
pub fn sprig_for_values() -> Functions {
    let mut functions = Functions::new();
    strings::add(&mut functions);
    lists::add(&mut functions);
    dicts::add(&mut functions);
    math::add(&mut functions);
    dates::add(&mut functions);
    encoding::add(&mut functions);
    crypto::add(&mut functions);
    semver::add(&mut functions);
    regexes::add(&mut functions);
    reflection::add(&mut functions);
    flow::add(&mut functions);
    urls::add(&mut functions);
    paths::add(&mut functions);
    certs::add(&mut functions);
    functions
}

/// All functions of Helm 4.3.1.
pub fn helm() -> Functions {
    let mut functions = sprig_for_values();
    dates::add_helm(&mut functions);
    encoding::add_helm(&mut functions);
    flow::add_helm(&mut functions);
    network::add_helm(&mut functions);
    templates::add_helm(&mut functions);
    functions
}
