//! Number functions. Integer arithmetic converts everything to `int64` first.
//!
//! In: anything that can be taken for a number. Out: `int64`, `int`, `float64`. Source: sprig
//! `numeric.go`, shopspring decimal for the `...f` functions.

use gotemplate::{CallError, Context, Functions, Int, List, Rest, Type, Value, strconv};

use super::decimal::Decimal;
use super::support::{fail, to_float, to_int};
use crate::gotext;

static INTS: Type = Type::Slice(&Type::INT);

pub(super) fn add(functions: &mut Functions) {
    add_conversions(functions);
    add_integers(functions);
    add_floats(functions);
    functions
        .insert(until())
        .insert(until_step())
        .add_with_context("seq", |ctx: &mut Context<'_>, Rest(params): Rest<Int>| {
            seq(ctx, &params)
        });
}

fn add_conversions(functions: &mut Functions) {
    functions
        .add("int", |value: Value| Int(to_int(&value)))
        .add("int64", |value: Value| to_int(&value))
        .add("float64", |value: Value| to_float(&value))
        .add("atoi", |text: gotemplate::Str| Int(clamped(&text, 10)))
        .add("toDecimal", |value: Value| {
            strconv::parse_int(&gotext::show(&value), 8).unwrap_or_default()
        });
}

/// `strconv.Atoi` with its error ignored: out of range gives the nearest integer.
fn clamped(text: &[u8], base: u32) -> i64 {
    match strconv::parse_int(text, base) {
        Ok(int) => int,
        Err(strconv::NumberError::Range(nearest)) => nearest,
        Err(_) => 0,
    }
}

fn add_integers(functions: &mut Functions) {
    functions
        .add("add1", |a: Value| to_int(&a).wrapping_add(1))
        .add("add", |Rest(values): Rest<Value>| {
            values.iter().map(to_int).fold(0, i64::wrapping_add)
        })
        .add("sub", |a: Value, b: Value| {
            to_int(&a).wrapping_sub(to_int(&b))
        })
        .add("mul", |a: Value, Rest(values): Rest<Value>| {
            values
                .iter()
                .map(to_int)
                .fold(to_int(&a), i64::wrapping_mul)
        })
        .add("div", |a: Value, b: Value| {
            divide(to_int(&a), to_int(&b), i64::wrapping_div)
        })
        .add("mod", |a: Value, b: Value| {
            divide(to_int(&a), to_int(&b), i64::wrapping_rem)
        });
    for name in ["max", "biggest"] {
        functions.add(name, |a: Value, Rest(values): Rest<Value>| {
            values.iter().map(to_int).fold(to_int(&a), i64::max)
        });
    }
    functions.add("min", |a: Value, Rest(values): Rest<Value>| {
        values.iter().map(to_int).fold(to_int(&a), i64::min)
    });
}

fn divide(a: i64, b: i64, operation: fn(i64, i64) -> i64) -> Result<i64, CallError> {
    if b == 0 {
        return fail("runtime error: integer divide by zero");
    }
    Ok(operation(a, b))
}

fn add_floats(functions: &mut Functions) {
    functions
        .add("maxf", |a: Value, Rest(values): Rest<Value>| {
            values.iter().map(to_float).fold(to_float(&a), go_max)
        })
        .add("minf", |a: Value, Rest(values): Rest<Value>| {
            values.iter().map(to_float).fold(to_float(&a), go_min)
        })
        .add("floor", |a: Value| to_float(&a).floor())
        .add("ceil", |a: Value| to_float(&a).ceil())
        .add(
            "round",
            |a: Value, Int(places): Int, Rest(on): Rest<f64>| {
                round(to_float(&a), places, on.first().copied().unwrap_or(0.5))
            },
        )
        .add("add1f", |a: Value| {
            decimals(&a, &[Value::int(1)], |x, y| Ok(x.add(y)))
        })
        .add("addf", |Rest(values): Rest<Value>| {
            decimals(&Value::Float(0.0), &values, |x, y| Ok(x.add(y)))
        })
        .add("subf", |a: Value, Rest(values): Rest<Value>| {
            decimals(&a, &values, |x, y| Ok(x.sub(y)))
        })
        .add("mulf", |a: Value, Rest(values): Rest<Value>| {
            decimals(&a, &values, |x, y| Ok(x.mul(y)))
        })
        .add("divf", |a: Value, Rest(values): Rest<Value>| {
            decimals(&a, &values, |x, y| {
                x.div(y)
                    .ok_or_else(|| CallError::text("decimal division by 0"))
            })
        });
}

fn go_max(a: f64, b: f64) -> f64 {
    -go_min(-a, -b)
}

/// The negative zero is less than the other, and an infinity goes before what is no number.
fn go_min(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { a } else { b }
    } else {
        a.min(b)
    }
}

/// sprig's rounding: the fraction of a negative number is negative, so it goes down only from
/// beyond `on`.
fn round(value: f64, places: i64, on: f64) -> f64 {
    let power = 10_f64.powf(places as f64);
    let digit = power * value;
    let rounded = if digit.fract() >= on {
        digit.ceil()
    } else {
        digit.floor()
    };
    rounded / power
}

type Operation = fn(&Decimal, &Decimal) -> Result<Decimal, CallError>;

fn decimals(first: &Value, rest: &[Value], operation: Operation) -> Result<f64, CallError> {
    let read = |value: &Value| {
        let float = to_float(value);
        Decimal::from_float(float).ok_or_else(|| {
            let shown = gotext::format("%v", &[Value::Float(float)]);
            CallError::text(format!("Cannot create a Decimal from {shown}"))
        })
    };
    let mut result = read(first)?;
    for value in rest {
        result = operation(&result, &read(value)?)?;
    }
    Ok(result.to_float())
}

fn step_list(
    ctx: &mut Context<'_>,
    start: i64,
    end: i64,
    step: i64,
) -> Result<Vec<i64>, CallError> {
    let (up, down) = (end > start && step > 0, end < start && step < 0);
    if !up && !down {
        return Ok(Vec::new());
    }
    let count = (i128::from(end) - i128::from(start))
        .unsigned_abs()
        .div_ceil(u128::from(step.unsigned_abs()));
    let count_bounded = usize::try_from(count).unwrap_or(usize::MAX);
    ctx.spend_steps(count_bounded as u64)?;
    ctx.expect_items(count_bounded)?;
    Ok((0..count as i64)
        .map(|i| start.wrapping_add(i.wrapping_mul(step)))
        .collect())
}

fn ints(list: Vec<i64>) -> Value {
    Value::List(List::typed(
        &INTS,
        list.into_iter().map(Value::int).collect(),
    ))
}

fn until() -> gotemplate::Function {
    let signature = gotemplate::Signature {
        params: &[Type::INT],
        variadic: None,
        result: INTS,
    };
    gotemplate::Function::new(
        "until",
        signature,
        Box::new(|ctx, args| {
            let Int(count) = args.take();
            step_list(ctx, 0, count, if count < 0 { -1 } else { 1 }).map(ints)
        }),
    )
}

fn until_step() -> gotemplate::Function {
    let params = &[Type::INT, Type::INT, Type::INT];
    let signature = gotemplate::Signature {
        params,
        variadic: None,
        result: INTS,
    };
    gotemplate::Function::new(
        "untilStep",
        signature,
        Box::new(|ctx, args| {
            let (Int(start), Int(end), Int(step)) = (args.take(), args.take(), args.take());
            step_list(ctx, start, end, step).map(ints)
        }),
    )
}

/// Like the shell's `seq`.
fn seq(ctx: &mut Context<'_>, params: &[Int]) -> Result<String, CallError> {
    let (start, end, step) = match params {
        [Int(end)] => (1, *end, None),
        [Int(start), Int(end)] => (*start, *end, None),
        [Int(start), Int(step), Int(end)] => (*start, *end, Some(*step)),
        _ => return Ok(String::new()),
    };
    let direction = if end < start { -1 } else { 1 };
    if step.is_some_and(|step| end < start && step > 0) {
        return Ok(String::new());
    }
    let list = step_list(
        ctx,
        start,
        end.saturating_add(direction),
        step.unwrap_or(direction),
    )?;
    let parts: Vec<String> = list.iter().map(ToString::to_string).collect();
    Ok(parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_sprig() {
        for (value, places, want) in [
            (-2.5, 0, -3.0),
            (1.005, 2, 1.0),
            (123.5555, 3, 123.556),
            (-1.2, 0, -2.0),
            (2.5, 0, 3.0),
        ] {
            let got = round(value, places, 0.5);
            assert!((got - want).abs() < 1e-9, "{value} to {places}: {got}");
        }
    }
}
