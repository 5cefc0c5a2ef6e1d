//! Executing parsed templates.
//!
//! Follows Go's evaluator step by step: what it marks as the current node is what an error points at.
//!
//! Source: text/template/exec.go.

mod builtin;
mod call;
mod compare;
mod context;
mod escape;
mod eval;
mod index;
mod operand;

use std::sync::Arc;

pub(crate) use builtin::Builtin;
use context::Buffers;
pub(crate) use context::Shared;
pub use context::{Context, Cost, Limits};
use operand::Operand;

use crate::bytestr::Str;
use crate::error::{CallError, ExecError, LimitError, Location};
use crate::gofmt;
use crate::node::{Branch, BranchKind, Command, Expr, Node, Pipe, Template, TemplateCall};
use crate::set::TemplateSet;
use crate::stack::grow;
use crate::strconv::quote;
use crate::types::IntKind;
use crate::value::Value;

/// Bytes of an action that an error shows.
const CONTEXT_BYTES_MAX: usize = 64 << 10;

type Result<T> = std::result::Result<T, Box<ExecError>>;

/// The node an error would point at.
#[derive(Clone, Copy)]
enum At<'a> {
    Node(&'a Node),
    Pipe(&'a Pipe),
    Command(&'a Command),
    Expr(&'a Expr),
}

/// How a list of nodes was left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

pub(crate) struct Var {
    name: Str,
    value: Operand,
}

struct Exec<'a, 'c> {
    set: &'a Arc<TemplateSet>,
    template: &'a Template,
    shared: &'c mut Shared,
    out: Vec<u8>,
    /// Innermost last. A template sees those from `vars_base` on.
    vars: Vec<Var>,
    vars_base: usize,
    at: Option<At<'a>>,
}

/// Executes `template` on `data`; templates it calls come from `set`.
pub(crate) fn execute(
    set: &Arc<TemplateSet>,
    template: &Template,
    shared: &mut Shared,
    data: &Value,
) -> Result<Str> {
    let dot = Operand::of(data.clone());
    let buffers = shared.spare.pop().unwrap_or_default();
    let mut exec = Exec {
        set,
        template,
        shared,
        out: buffers.out,
        vars: buffers.vars,
        vars_base: 0,
        at: None,
    };
    exec.vars.push(Var {
        name: Str::from_static("$"),
        value: dot.clone(),
    });
    let depth = exec.shared.depth;
    exec.enter_execution()?;
    let flow = exec
        .enter()
        .and_then(|()| grow(|| exec.walk_list(&dot, &template.root)));
    // Also after an error, deep down: the caller may go on.
    exec.shared.depth = depth;
    exec.shared.nested -= 1;
    let Exec {
        mut out, mut vars, ..
    } = exec;
    let result = flow.map(|_| Str::from(out.as_slice()));
    out.clear();
    vars.clear();
    shared.spare.push(Buffers { out, vars });
    result
}

impl<'a> Exec<'a, '_> {
    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(self.exec_error(message.into(), None))
    }

    fn limit(&self, limit: LimitError) -> Box<ExecError> {
        self.exec_error(String::new(), Some(CallError::Limit(limit)))
    }

    #[cold]
    fn exec_error(&self, message: String, cause: Option<CallError>) -> Box<ExecError> {
        let mut context = Vec::new();
        let pos = self.at.map(|at| match at {
            At::Node(node) => {
                node.print(&mut context);
                node.pos()
            }
            At::Pipe(pipe) => {
                pipe.print(&mut context);
                pipe.pos
            }
            At::Command(command) => {
                command.print(&mut context);
                command.pos
            }
            At::Expr(expr) => {
                expr.print(&mut context);
                expr.pos()
            }
        });
        // Errors of templates within templates hold one each.
        context.truncate(CONTEXT_BYTES_MAX);
        let source = &self.template.source;
        let location = pos.map(|pos| {
            let (line, column) = source.line_and_column(pos);
            Location {
                name: source.name.clone(),
                line,
                column,
            }
        });
        Box::new(ExecError {
            template: self.template.name.clone(),
            location,
            context: crate::lossy(&context).into_owned(),
            message,
            cause,
        })
    }

    /// Goes one template deeper; the caller takes the level off again.
    fn enter(&mut self) -> Result<()> {
        if self.shared.depth >= self.shared.limits.depth_max {
            let max = self.shared.limits.depth_max;
            return Err(self.limit(LimitError::Depth { max }));
        }
        self.shared.depth += 1;
        Ok(())
    }

    fn enter_execution(&mut self) -> Result<()> {
        if self.shared.nested >= self.shared.limits.nested_max {
            let max = self.shared.limits.nested_max;
            return Err(self.limit(LimitError::Depth { max }));
        }
        self.shared.nested += 1;
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        self.shared.step(1).map_err(|limit| self.limit(limit))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.shared
            .write(bytes.len())
            .map_err(|limit| self.limit(limit))?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn walk_list(&mut self, dot: &Operand, list: &'a [Node]) -> Result<Flow> {
        for node in list {
            let flow = self.walk(dot, node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn walk(&mut self, dot: &Operand, node: &'a Node) -> Result<Flow> {
        self.at = Some(At::Node(node));
        self.step()?;
        match node {
            Node::Text(text) => self.write(text.bytes())?,
            Node::Action { pipe, .. } => {
                // Variables declared here live on until the enclosing list ends.
                let value = self.eval_pipeline(dot, pipe)?;
                if pipe.decl.is_empty() {
                    self.print_value(node, &value)?;
                }
            }
            Node::Break { .. } => return Ok(Flow::Break),
            Node::Continue { .. } => return Ok(Flow::Continue),
            Node::Branch(branch) if branch.kind == BranchKind::Range => {
                return grow(|| self.walk_range(dot, branch));
            }
            Node::Branch(branch) => return grow(|| self.walk_if_or_with(dot, branch)),
            Node::Template(call) => self.walk_template(dot, call)?,
        }
        Ok(Flow::Next)
    }

    fn walk_if_or_with(&mut self, dot: &Operand, branch: &'a Branch) -> Result<Flow> {
        let mark = self.vars.len();
        let value = self.eval_pipeline(dot, &branch.pipe)?;
        let flow = if value.value().truth() {
            let inner = if branch.kind == BranchKind::With {
                &value
            } else {
                dot
            };
            self.walk_list(inner, &branch.list)?
        } else if let Some(else_list) = &branch.else_list {
            self.walk_list(dot, else_list)?
        } else {
            Flow::Next
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn walk_range(&mut self, dot: &Operand, branch: &'a Branch) -> Result<Flow> {
        let mark = self.vars.len();
        let over = self.eval_pipeline(dot, &branch.pipe)?.unboxed();
        let ran = self.iterate(branch, over)?;
        // Left by an inner break or continue, which end here, or run to the end.
        let flow = match (&branch.else_list, ran) {
            (Some(else_list), false) => self.walk_list(dot, else_list)?,
            _ => Flow::Next,
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    /// True if there was anything to iterate over.
    fn iterate(&mut self, branch: &'a Branch, over: Operand) -> Result<bool> {
        match over.into_value() {
            Value::Nil => Ok(false),
            Value::Int(kind, n) => {
                self.iterate_int(branch, n, kind.is_signed(), |n| Value::Int(kind, n))
            }
            Value::List(list) => {
                let (len, boxed) = (list.len(), list.holds_interfaces());
                for index in 0..len {
                    let Some(element) = list.get(index) else {
                        break;
                    };
                    let element = Operand::with_interface(element, boxed);
                    if !self.iteration(branch, Value::int(index as i64), &element)? {
                        break;
                    }
                }
                Ok(len > 0)
            }
            Value::Bytes(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    let element = Operand::Concrete(Value::Int(IntKind::Uint8, i64::from(*byte)));
                    if !self.iteration(branch, Value::int(index as i64), &element)? {
                        break;
                    }
                }
                Ok(!bytes.is_empty())
            }
            Value::Map(map) => {
                let (entries, boxed) = (map.to_vec(), map.holds_interfaces());
                let ran = !entries.is_empty();
                for (key, element) in entries {
                    let element = Operand::with_interface(element, boxed);
                    if !self.iteration(branch, Value::Str(key), &element)? {
                        break;
                    }
                }
                Ok(ran)
            }
            Value::Native(native) if native.integer().is_some() => {
                let (kind, n) = native.integer().unwrap_or((IntKind::Int, 0));
                self.iterate_int(branch, n, kind.is_signed(), |n| {
                    native.with_integer(n).unwrap_or(Value::Int(kind, n))
                })
            }
            other => {
                let shown = gofmt::message_indirect(&other);
                self.error(format!("range can't iterate over {shown}"))
            }
        }
    }

    fn iterate_int(
        &mut self,
        branch: &'a Branch,
        n: i64,
        is_signed: bool,
        value_of: impl Fn(i64) -> Value,
    ) -> Result<bool> {
        if branch.pipe.decl.len() > 1 {
            let shown = gofmt::message("%v", &value_of(n));
            let message = format!("can't use {shown} to iterate over more than one variable");
            return self.error(message);
        }
        let end = if is_signed { n.max(0) as u64 } else { n as u64 };
        for value in 0..end {
            let element = Operand::Concrete(value_of(value as i64));
            if !self.iteration(branch, Value::Nil, &element)? {
                break;
            }
        }
        Ok(end > 0)
    }

    /// Runs the body once; false after a break. `Value::Nil` as index means there is none.
    fn iteration(&mut self, branch: &'a Branch, index: Value, element: &Operand) -> Result<bool> {
        self.step()?;
        let decl = &branch.pipe.decl;
        let mark = self.vars.len();
        match (decl.as_slice(), branch.pipe.is_assign) {
            ([], _) => {}
            ([one], true) => self.set_var(&one.name, element.clone())?,
            ([first, second, ..], true) => {
                self.set_var(&first.name, Operand::of(index))?;
                self.set_var(&second.name, element.clone())?;
            }
            ([_], false) => self.set_top_var(1, element.clone()),
            ([_, _, ..], false) => {
                self.set_top_var(1, element.clone());
                self.set_top_var(2, Operand::of(index));
            }
        }
        let flow = self.walk_list(element, &branch.list)?;
        self.vars.truncate(mark);
        Ok(flow != Flow::Break)
    }

    fn walk_template(&mut self, dot: &Operand, call: &'a TemplateCall) -> Result<()> {
        let Some(template) = self.set.lookup(&call.name) else {
            return self.error(format!(
                "template {} not defined",
                quote(call.name.as_bytes())
            ));
        };
        self.enter()?;
        let steps = self.set.lookup_steps();
        self.shared.step(steps).map_err(|limit| self.limit(limit))?;
        let dot = match &call.pipe {
            Some(pipe) => self.eval_pipeline(dot, pipe)?,
            None => Operand::Invalid,
        };
        let caller = (self.template, self.vars_base, self.at, self.vars.len());
        self.template = template;
        self.vars_base = self.vars.len();
        self.vars.push(Var {
            name: Str::from_static("$"),
            value: dot.clone(),
        });
        grow(|| self.walk_list(&dot, &template.root))?;
        self.vars.truncate(caller.3);
        (self.template, self.vars_base, self.at) = (caller.0, caller.1, caller.2);
        self.shared.depth -= 1;
        Ok(())
    }

    fn set_var(&mut self, name: &Str, value: Operand) -> Result<()> {
        let vars = &mut self.vars[self.vars_base..];
        match vars.iter_mut().rev().find(|var| var.name == *name) {
            Some(var) => {
                var.value = value;
                Ok(())
            }
            None => self.error(format!("undefined variable: {name}")),
        }
    }

    fn set_top_var(&mut self, from_top: usize, value: Operand) {
        let index = self.vars.len() - from_top;
        self.vars[index].value = value;
    }

    fn var(&self, name: &Str) -> Result<Operand> {
        let vars = &self.vars[self.vars_base..];
        match vars.iter().rev().find(|var| var.name == *name) {
            Some(var) => Ok(var.value.clone()),
            None => self.error(format!("undefined variable: {name}")),
        }
    }

    fn print_value(&mut self, node: &'a Node, value: &Operand) -> Result<()> {
        self.at = Some(At::Node(node));
        match value.value() {
            Value::Nil => self.write(b"<no value>"),
            Value::Str(text) => self.write(text),
            Value::Func(function) => {
                let mut shown = Vec::new();
                node.print(&mut shown);
                let shown = crate::lossy(&shown).into_owned();
                self.error(format!(
                    "can't print {shown} of type {}",
                    function.type_text()
                ))
            }
            other => {
                let before = self.out.len();
                gofmt::append_indirect(&mut self.out, other).map_err(|limit| self.limit(limit))?;
                let written = self.out.len() - before;
                self.shared
                    .write(written)
                    .map_err(|limit| self.limit(limit))
            }
        }
    }
}
