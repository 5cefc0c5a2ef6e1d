//! Versions: `semver` and `semverCompare`.
//!
//! In: texts. Out: a version object with the methods of Masterminds' library, or whether a constraint
//! holds.

use std::any::Any;

use gotemplate::{
    Args, CallError, Context, Functions, IntKind, Method, NamedType, Native, Signature, Str, Type,
    Value,
};

use super::support::{fail, lossy};
use crate::semver::{Constraint, Version};

pub(super) fn add(functions: &mut Functions) {
    functions
        .add("semverCompare", |constraint: Str, version: Str| {
            compare(&lossy(&constraint), &lossy(&version))
        })
        .insert(gotemplate::Function::new(
            "semver",
            Signature {
                params: &[Type::String],
                variadic: None,
                result: Type::Pointer(&VERSION),
            },
            Box::new(|_, args| {
                let text: Str = args.take();
                let version = Version::parse(&lossy(&text)).map_err(|e| as_call(&e))?;
                Ok(object(version, true))
            }),
        ));
}

fn as_call(error: &crate::semver::Error) -> CallError {
    CallError::text(error.to_string())
}

fn compare(constraint: &str, version: &str) -> Result<bool, CallError> {
    let constraint = Constraint::parse(constraint).map_err(|e| as_call(&e))?;
    let version = Version::parse(version).map_err(|e| as_call(&e))?;
    Ok(constraint.check(&version))
}

/// A `*semver.Version`, or the plain `semver.Version` that the next version is.
pub(crate) struct SemverObject {
    pub(crate) version: Version,
    is_pointer: bool,
}

fn object(version: Version, is_pointer: bool) -> Value {
    Value::Native(std::rc::Rc::new(SemverObject {
        version,
        is_pointer,
    }))
}

/// The parameter of a comparison.
static OTHER: [Type; 1] = [Type::Pointer(&VERSION)];

static UINT64: Type = Type::Int(IntKind::Uint64);

/// Methods of the plain type; a pointer has more.
const fn by_value() -> [Method; 9] {
    [
        getter("Major", UINT64, |_, this, _| number(this, |v| v.major)),
        getter("Minor", UINT64, |_, this, _| number(this, |v| v.minor)),
        getter("Patch", UINT64, |_, this, _| number(this, |v| v.patch)),
        getter("Prerelease", Type::String, |_, this, _| {
            text(this, |v| v.pre.clone())
        }),
        getter("Metadata", Type::String, |_, this, _| {
            text(this, |v| v.metadata.clone())
        }),
        getter("String", Type::String, |_, this, _| {
            text(this, ToString::to_string)
        }),
        getter("IncPatch", Type::Named(&PLAIN), |_, this, _| {
            next(this, Version::next_patch)
        }),
        getter("IncMinor", Type::Named(&PLAIN), |_, this, _| {
            next(this, Version::next_minor)
        }),
        getter("IncMajor", Type::Named(&PLAIN), |_, this, _| {
            next(this, Version::next_major)
        }),
    ]
}

static PLAIN_METHODS: [Method; 9] = by_value();

static PLAIN: NamedType = NamedType {
    name: "semver.Version",
    underlying: Type::Struct,
    methods: &PLAIN_METHODS,
};

static POINTER_METHODS: [Method; 16] = {
    let [a, b, c, d, e, f, g, h, i] = by_value();
    [
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        getter("Original", Type::String, |_, this, _| {
            text(this, |v| v.original.clone())
        }),
        relation("LessThan", |_, this, args| {
            order(this, args, std::cmp::Ordering::is_lt)
        }),
        relation("LessThanEqual", |_, this, args| {
            order(this, args, std::cmp::Ordering::is_le)
        }),
        relation("GreaterThan", |_, this, args| {
            order(this, args, std::cmp::Ordering::is_gt)
        }),
        relation("GreaterThanEqual", |_, this, args| {
            order(this, args, std::cmp::Ordering::is_ge)
        }),
        relation("Equal", |_, this, args| {
            order(this, args, std::cmp::Ordering::is_eq)
        }),
        Method {
            name: "Compare",
            signature: Signature {
                params: &OTHER,
                variadic: None,
                result: Type::INT,
            },
            call: |_, this, args| {
                let (a, b) = both(this, args)?;
                Ok(Value::int(a.compare(&b) as i64))
            },
        },
    ]
};

static VERSION: NamedType = NamedType {
    name: "semver.Version",
    underlying: Type::Struct,
    methods: &POINTER_METHODS,
};

type Call = fn(&mut Context<'_>, &Value, &mut Args) -> Result<Value, CallError>;

const fn getter(name: &'static str, result: Type, call: Call) -> Method {
    Method {
        name,
        signature: Signature {
            params: &[],
            variadic: None,
            result,
        },
        call,
    }
}

const fn relation(name: &'static str, call: Call) -> Method {
    let signature = Signature {
        params: &OTHER,
        variadic: None,
        result: Type::Bool,
    };
    Method {
        name,
        signature,
        call,
    }
}

fn version(value: &Value) -> Result<&Version, CallError> {
    match value.as_native::<SemverObject>() {
        Some(object) => Ok(&object.version),
        None => fail(super::support::NIL_DEREFERENCE),
    }
}

fn number(this: &Value, part: fn(&Version) -> u64) -> Result<Value, CallError> {
    Ok(Value::Int(
        IntKind::Uint64,
        part(version(this)?).cast_signed(),
    ))
}

fn text(this: &Value, part: fn(&Version) -> String) -> Result<Value, CallError> {
    Ok(Value::from(part(version(this)?)))
}

fn next(this: &Value, step: fn(&Version) -> Option<Version>) -> Result<Value, CallError> {
    match step(version(this)?) {
        Some(next) => Ok(object(next, false)),
        None => fail("version increment would overflow uint64"),
    }
}

fn both(this: &Value, args: &mut Args) -> Result<(Version, Version), CallError> {
    let other: Value = args.take();
    Ok((version(this)?.clone(), version(&other)?.clone()))
}

fn order(
    this: &Value,
    args: &mut Args,
    holds: fn(std::cmp::Ordering) -> bool,
) -> Result<Value, CallError> {
    let (a, b) = both(this, args)?;
    Ok(Value::Bool(holds(a.compare(&b))))
}

impl Native for SemverObject {
    fn named_type(&self) -> &'static NamedType {
        if self.is_pointer { &VERSION } else { &PLAIN }
    }

    fn is_pointer(&self) -> bool {
        self.is_pointer
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let number = |n: u64| Value::Int(IntKind::Uint64, n.cast_signed());
        let version = &self.version;
        vec![
            ("major", number(version.major)),
            ("minor", number(version.minor)),
            ("patch", number(version.patch)),
            ("pre", Value::str(&version.pre)),
            ("metadata", Value::str(&version.metadata)),
            ("original", Value::str(&version.original)),
        ]
    }

    fn text_by_pointer(&self) -> bool {
        false
    }

    fn copied(&self) -> Option<Value> {
        let nothing = Version::parse("0.0.0").map(|version| Version {
            original: String::new(),
            ..version
        });
        nothing.ok().map(|version| object(version, self.is_pointer))
    }

    fn text(&self) -> Option<Str> {
        Some(Str::from(self.version.to_string()))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|o| {
            let parts = |v: &Version| {
                (
                    v.major,
                    v.minor,
                    v.patch,
                    v.pre.clone(),
                    v.metadata.clone(),
                    v.original.clone(),
                )
            };
            parts(&o.version) == parts(&self.version)
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
