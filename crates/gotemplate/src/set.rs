//! Named templates that can call each other, with the functions and options they share.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use crate::bytestr::Str;
use crate::error::{ExecError, ParseError};
use crate::exec::{Context, Cost, Limits, Shared};
use crate::function::Functions;
use crate::node::Template;
use crate::parse::{Delims, TOKENS_MAX, parse};
use crate::value::Value;

/// Templates of a set that its children copy.
const COPIED_MAX: usize = 64;

/// What a key that a map does not have evaluates to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// Nothing at all: `missingkey=default`, also called `invalid`.
    #[default]
    Default,
    /// The zero value of the map's element type: `missingkey=zero`.
    Zero,
    /// An error: `missingkey=error`.
    Error,
}

/// A set of named templates. Threads share it by `Arc`; a child adds to it without copying.
#[derive(Clone)]
pub struct TemplateSet {
    name: String,
    functions: Arc<Functions>,
    delims: Delims,
    missing_key: MissingKey,
    templates: HashMap<String, Arc<Template>>,
    parent: Option<Arc<Self>>,
    /// Length of the chain of parents.
    n_parents: u32,
    /// How many tokens may still be parsed.
    tokens_left: usize,
}

impl TemplateSet {
    /// An empty set with `{{ }}` delimiters and `missingkey=default`.
    pub fn new(functions: Arc<Functions>) -> Self {
        Self {
            name: String::new(),
            functions,
            delims: Delims::default(),
            missing_key: MissingKey::default(),
            templates: HashMap::new(),
            parent: None,
            n_parents: 0,
            tokens_left: TOKENS_MAX,
        }
    }

    /// With a name, which only shows when a template is not found: that of Go's root template.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With other delimiters for what is parsed from now on.
    #[must_use]
    pub fn with_delims(mut self, left: &str, right: &str) -> Self {
        self.delims = Delims {
            left: left.to_owned(),
            right: right.to_owned(),
        };
        self
    }

    /// With another reading of missing keys.
    #[must_use]
    pub fn with_missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// A set that has all of this one's templates and options, and can be added to without changing this one:
    /// what `Clone` does in Go, at no cost.
    pub fn child(self: &Arc<Self>) -> Self {
        // A few templates are copied rather than looked for in ever longer chains.
        let (templates, parent) = if self.parent.is_some() && self.templates.len() <= COPIED_MAX {
            (self.templates.clone(), self.parent.clone())
        } else {
            (HashMap::new(), Some(Arc::clone(self)))
        };
        Self {
            name: self.name.clone(),
            functions: Arc::clone(&self.functions),
            delims: self.delims.clone(),
            missing_key: self.missing_key,
            templates,
            n_parents: parent.as_ref().map_or(0, |parent| parent.n_parents + 1),
            parent,
            tokens_left: self.tokens_left,
        }
    }

    /// Parses a text as the template `name` and adds it and all it defines. Among templates of one name the last
    /// that is not empty wins. The returned template is that of the text itself, whether it won or not.
    pub fn parse(
        &mut self,
        name: &str,
        text: impl Into<Str>,
    ) -> Result<Arc<Template>, Box<ParseError>> {
        let parsed = parse(
            name,
            text.into(),
            &self.delims,
            &self.functions,
            &mut self.tokens_left,
        )?;
        self.add_parsed(name, parsed)
    }

    /// Parses texts with their names, with the outcome of [`Self::parse`] for one after the other. When they are
    /// long a second thread parses the later half meanwhile. An error comes with the index of its text.
    pub fn parse_all(&mut self, texts: &[(&str, Str)]) -> Result<(), (usize, Box<ParseError>)> {
        let half = half_of(texts);
        let (functions, delims) = (Arc::clone(&self.functions), self.delims.clone());
        let tokens = self.tokens_left;
        std::thread::scope(|scope| {
            let ahead = || parse_ahead(&texts[half..], &delims, &functions, tokens);
            let worker = (half < texts.len())
                .then(|| std::thread::Builder::new().spawn_scoped(scope, ahead).ok())
                .flatten();
            for (index, (name, text)) in texts[..half].iter().enumerate() {
                self.parse(name, text.clone())
                    .map_err(|error| (index, error))?;
            }
            let mut parsed = worker
                .and_then(|worker| worker.join().ok())
                .into_iter()
                .flatten();
            for (index, (name, text)) in texts.iter().enumerate().skip(half) {
                match parsed.next() {
                    Some((templates, n_tokens)) if n_tokens <= self.tokens_left => {
                        self.tokens_left -= n_tokens;
                        self.add_parsed(name, templates)
                    }
                    // Where the worker stopped, the error is found again.
                    _ => self.parse(name, text.clone()),
                }
                .map_err(|error| (index, error))?;
            }
            Ok(())
        })
    }

    fn add_parsed(
        &mut self,
        name: &str,
        parsed: Vec<Template>,
    ) -> Result<Arc<Template>, Box<ParseError>> {
        let mut main = None;
        for template in parsed {
            let template = Arc::new(template);
            if template.name == name {
                main = Some(Arc::clone(&template));
            }
            self.add(template);
        }
        main.ok_or_else(|| {
            let message = "text defines no template of its own".to_owned();
            Box::new(ParseError {
                name: name.to_owned(),
                line: 1,
                message,
            })
        })
    }

    /// Adds a template parsed by another set with the same functions.
    pub fn add(&mut self, template: Arc<Template>) {
        if !template.is_empty() || self.lookup(&template.name).is_none() {
            self.templates.insert(template.name.clone(), template);
        }
    }

    /// The template of that name.
    pub fn lookup(&self, name: &str) -> Option<&Arc<Template>> {
        self.chain().find_map(|set| set.templates.get(name))
    }

    /// This set and those above it.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |set| set.parent.as_deref())
    }

    /// What looking for a template costs.
    pub(crate) fn lookup_steps(&self) -> u64 {
        u64::from(self.n_parents) / 8
    }

    /// All templates, sorted by name.
    pub fn templates(&self) -> Vec<&Arc<Template>> {
        let mut all = std::collections::BTreeMap::new();
        for (name, template) in self.chain().flat_map(|set| &set.templates) {
            all.entry(name.as_str()).or_insert(template);
        }
        all.into_values().collect()
    }

    /// How many tokens the templates of this set and of those above it have.
    pub fn tokens(&self) -> usize {
        TOKENS_MAX - self.tokens_left
    }

    /// The name given by [`Self::with_name`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The functions its templates were parsed with.
    pub fn functions(&self) -> &Arc<Functions> {
        &self.functions
    }

    /// The reading of missing keys.
    pub fn missing_key(&self) -> MissingKey {
        self.missing_key
    }
}

/// Bytes of texts from which on a second thread pays off.
const PARSE_AHEAD_BYTES: usize = 128 * 1024;

/// Where the later half of the texts, by their length, begins; behind the last if one thread will do.
fn half_of(texts: &[(&str, Str)]) -> usize {
    let total: usize = texts.iter().map(|(_, text)| text.len()).sum();
    if total < PARSE_AHEAD_BYTES {
        return texts.len();
    }
    let mut before = 0;
    let first_half = texts.iter().take_while(|(_, text)| {
        before += text.len();
        before <= total / 2
    });
    first_half.count()
}

/// The templates of each text and how many tokens it took, up to the first text that does not parse.
fn parse_ahead(
    texts: &[(&str, Str)],
    delims: &Delims,
    functions: &Functions,
    mut tokens_left: usize,
) -> Vec<(Vec<Template>, usize)> {
    let mut parsed = Vec::with_capacity(texts.len());
    for (name, text) in texts {
        let before = tokens_left;
        match parse(name, text.clone(), delims, functions, &mut tokens_left) {
            Ok(templates) => parsed.push((templates, before - tokens_left)),
            Err(_) => break,
        }
    }
    parsed
}

/// One rendering: any number of templates executed on one thread with shared limits and host state.
pub struct Renderer {
    shared: Shared,
}

impl Renderer {
    /// A rendering with full limits. Functions reach `host` through [`Context::host`].
    pub fn new(limits: Limits, host: impl Any) -> Self {
        Self {
            shared: Shared::new(limits, Box::new(host)),
        }
    }

    /// Executes the template `name` of `set` on `data`.
    pub fn execute(
        &mut self,
        set: &Arc<TemplateSet>,
        name: &str,
        data: &Value,
    ) -> Result<Str, Box<ExecError>> {
        self.context(set).execute(name, data)
    }

    /// What a function called from `set` would see: for calling functions outside templates.
    pub fn context<'r>(&'r mut self, set: &'r Arc<TemplateSet>) -> Context<'r> {
        Context {
            set,
            shared: &mut self.shared,
        }
    }

    /// The host's state, if it is a `T`.
    pub fn host<T: 'static>(&mut self) -> Option<&mut T> {
        self.shared.host.downcast_mut()
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.shared.steps
    }

    /// What was taken of the limits so far.
    pub fn cost(&self) -> Cost {
        Cost {
            steps: self.shared.steps,
            output_bytes: self.shared.output_bytes,
            values_bytes: self.shared.values_bytes,
        }
    }
}
