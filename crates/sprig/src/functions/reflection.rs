//! What kind and type a value has.
//!
//! In: anything. Out: Go's names. Source: sprig `reflect.go`.

use gotemplate::{Functions, Str, Value};

use super::support::kind;

pub(super) fn add(functions: &mut Functions) {
    functions
        .add("typeOf", |value: Value| value.type_name().into_owned())
        .add("typeIs", |wanted: Str, value: Value| {
            *wanted == *value.type_name().as_bytes()
        })
        .add("typeIsLike", |wanted: Str, value: Value| {
            let name = value.type_name();
            *wanted == *name.as_bytes()
                || name
                    .strip_prefix('*')
                    .is_some_and(|pointee| *wanted == *pointee.as_bytes())
        })
        .add("kindOf", |value: Value| kind(&value))
        .add("kindIs", |wanted: Str, value: Value| wanted == kind(&value))
        .add("deepEqual", |a: Value, b: Value| a.deep_equal(&b));
}
