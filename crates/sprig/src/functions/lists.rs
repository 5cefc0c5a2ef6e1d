//! List functions.
//!
//! In: Go slices of any type. Out: new `[]interface {}` lists, items, or parts. Lists given are never
//! changed. Source: sprig `list.go`.

use gotemplate::{CallError, Context, Functions, Int, List, Rest, Str, Type, Value};

use super::support::{NIL_DEREFERENCE, empty, fail, items, kind, to_int};

static CHUNKS: Type = Type::Slice(&Type::LIST);

pub(super) fn add(functions: &mut Functions) {
    for name in ["list", "tuple"] {
        functions.add(name, |Rest(values): Rest<Value>| values);
    }
    for name in ["append", "push", "mustAppend", "mustPush"] {
        functions.add(name, |list: Value, item: Value| {
            let mut all = items(&list, "Cannot push on")?;
            all.push(item);
            Ok::<_, CallError>(all)
        });
    }
    for name in ["prepend", "mustPrepend"] {
        functions.add(name, |list: Value, item: Value| {
            let mut all = items(&list, "Cannot prepend on")?;
            all.insert(0, item);
            Ok::<_, CallError>(all)
        });
    }
    functions.add_with_context("concat", |ctx: &mut Context<'_>, lists: Rest<Value>| {
        concat(ctx, &lists.0)
    });
    add_parts(functions);
    add_selecting(functions);
}

fn add_parts(functions: &mut Functions) {
    for name in ["first", "mustFirst"] {
        functions.add(name, |list: Value| {
            Ok::<_, CallError>(
                items(&list, "Cannot find first on")?
                    .into_iter()
                    .next()
                    .unwrap_or_default(),
            )
        });
    }
    for name in ["last", "mustLast"] {
        functions.add(name, |list: Value| {
            Ok::<_, CallError>(
                items(&list, "Cannot find last on")?
                    .pop()
                    .unwrap_or_default(),
            )
        });
    }
    for name in ["rest", "mustRest"] {
        functions.add(name, |list: Value| {
            let mut all = items(&list, "Cannot find rest on")?;
            Ok::<_, CallError>(if all.is_empty() {
                List::nil(&Type::LIST)
            } else {
                all.remove(0);
                List::new(all)
            })
        });
    }
    for name in ["initial", "mustInitial"] {
        functions.add(name, |list: Value| {
            let mut all = items(&list, "Cannot find initial on")?;
            Ok::<_, CallError>(match all.pop() {
                None => List::nil(&Type::LIST),
                Some(_) => List::new(all),
            })
        });
    }
    for name in ["reverse", "mustReverse"] {
        functions.add(name, |list: Value| {
            let mut all = items(&list, "Cannot find reverse on")?;
            all.reverse();
            Ok::<_, CallError>(all)
        });
    }
    for name in ["slice", "mustSlice"] {
        functions.add(name, |list: Value, Rest(indices): Rest<Value>| {
            slice(&list, &indices)
        });
    }
    for name in ["chunk", "mustChunk"] {
        functions.add_with_context(
            name,
            |ctx: &mut Context<'_>, Int(size): Int, list: Value| chunk(ctx, size, &list),
        );
    }
}

fn add_selecting(functions: &mut Functions) {
    for name in ["compact", "mustCompact"] {
        functions.add(name, |list: Value| {
            let mut all = items(&list, "Cannot compact on")?;
            all.retain(|item| !empty(item));
            Ok::<_, CallError>(all)
        });
    }
    for name in ["uniq", "mustUniq"] {
        functions.add_with_context(name, |ctx: &mut Context<'_>, list: Value| uniq(ctx, &list));
    }
    for name in ["without", "mustWithout"] {
        functions.add_with_context(
            name,
            |ctx: &mut Context<'_>, list: Value, Rest(unwanted): Rest<Value>| {
                let mut kept = Vec::new();
                for item in items(&list, "Cannot find without on")? {
                    ctx.spend_steps(unwanted.len() as u64)?;
                    if !contains(ctx, &unwanted, &item)? {
                        kept.push(item);
                    }
                }
                Ok::<_, CallError>(kept)
            },
        );
    }
    for name in ["has", "mustHas"] {
        functions.add_with_context(name, |ctx: &mut Context<'_>, needle: Value, list: Value| {
            match list {
                Value::Nil => Ok(false),
                list => contains(ctx, &items(&list, "Cannot find has on")?, &needle),
            }
        });
    }
}

/// Whether a value is among others. Comparing is charged as it goes.
fn contains(ctx: &mut Context<'_>, among: &[Value], wanted: &Value) -> Result<bool, CallError> {
    let is_container = matches!(wanted, Value::List(_) | Value::Map(_));
    for value in among {
        if wanted.deep_equal(value) {
            return Ok(true);
        }
        if is_container {
            ctx.settle()?;
        }
    }
    Ok(false)
}

fn concat(ctx: &mut Context<'_>, lists: &[Value]) -> Result<Value, CallError> {
    let mut all = Vec::new();
    let mut some = false;
    for list in lists {
        ctx.expect_items(all.len())?;
        match list {
            Value::List(_) | Value::Bytes(_) => all.extend(items(list, "")?),
            Value::Nil => return fail(NIL_DEREFERENCE),
            other => return fail(format!("Cannot concat type {} as list", kind(other))),
        }
        some |= !all.is_empty();
    }
    Ok(Value::List(if some {
        List::new(all)
    } else {
        List::nil(&Type::LIST)
    }))
}

fn slice(list: &Value, indices: &[Value]) -> Result<Value, CallError> {
    let length = match list {
        Value::List(list) => list.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Nil => return fail(NIL_DEREFERENCE),
        other => {
            return fail(format!(
                "list should be type of slice or array but {}",
                kind(other)
            ));
        }
    };
    if length == 0 {
        return Ok(Value::Nil);
    }
    let start = indices.first().map_or(0, to_int);
    let end = indices.get(1).map_or(length as i64, to_int);
    if start < 0 || end < start || end > length as i64 {
        return fail("reflect.Value.Slice: slice index out of bounds");
    }
    let range = start as usize..end as usize;
    Ok(match list {
        Value::List(list) => {
            Value::List(List::typed(list.type_of(), list.borrow()[range].to_vec()))
        }
        Value::Bytes(bytes) => Value::Bytes(Str::from(&bytes[range])),
        _ => Value::Nil,
    })
}

fn chunk(ctx: &mut Context<'_>, size: i64, list: &Value) -> Result<Value, CallError> {
    let all = items(list, "Cannot chunk")?;
    // A list takes as much as a few items.
    ctx.expect_items(all.len().saturating_mul(if size == 1 { 5 } else { 3 }))?;
    let out_of_range = "runtime error: makeslice: len out of range";
    if size == 0 {
        return fail(out_of_range);
    }
    let count = ((all.len() as f64 - 1.0) / size as f64).floor() as i64 + 1;
    // Quirk: the last chunk has the rest of the division, which a negative size leaves be.
    let size = if size < 0 && count == 1 {
        all.len() as i64 % size
    } else {
        size
    };
    if count < 0 || count > 0 && size <= 0 {
        return fail(out_of_range);
    }
    let chunks = if count == 0 {
        Vec::new()
    } else {
        all.chunks(size as usize)
            .map(|part| Value::list(part.to_vec()))
            .collect()
    };
    Ok(Value::List(List::typed(&CHUNKS, chunks)))
}

fn uniq(ctx: &mut Context<'_>, list: &Value) -> Result<Vec<Value>, CallError> {
    let mut kept: Vec<Value> = Vec::new();
    for item in items(list, "Cannot find uniq on")? {
        ctx.spend_steps(kept.len() as u64 / 8)?;
        if !contains(ctx, &kept, &item)? {
            kept.push(item);
        }
    }
    Ok(kept)
}
