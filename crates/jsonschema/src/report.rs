//! What is wrong with a value, and how it reads.
//!
//! In: a tree of failures. Out: Go's text. Source: jsonschema v6 `output.go`, `kind/kind.go`.

use crate::compile::pointer;
use crate::formats::Format;
use crate::json::Json;
use crate::limits::{Fault, REPORT_MAX};
use crate::number::Decimal;
use crate::print::{count, float, integer, joined, quote};
use crate::schema::Schema;
use crate::validate::path::{Path, Token};

/// A value that does not fit, with the reasons below it.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) kind: Kind<'a>,
    pub(crate) causes: Vec<Failure<'a>>,
}

/// Where the value is.
#[derive(Debug)]
pub(crate) enum Place<'a> {
    Fixed(Vec<Token<'a>>),
    /// Quirk: Go keeps no copy of these, so that they change while validation goes on.
    Shared(Path<'a>),
}

/// What is wrong.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    /// Several failures of one schema; without words of its own.
    Group,
    /// A failure behind a reference.
    Reference,
    /// The whole.
    Schema(&'a Schema),
    False,
    Cycle {
        first: String,
        second: String,
        schema: &'a Schema,
    },
    Type {
        got: &'static str,
        want: Vec<&'static str>,
    },
    Const(&'a Json),
    Enum(&'a [Json]),
    Format {
        got: &'a str,
        want: Format,
        reason: String,
    },
    /// A bound of sizes: `minItems`, what there is, what is wanted.
    Size(&'static str, usize, i64),
    /// A bound of numbers.
    Bound(&'static str, f64, f64),
    Required(Vec<&'a str>),
    Dependent {
        property: &'a str,
        missing: Vec<&'a str>,
    },
    AdditionalProperties(Vec<&'a str>),
    PropertyName(&'a str),
    Duplicates(usize, usize),
    AdditionalItems(usize),
    Contains,
    MinContains(Vec<usize>, i64),
    MaxContains(Vec<usize>, i64),
    Pattern {
        got: &'a str,
        want: &'a str,
    },
    Not,
    AllOf,
    AnyOf,
    OneOf(Option<(usize, usize)>),
}

impl Kind<'_> {
    /// A bound that a number breaks.
    pub(crate) fn bound(name: &'static str, got: &Decimal, want: &Decimal) -> Self {
        Self::Bound(name, got.to_f64(), want.to_f64())
    }

    fn text(&self) -> String {
        match self {
            Self::Group | Self::Reference => "validation failed".to_owned(),
            Self::Schema(schema) => {
                format!(
                    "jsonschema validation failed with {}",
                    quote(&schema.location())
                )
            }
            Self::False => "false schema".to_owned(),
            Self::Cycle {
                first,
                second,
                schema,
            } => {
                let location = sprig::gotext::quote(schema.location().as_bytes());
                format!("both {first} and {second} resolve to {location} causing reference cycle")
            }
            Self::Type { got, want } => format!("got {got}, want {}", want.join(" or ")),
            Self::Const(Json::Array(_) | Json::Object(_)) => "'const' failed".to_owned(),
            Self::Const(want) => format!("value must be {}", shown(want)),
            Self::Enum(want) => choices(want),
            Self::Format { got, want, reason } => {
                format!("{} is not valid {}: {reason}", quote(got), want.name())
            }
            Self::Size(name, got, want) => {
                format!("{name}: got {}, want {}", count(*got), integer(*want))
            }
            Self::Bound(name, got, want) => {
                format!("{name}: got {}, want {}", float(*got), float(*want))
            }
            Self::Pattern { got, want } => {
                format!("{} does not match pattern {}", quote(got), quote(want))
            }
            Self::Not => "'not' failed".to_owned(),
            Self::AllOf => "'allOf' failed".to_owned(),
            Self::AnyOf => "'anyOf' failed".to_owned(),
            Self::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
            Self::OneOf(Some((a, b))) => {
                let (a, b) = (count(*a), count(*b));
                format!("'oneOf' failed, subschemas {a}, {b} matched")
            }
            members => members.text_of_collection(),
        }
    }

    /// Failures of objects and arrays.
    fn text_of_collection(&self) -> String {
        match self {
            Self::Required(missing) if missing.len() == 1 => {
                format!("missing property {}", joined(missing))
            }
            Self::Required(missing) => format!("missing properties {}", joined(missing)),
            Self::Dependent { property, missing } => {
                let property = quote(property);
                format!(
                    "properties {} required, if {property} exists",
                    joined(missing)
                )
            }
            Self::AdditionalProperties(names) => {
                format!("additional properties {} not allowed", joined(names))
            }
            Self::PropertyName(name) => format!("invalid propertyName {}", quote(name)),
            Self::Duplicates(a, b) => {
                format!("items at {} and {} are equal", count(*a), count(*b))
            }
            Self::AdditionalItems(n) => {
                format!("last {} additionalItem(s) not allowed", count(*n))
            }
            Self::Contains => "no items match contains schema".to_owned(),
            Self::MinContains(got, want) if got.is_empty() => format!(
                "min {} items required to match contains schema, but none matched",
                integer(*want)
            ),
            Self::MinContains(got, want) => matched("min", got, *want),
            Self::MaxContains(got, want) => matched("max", got, *want),
            _ => "validation failed".to_owned(),
        }
    }
}

fn matched(which: &str, got: &[usize], want: i64) -> String {
    let places: Vec<String> = got.iter().map(ToString::to_string).collect();
    format!(
        "{which} {} items required to match contains schema, but matched {} items at {}",
        integer(want),
        count(got.len()),
        places.join(" ")
    )
}

fn choices(want: &[Json]) -> String {
    let collection = |value: &Json| matches!(value, Json::Array(_) | Json::Object(_));
    if want.iter().any(collection) {
        return "'enum' failed".to_owned();
    }
    let texts: Vec<String> = want.iter().map(shown).collect();
    match texts.as_slice() {
        [one] => format!("value must be {one}"),
        all => format!("value must be one of {}", all.join(", ")),
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::Null => "<nil>".to_owned(),
        Json::Bool(boolean) => boolean.to_string(),
        Json::Number(text) => text.to_string(),
        Json::String(text) => quote(text),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
    }
}

impl Failure<'_> {
    /// The failure of a schema as a whole, as Go's `Error` prints it.
    pub(crate) fn text(&self) -> Result<String, Fault> {
        let mut out = String::new();
        self.print(0, &mut out)?;
        Ok(out)
    }

    fn print(&self, depth: usize, out: &mut String) -> Result<(), Fault> {
        let mut depth = depth;
        let skipped = matches!(self.kind, Kind::Reference) && self.causes.len() == 1;
        if !skipped {
            if depth > 0 {
                out.push('\n');
                out.push_str(&"  ".repeat(depth - 1));
                out.push_str("- ");
            }
            if !matches!(self.kind, Kind::Schema(_)) {
                out.push_str("at ");
                out.push_str(&quote(&self.place.text()));
                out.push_str(": ");
            }
            out.push_str(&self.kind.text());
            depth += 1;
        }
        if out.len() > REPORT_MAX {
            return Err(Fault::Report);
        }
        sprig::stack::grow(|| {
            self.causes
                .iter()
                .try_for_each(|cause| cause.print(depth, out))
        })
    }
}

impl Place<'_> {
    fn text(&self) -> String {
        match self {
            Self::Fixed(tokens) => tokens.iter().map(Token::text).collect(),
            Self::Shared(path) => path.tokens().iter().map(Token::text).collect(),
        }
    }
}

impl Token<'_> {
    /// With its slash.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Name(name) => pointer::token(name),
            Self::Index(index) => format!("/{index}"),
        }
    }
}
