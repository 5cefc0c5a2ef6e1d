//! Rules of users for when objects are ready, in the Common Expression Language.
//!
//! Semantics: Flux's `healthCheckExprs`. What an expression may cost is known before it runs: the language has no loops but
//! those over lists and maps, so steps are at most the product of what the object holds, nesting for nesting.

use std::collections::HashMap;
use std::sync::Arc;

use api::v1alpha1::{HealthCheckExpr, Summary};
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};
use cel::objects::{Key, Map};
use cel::parser::PrattParser;
use cel::{Context, ExecutionError, IdedExpr, Value as Cel};
use serde_json::Value;

/// Bytes of one expression.
const EXPRESSION_BYTES_MAX: usize = 4096;
/// Nesting of one expression.
const DEPTH_MAX: u16 = 64;
/// Rules of one deployment.
const RULES_MAX: usize = 100;
/// Steps of one expression over one object, each some hundred nanoseconds.
const STEPS_MAX: u64 = 5_000_000;
/// Steps that a regular expression counts for: it is read anew each time.
const REGEX_STEPS: u64 = 1000;
/// Elements that are copied in the time of one step.
const COPIED_PER_STEP: u64 = 16;

/// Members of an object that expressions see.
const VARIABLES: [&str; 6] = ["apiVersion", "kind", "metadata", "spec", "status", "data"];

/// Functions and operators that neither reach outside nor make large values of small ones.
const FUNCTIONS: [&str; 38] = [
    "_?_:_",
    "_&&_",
    "_||_",
    "!_",
    "-_",
    "_-_",
    "_+_",
    "_*_",
    "_/_",
    "_%_",
    "_==_",
    "_!=_",
    "_>=_",
    "_<=_",
    "_>_",
    "_<_",
    "_[_]",
    "@in",
    "@not_strictly_false",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "min",
    "max",
    "type",
];

/// Why a rule cannot be used. All name the rule by its place in the list.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum CheckError {
    /// More rules than are looked at.
    #[error("healthCheckExprs has {0} rules, at most {RULES_MAX} are allowed")]
    TooMany(usize),
    /// It does not say what it is about.
    #[error("healthCheckExprs[{index}]: {field} is missing")]
    Missing {
        /// Place in the list.
        index: usize,
        /// What is missing.
        field: &'static str,
    },
    /// Secrets are not read.
    #[error(
        "healthCheckExprs[{index}]: rules for Secrets are not allowed, their contents are not read"
    )]
    Secret {
        /// Place in the list.
        index: usize,
    },
    /// An expression is not of the language, or asks for what is not allowed.
    #[error("healthCheckExprs[{index}].{field}: {reason}")]
    Expression {
        /// Place in the list.
        index: usize,
        /// Which of the expressions.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// The rules of a deployment, ready for use.
#[derive(Clone, Debug, Default)]
pub struct HealthChecks(Arc<[Check]>);

#[derive(Debug)]
struct Check {
    group: String,
    /// `None` means all.
    version: Option<String>,
    kind: String,
    in_progress: Option<Compiled>,
    failed: Option<Compiled>,
    current: Compiled,
}

#[derive(Debug)]
struct Compiled {
    field: &'static str,
    expression: IdedExpr,
}

impl HealthChecks {
    /// Reads rules; the first that is wrong is the error, and nothing of the deployment should be judged then.
    pub fn compile(rules: &[HealthCheckExpr]) -> Result<Self, CheckError> {
        if rules.len() > RULES_MAX {
            return Err(CheckError::TooMany(rules.len()));
        }
        let each = rules.iter().enumerate();
        let all: Result<Vec<Check>, CheckError> = each
            .map(|(index, rule)| Check::compile(index, rule))
            .collect();
        Ok(Self(all?.into()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a rule for a kind, whose objects must be read whole then.
    pub fn concern(&self, group: &str, version: &str, kind: &str) -> bool {
        self.of(group, version, kind).is_some()
    }

    fn of(&self, group: &str, version: &str, kind: &str) -> Option<&Check> {
        self.0.iter().find(|check| {
            let is_version = check
                .version
                .as_ref()
                .is_none_or(|wanted| wanted == version);
            check.group == group && is_version && check.kind == kind
        })
    }

    /// How ready `object` is by the rule for its kind; `None` without one. An object that is being deleted is not ready.
    pub fn summarize(&self, object: &Value) -> Option<Summary> {
        let text = |path: &str| {
            object
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (group, version) = split(text("/apiVersion"));
        let check = self.of(group, version, text("/kind"))?;
        if object.pointer("/metadata/deletionTimestamp").is_some() {
            return Some(summary("removing", Outcome::Moving, "is being deleted"));
        }
        Some(check.summarize(object))
    }
}

fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

#[derive(Clone, Copy)]
enum Outcome {
    Ready,
    Moving,
    Failed,
}

fn summary(state: &str, outcome: Outcome, message: &str) -> Summary {
    let message = if message.is_empty() {
        Vec::new()
    } else {
        vec![message.to_owned()]
    };
    Summary {
        state: state.to_owned(),
        error: matches!(outcome, Outcome::Failed),
        transitioning: matches!(outcome, Outcome::Moving),
        message,
    }
}

impl Check {
    fn compile(index: usize, rule: &HealthCheckExpr) -> Result<Self, CheckError> {
        let missing = |field| CheckError::Missing { index, field };
        for (field, text) in [
            ("apiVersion", &rule.api_version),
            ("kind", &rule.kind),
            ("current", &rule.current),
        ] {
            if text.is_empty() {
                return Err(missing(field));
            }
        }
        let (group, version) = split(&rule.api_version);
        if group.is_empty() && rule.kind == "Secret" {
            return Err(CheckError::Secret { index });
        }
        let compile = |field: &'static str, source: &str| {
            let expression = parse(source).map_err(|reason| CheckError::Expression {
                index,
                field,
                reason,
            })?;
            Ok(Compiled { field, expression })
        };
        let optional = |field, source: &str| {
            (!source.is_empty())
                .then(|| compile(field, source))
                .transpose()
        };
        Ok(Self {
            group: group.to_owned(),
            version: (version != "*").then(|| version.to_owned()),
            kind: rule.kind.clone(),
            in_progress: optional("inProgress", &rule.in_progress)?,
            failed: optional("failed", &rule.failed)?,
            current: compile("current", &rule.current)?,
        })
    }

    fn summarize(&self, object: &Value) -> Summary {
        let mut context = Context::default();
        let mut size = 0;
        for name in VARIABLES {
            if let Some(value) = object.get(name) {
                context.add_variable_from_value(name, value_of(value, &mut size));
            }
        }
        let steps = [
            (
                self.in_progress.as_ref(),
                "in-progress",
                Outcome::Moving,
                "",
            ),
            (
                self.failed.as_ref(),
                "failed",
                Outcome::Failed,
                "failed by its health check",
            ),
            (Some(&self.current), "active", Outcome::Ready, ""),
        ];
        for (compiled, state, outcome, message) in steps {
            let Some(compiled) = compiled else { continue };
            match compiled.holds(&context, size) {
                Ok(true) => return summary(state, outcome, message),
                Ok(false) => {}
                Err(reason) => {
                    let message = format!("health check {}: {reason}", compiled.field);
                    return summary("failed", Outcome::Failed, &message);
                }
            }
        }
        summary(
            "in-progress",
            Outcome::Moving,
            "not yet current by its health check",
        )
    }
}

/// A value of the object as CEL has it, counting what it consists of. Whole numbers are `int`, as in Kubernetes.
fn value_of(value: &Value, size: &mut u64) -> Cel {
    *size += 1;
    match value {
        Value::Null => Cel::Null,
        Value::Bool(it) => Cel::Bool(*it),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Cel::Float(number.as_f64().unwrap_or_default()), Cel::Int),
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(
            items.iter().map(|item| value_of(item, size)).collect(),
        )),
        Value::Object(fields) => {
            let entry = |(key, value): (&String, &Value), size: &mut u64| {
                (Key::String(Arc::new(key.clone())), value_of(value, size))
            };
            let map: HashMap<Key, Cel> = fields.iter().map(|field| entry(field, size)).collect();
            Cel::Map(Map { map: Arc::new(map) })
        }
    }
}

impl Compiled {
    /// Whether it is true; what is missing makes it false. Errors name no value of the object.
    fn holds(&self, context: &Context<'_, '_>, size: u64) -> Result<bool, String> {
        let steps = steps(&self.expression, size.max(1));
        if steps > STEPS_MAX {
            return Err(format!(
                "would take {steps} steps for an object of {size} values, at most {STEPS_MAX} are allowed"
            ));
        }
        match Cel::resolve(&self.expression, context) {
            Ok(Cel::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("gives {}, neither true nor false", other.type_of())),
            Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Ok(false),
            Err(ExecutionError::UndeclaredReference(name))
                if VARIABLES.contains(&name.as_str()) =>
            {
                Ok(false)
            }
            Err(
                error
                @ (ExecutionError::NoSuchOverload(_) | ExecutionError::UndeclaredReference(_)),
            ) => Err(error.to_string()),
            Err(_) => Err("cannot be computed for this object".to_owned()),
        }
    }
}

fn parse(source: &str) -> Result<IdedExpr, String> {
    if source.len() > EXPRESSION_BYTES_MAX {
        return Err(format!(
            "has {} bytes, at most {EXPRESSION_BYTES_MAX} are allowed",
            source.len()
        ));
    }
    let parsed = PrattParser::new()
        .max_recursion_depth(DEPTH_MAX)
        .parse(source);
    let expression = parsed.map_err(|errors| {
        let first = errors.errors.first();
        first.map_or_else(
            || errors.to_string(),
            |error| format!("column {}: {}", error.pos.1, error.msg),
        )
    })?;
    allowed(&expression, &mut Vec::new(), 0)?;
    Ok(expression)
}

/// Refuses what is no function of the language, names that no object has, and texts that grow in loops. `names` are those of
/// the loops around.
fn allowed(expr: &IdedExpr, names: &mut Vec<String>, depth: usize) -> Result<(), String> {
    match &expr.expr {
        Expr::Call(call) => {
            if !FUNCTIONS.contains(&call.func_name.as_str()) {
                return Err(format!("there is no function {}", call.func_name));
            }
            if depth > 0 && call.func_name == "_+_" && !is_collected(call) && !is_number(call) {
                return Err("values cannot be added in a loop".to_owned());
            }
        }
        Expr::Ident(name)
            if !VARIABLES.contains(&name.as_str())
                && !names.contains(name)
                && !name.starts_with('@') =>
        {
            return Err(format!(
                "there is no variable {name}; an object has {}",
                VARIABLES.join(", ")
            ));
        }
        Expr::Struct(_) => return Err("messages are not supported".to_owned()),
        _ => {}
    }
    if let Expr::Comprehension(each) = &expr.expr {
        allowed(&each.iter_range, names, depth)?;
        allowed(&each.accu_init, names, depth)?;
        let before = names.len();
        names.extend([each.iter_var.clone(), each.accu_var.clone()]);
        names.extend(each.iter_var2.clone());
        for inner in [&each.loop_cond, &each.loop_step, &each.result] {
            allowed(inner, names, depth + 1)?;
        }
        names.truncate(before);
        return Ok(());
    }
    children(expr)
        .into_iter()
        .try_for_each(|child| allowed(child, names, depth))
}

/// Whether this is how `map` and `filter` collect: `@result + [element]`.
fn is_collected(call: &CallExpr) -> bool {
    let is_accumulator =
        |it: &IdedExpr| matches!(&it.expr, Expr::Ident(name) if name.starts_with('@'));
    call.args.first().is_some_and(is_accumulator)
}

/// Whether one side is a number, so that the sum is one too.
fn is_number(call: &CallExpr) -> bool {
    let number = |it: &IdedExpr| {
        use LiteralValue::{Double, Int, UInt};
        matches!(&it.expr, Expr::Literal(Int(_) | UInt(_) | Double(_)))
    };
    call.args.iter().any(number)
}

fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Call(call) => call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| match &entry.expr {
                EntryExpr::StructField(field) => vec![&field.value],
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
            })
            .collect(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::Unspecified
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::Literal(_)
        | Expr::Struct(_) => Vec::new(),
    }
}

/// At most how many steps an expression takes for an object of `size` values.
fn steps(expr: &IdedExpr, size: u64) -> u64 {
    let of = |inner: &IdedExpr| steps(inner, size);
    match &expr.expr {
        Expr::Comprehension(each) => {
            // Ranges are parts of the object, or lists that are written down.
            let turns = size.saturating_add(of(&each.iter_range));
            let turn = of(&each.loop_cond).saturating_add(of(&each.loop_step));
            turns
                .saturating_mul(turn)
                .saturating_add(of(&each.accu_init))
                .saturating_add(of(&each.result))
        }
        inner => {
            let own = match inner {
                Expr::Call(call) if call.func_name == "matches" => REGEX_STEPS,
                Expr::Call(call) if call.func_name == "@in" => size,
                Expr::Call(call) if call.func_name == "_+_" => 1 + size / COPIED_PER_STEP,
                _ => 1,
            };
            children(expr)
                .into_iter()
                .map(of)
                .fold(own, u64::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests;
