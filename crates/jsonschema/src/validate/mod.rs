//! Holding a value against a schema.
//!
//! In: schemas, a value. Out: the failures, as one tree, in the order in which jsonschema v6 finds them;
//! where Go walks a map at random, this walks it in order. Stops with a [`Fault`] when it takes too
//! much. Source: jsonschema v6 `validator.go`.

mod arrays;
mod combined;
mod objects;
pub(crate) mod path;
mod unevaluated;

use std::collections::BTreeMap;

use sprig::stack;

use crate::compile::pointer;
use crate::draft::Version;
use crate::equality::equal;
use crate::formats::Format;
use crate::instance::{Instance, Number, View};
use crate::limits::{Budget, DEPTH_MAX, Fault};
use crate::number::DivisionError;
use crate::patterns::Patterns;
use crate::report::{Failure, Kind, Place};
use crate::schema::{Id, Schema, Type};

use path::{Path, Token};
use unevaluated::Unevaluated;

/// What a validation needs besides the value.
pub(crate) struct Checked<'a> {
    pub(crate) schemas: &'a [Schema],
    /// Schemas behind those.
    pub(crate) extra: &'a [Schema],
    /// While a schema is held against its metaschema: the metaschemas of its parts, by pointer.
    pub(crate) resources: Option<&'a BTreeMap<&'a str, Id>>,
    pub(crate) patterns: &'a Patterns,
    pub(crate) budget: &'a Budget,
}

impl<'a> Checked<'a> {
    fn schema(&self, id: Id) -> &'a Schema {
        let place = id.0 as usize;
        match self.schemas.get(place) {
            Some(schema) => schema,
            None => &self.extra[place - self.schemas.len()],
        }
    }
}

/// The report about a value that a schema refuses; None for a good one.
pub(crate) fn report<N: Instance>(
    check: &Checked<'_>,
    root: Id,
    value: &N,
) -> Result<Option<String>, Fault> {
    report_view(check, root, value.view())
}

/// As [`report`].
pub(crate) fn report_view<'a, N: Instance>(
    check: &Checked<'a>,
    root: Id,
    value: View<'a, N>,
) -> Result<Option<String>, Fault> {
    let meta = check.resources.map(|_| root);
    let failure = validate_root(check, root, value, Mode::root(meta));
    if let Some(fault) = check.budget.fault() {
        return Err(fault);
    }
    failure
        .map(|causes| {
            let schema = check.schema(root);
            whole(Kind::Schema(schema), Place::Fixed(Vec::new()), causes).text()
        })
        .transpose()
}

fn whole<'a>(kind: Kind<'a>, place: Place<'a>, causes: Vec<Failure<'a>>) -> Failure<'a> {
    Failure {
        place,
        kind,
        causes,
    }
}

/// What parts hand down.
#[derive(Clone, Copy)]
struct Mode {
    /// The metaschema in force, while there is one.
    meta: Option<Id>,
    /// Whether only the verdict counts.
    silent: bool,
    /// Validations around this one.
    depth: usize,
}

impl Mode {
    fn root(meta: Option<Id>) -> Self {
        Self {
            meta,
            silent: false,
            depth: 0,
        }
    }
}

/// Holds a value against a schema on a way of its own; None if it fits.
fn validate_root<'a, N: Instance>(
    check: &Checked<'a>,
    id: Id,
    value: View<'a, N>,
    mode: Mode,
) -> Option<Vec<Failure<'a>>> {
    let scope = Scope {
        schema: id,
        keyword: "",
        value: 0,
        parent: None,
    };
    let schema = check.schema(id);
    let run = Run {
        check,
        value,
        path: Path::root(),
        schema,
        scope: &scope,
        unevaluated: Unevaluated::of(value, schema, false, check.budget),
        failures: Vec::new(),
        mode,
    };
    match run.validate() {
        Ok(_) => None,
        Err(failure) => Some(ungrouped(*failure)),
    }
}

/// A failure, or those that it groups.
fn ungrouped(failure: Failure<'_>) -> Vec<Failure<'_>> {
    match failure.kind {
        Kind::Group => failure.causes,
        _ => vec![failure],
    }
}

/// Scopes that are looked at in the time of a step.
const SCOPES_PER_STEP: usize = 64;

/// The schemas around a validation.
struct Scope<'p> {
    schema: Id,
    /// The keyword of a reference; empty for sub-schemas.
    keyword: &'static str,
    /// The same for scopes of the same value.
    value: usize,
    parent: Option<&'p Scope<'p>>,
}

impl Scope<'_> {
    /// The scope around this one with the same schema for the same value.
    fn cycle(&self, budget: &Budget) -> Option<&Self> {
        let mut around = self.parent;
        let mut passed = 0;
        while let Some(scope) = around {
            if scope.value != self.value {
                return None;
            }
            if scope.schema == self.schema {
                return Some(scope);
            }
            around = scope.parent;
            passed += 1;
            if passed % SCOPES_PER_STEP == 0 && !budget.spend(1) {
                return None;
            }
        }
        None
    }

    /// The keywords that lead here.
    fn location(&self, check: &Checked<'_>) -> String {
        let mut parts = Vec::new();
        let mut scope = self;
        while let Some(parent) = scope.parent {
            if scope.keyword.is_empty() {
                let around = check.schema(parent.schema).location().len();
                let here = check.schema(scope.schema).location();
                parts.push(here.get(around..).unwrap_or_default().to_owned());
            } else {
                parts.push(pointer::token(scope.keyword));
            }
            scope = parent;
        }
        parts.reverse();
        parts.concat()
    }
}

type Verdict<'a> = Result<Unevaluated<'a>, Box<Failure<'a>>>;

/// One schema and one value.
struct Run<'c, 'a, N: Instance> {
    check: &'c Checked<'a>,
    value: View<'a, N>,
    path: Path<'a>,
    schema: &'a Schema,
    scope: &'c Scope<'c>,
    unevaluated: Unevaluated<'a>,
    failures: Vec<Failure<'a>>,
    mode: Mode,
}

impl<'a, N: Instance> Run<'_, 'a, N> {
    fn validate(mut self) -> Verdict<'a> {
        let budget = self.check.budget;
        if self.mode.depth > DEPTH_MAX {
            budget.fail(Fault::Depth);
        }
        if !budget.spend(1) {
            return Ok(self.unevaluated);
        }
        match self.schema.boolean {
            Some(true) => return Ok(self.unevaluated),
            Some(false) => return Err(self.boxed(Kind::False)),
            None => {}
        }
        if let Some(before) = self.scope.cycle(budget) {
            let kind = Kind::Cycle {
                first: self.scope.location(self.check),
                second: before.location(self.check),
                schema: self.schema,
            };
            return Err(self.boxed(kind));
        }
        if let Some(kind) = self.check_whole() {
            return Err(self.boxed(kind));
        }
        if let Some(target) = self.schema.reference {
            let verdict = self.validate_ref(target, "$ref");
            match verdict {
                Err(failure) if self.schema.version < Version::V2019 => return Err(failure),
                Ok(()) if self.schema.version < Version::V2019 => return Ok(self.unevaluated),
                verdict => self.add_verdict(verdict),
            }
        }
        match self.value {
            View::Object(members) => self.validate_object(members),
            View::Array(items) => self.validate_array(items),
            View::String(text) => self.validate_text(text),
            View::Number(number) => self.validate_number(number),
            View::Null | View::Bool(_) => {}
        }
        if self.failures.is_empty() || !self.mode.silent {
            if self.schema.version >= Version::V2019 {
                self.validate_refs();
            }
            self.validate_combined();
            if self.schema.version >= Version::V2019 {
                self.validate_unevaluated();
            }
        }
        match self.failures.len() {
            0 => Ok(self.unevaluated),
            1 => {
                let only = self.failures.pop();
                Err(Box::new(only.unwrap_or_else(|| self.failure(Kind::Group))))
            }
            _ => {
                let mut group = self.boxed(Kind::Group);
                group.causes = self.failures;
                Err(group)
            }
        }
    }

    /// The keywords that end validation at once.
    fn check_whole(&self) -> Option<Kind<'a>> {
        let (schema, value) = (self.schema, self.value);
        let budget = self.check.budget;
        let kind = value.kind();
        if !schema.types.is_empty() && !schema.types.contains(kind) {
            let integer = matches!(value, View::Number(number) if number.is_integer());
            if !(integer && schema.types.contains(Type::Integer)) {
                return Some(Kind::Type {
                    got: kind.name(),
                    want: schema.types.names(),
                });
            }
        }
        if let Some(want) = &schema.constant
            && !equal(value, want.view(), budget)
        {
            return Some(Kind::Const(want));
        }
        if let Some(choices) = &schema.choices {
            let mut values = choices.values.iter();
            let found = choices.types.contains(kind)
                && values.any(|choice| equal(value, choice.view(), budget));
            if !found {
                return Some(Kind::Enum(&choices.values));
            }
        }
        if let (Some(format), View::String(text)) = (schema.format, value) {
            let verdict = match format {
                Format::Regex => self.check.patterns.compile(text).map(drop),
                Format::Text { check, .. } => check(text),
            };
            if let Err(reason) = verdict {
                return Some(Kind::Format {
                    got: text,
                    want: format,
                    reason,
                });
            }
        }
        None
    }

    fn validate_text(&mut self, text: &'a str) {
        let schema = self.schema;
        if !self.check.budget.spend(text.len() / 256) {
            return;
        }
        if schema.min_length.is_some() || schema.max_length.is_some() {
            let length = text.chars().count();
            self.check_least("minLength", length, schema.min_length);
            self.check_most("maxLength", length, schema.max_length);
        }
        if let Some(pattern) = &schema.pattern
            && self
                .check
                .budget
                .spend(pattern.regex.search_steps(text.len()))
            && !pattern.regex.is_match(text.as_bytes())
        {
            self.add(Kind::Pattern {
                got: text,
                want: &pattern.text,
            });
        }
    }

    fn check_least(&mut self, name: &'static str, got: usize, want: Option<i64>) {
        if let Some(want) = want
            && (got as i64) < want
        {
            self.add(Kind::Size(name, got, want));
        }
    }

    fn check_most(&mut self, name: &'static str, got: usize, want: Option<i64>) {
        if let Some(want) = want
            && (got as i64) > want
        {
            self.add(Kind::Size(name, got, want));
        }
    }

    fn validate_number(&mut self, number: Number<'a>) {
        let schema = self.schema;
        let bounds = [
            ("minimum", &schema.minimum),
            ("maximum", &schema.maximum),
            ("exclusiveMinimum", &schema.exclusive_minimum),
            ("exclusiveMaximum", &schema.exclusive_maximum),
            ("multipleOf", &schema.multiple_of),
        ];
        if bounds.iter().all(|(_, want)| want.is_none()) {
            return;
        }
        let Some(got) = number.decimal() else {
            return self.check.budget.fail(Fault::Number);
        };
        for (name, want) in bounds {
            let Some(want) = want else {
                continue;
            };
            let good = match name {
                "minimum" => got >= *want,
                "maximum" => got <= *want,
                "exclusiveMinimum" => got > *want,
                "exclusiveMaximum" => got < *want,
                _ => match got.divided_by(want) {
                    Ok(good) => good,
                    Err(DivisionError::Zero) => return self.check.budget.fail(Fault::Division),
                    Err(DivisionError::TooLong) => return self.check.budget.fail(Fault::Steps),
                },
            };
            if !good {
                self.add(Kind::bound(name, &got, want));
            }
        }
    }

    /// Holds the same value against another schema.
    fn validate_self(
        &mut self,
        id: Id,
        keyword: &'static str,
        silent: bool,
    ) -> Result<(), Box<Failure<'a>>> {
        let scope = Scope {
            schema: id,
            keyword,
            value: self.scope.value,
            parent: Some(self.scope),
        };
        let needed = !self.unevaluated.is_empty();
        let mut mode = self.mode;
        mode.silent |= silent;
        let (value, path) = (self.value, self.path.clone());
        let left = self.validate_inside(id, value, path, &scope, needed, mode)?;
        self.unevaluated.keep(&left);
        Ok(())
    }

    /// Holds a member or item against a schema.
    fn validate_part(
        &mut self,
        id: Id,
        part: &'a N,
        token: Token<'a>,
    ) -> Result<(), Box<Failure<'a>>> {
        let scope = Scope {
            schema: id,
            keyword: "",
            value: self.scope.value + 1,
            parent: Some(self.scope),
        };
        let path = self.path.append(token);
        self.validate_inside(id, part.view(), path, &scope, false, self.mode)?;
        Ok(())
    }

    fn validate_inside(
        &self,
        id: Id,
        value: View<'a, N>,
        path: Path<'a>,
        scope: &Scope<'_>,
        needed: bool,
        mut mode: Mode,
    ) -> Verdict<'a> {
        let check = self.check;
        let unevaluated = Unevaluated::of(value, check.schema(id), needed, check.budget);
        mode.depth += 1;
        let mut id = id;
        if let Some(metaschema) = self.metaschema_at(id, &path) {
            id = metaschema;
            mode.meta = Some(metaschema);
        }
        let run = Run {
            check,
            value,
            path,
            schema: check.schema(id),
            scope,
            unevaluated,
            failures: Vec::new(),
            mode,
        };
        stack::grow(|| run.validate())
    }

    /// The metaschema of a part that has one of its own.
    fn metaschema_at(&self, id: Id, path: &Path<'_>) -> Option<Id> {
        let resources = self.check.resources?;
        if self.mode.meta != Some(id) || (path.len > 0 && resources.len() == 1) {
            return None;
        }
        let tokens = path.tokens();
        let pointer: String = tokens.iter().map(Token::text).collect();
        resources.get(pointer.as_str()).copied()
    }

    fn failure(&self, kind: Kind<'a>) -> Failure<'a> {
        let place = if self.mode.silent {
            Vec::new()
        } else {
            self.path.tokens()
        };
        whole(kind, Place::Fixed(place), Vec::new())
    }

    fn boxed(&self, kind: Kind<'a>) -> Box<Failure<'a>> {
        Box::new(self.failure(kind))
    }

    fn add(&mut self, kind: Kind<'a>) {
        self.failures.push(self.failure(kind));
    }

    fn add_with(&mut self, kind: Kind<'a>, causes: Vec<Failure<'a>>) {
        let mut failure = self.failure(kind);
        failure.causes = causes;
        self.failures.push(failure);
    }

    fn add_verdict(&mut self, verdict: Result<(), Box<Failure<'a>>>) {
        if let Err(failure) = verdict {
            self.failures.push(*failure);
        }
    }
}
