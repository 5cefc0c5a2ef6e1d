//! What one rendering shares between all templates it executes, and what functions see of it.

use std::any::Any;
use std::sync::Arc;

use super::{Var, execute};
use crate::bytestr::Str;
use crate::error::{CallError, ExecError, LimitError, TEXT_BYTES_MAX};
use crate::function::{Args, Function};
use crate::meter;
use crate::node::Template;
use crate::set::TemplateSet;
use crate::strconv::quote;
use crate::value::Value;

/// Bounds of one rendering. Templates come from anybody; each bound ends what Go would go on with for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes, commands and iterations, over all templates executed.
    pub steps_max: u64,
    /// Bytes written, over all templates executed, and bytes of texts that functions make; what is included twice
    /// counts twice.
    pub output_bytes_max: u64,
    /// Bytes that lists and maps made during the rendering hold at a time.
    pub values_bytes_max: u64,
    /// Templates within templates, whether by `template` or by a function. Go's own bound is 100,000 for `template`
    /// and none for functions.
    pub depth_max: u32,
    /// Executions within executions: functions such as `include` that execute templates. Each adds a link to the
    /// chain of an error, which takes some stack to drop.
    pub nested_max: u32,
}

impl Limits {
    /// Far above what charts need; a runaway template ends within seconds.
    pub const PRODUCTION: Self = Self {
        steps_max: 100_000_000,
        output_bytes_max: 256 << 20,
        values_bytes_max: 256 << 20,
        depth_max: 10_000,
        nested_max: 3_000,
    };
    /// For tests: reached at once.
    pub const TINY: Self = Self {
        steps_max: 500,
        output_bytes_max: 2_000,
        values_bytes_max: 20_000,
        depth_max: 20,
        nested_max: 10,
    };
}

/// What a rendering took of its [`Limits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Of [`Limits::steps_max`].
    pub steps: u64,
    /// Of [`Limits::output_bytes_max`].
    pub output_bytes: u64,
    /// Of [`Limits::values_bytes_max`].
    pub values_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self::PRODUCTION
    }
}

/// What an execution fills while it runs.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) out: Vec<u8>,
    pub(crate) vars: Vec<Var>,
}

/// The state of one rendering: what is left of the limits, and the host's own state.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) steps: u64,
    pub(crate) output_bytes: u64,
    /// What lists and maps held when the rendering began.
    held_bytes_before: u64,
    /// The most that those made since held at a time, as far as it was looked at.
    pub(crate) values_bytes: u64,
    pub(crate) depth: u32,
    pub(crate) nested: u32,
    /// Buffers of finished executions, for the next ones.
    pub(crate) spare: Vec<Buffers>,
    pub(crate) host: Box<dyn Any>,
}

impl Shared {
    pub(crate) fn new(limits: Limits, host: Box<dyn Any>) -> Self {
        // What an earlier rendering left is not charged to this one.
        meter::take_work();
        meter::take_exceeded();
        Self {
            limits,
            steps: 0,
            output_bytes: 0,
            held_bytes_before: meter::held_bytes(),
            values_bytes: 0,
            depth: 0,
            nested: 0,
            spare: Vec::new(),
            host,
        }
    }

    pub(crate) fn step(&mut self, n: u64) -> Result<(), LimitError> {
        self.steps = self.steps.saturating_add(n);
        if self.steps > self.limits.steps_max {
            return Err(LimitError::Steps {
                max: self.limits.steps_max,
            });
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, n_bytes: usize) -> Result<(), LimitError> {
        self.can_write(n_bytes)?;
        self.output_bytes += n_bytes as u64;
        Ok(())
    }

    fn can_write(&self, n_bytes: usize) -> Result<(), LimitError> {
        let total = self.output_bytes.saturating_add(n_bytes as u64);
        if total > self.limits.output_bytes_max {
            return Err(LimitError::OutputBytes {
                max: self.limits.output_bytes_max,
            });
        }
        Ok(())
    }
}

impl Shared {
    /// Charges what the meter of values counted since the last look.
    pub(crate) fn settle(&mut self) -> Result<(), LimitError> {
        if let Some(limit) = meter::take_exceeded() {
            return Err(limit);
        }
        self.step(meter::take_work())?;
        self.hold(0)
    }

    /// Fails if lists and maps with `n_bytes` more would hold too much.
    fn hold(&mut self, n_bytes: u64) -> Result<(), LimitError> {
        let held = meter::held_bytes().saturating_sub(self.held_bytes_before);
        self.values_bytes = self.values_bytes.max(held);
        if held.saturating_add(n_bytes) > self.limits.values_bytes_max {
            return Err(LimitError::ValueBytes {
                max: self.limits.values_bytes_max,
            });
        }
        Ok(())
    }
}

/// What a function sees of the rendering it is called in.
pub struct Context<'c> {
    pub(crate) set: &'c Arc<TemplateSet>,
    pub(crate) shared: &'c mut Shared,
}

impl<'c> Context<'c> {
    /// The host's state, if it is a `T`.
    pub fn host<T: 'static>(&mut self) -> Option<&mut T> {
        self.shared.host.downcast_mut()
    }

    /// The templates the calling template belongs to.
    pub fn set(&self) -> &'c Arc<TemplateSet> {
        self.set
    }

    /// Executes a template of the current set on `data`, as `ExecuteTemplate` does.
    pub fn execute(&mut self, name: &str, data: &Value) -> Result<Str, Box<ExecError>> {
        let Some(template) = self.set.lookup(name) else {
            let (wanted, set) = (quote(name.as_bytes()), quote(self.set.name().as_bytes()));
            let message = format!("no template {wanted} associated with template {set}");
            return Err(Box::new(ExecError {
                template: name.to_owned(),
                location: None,
                context: String::new(),
                message,
                cause: None,
            }));
        };
        if let Err(limit) = self.shared.step(self.set.lookup_steps()) {
            return Err(Box::new(ExecError {
                template: name.to_owned(),
                location: None,
                context: String::new(),
                message: String::new(),
                cause: Some(limit.into()),
            }));
        }
        execute(self.set, template, self.shared, data)
    }

    /// Executes a template on `data`, calling templates of `set`: for a child set with a text parsed just now.
    pub fn execute_in(
        &mut self,
        set: &Arc<TemplateSet>,
        template: &Template,
        data: &Value,
    ) -> Result<Str, Box<ExecError>> {
        execute(set, template, self.shared, data)
    }

    /// Calls a function of the current set with arguments that fit its signature.
    pub fn call(&mut self, function: &Function, args: Vec<Value>) -> Result<Value, CallError> {
        (function.body)(self, &mut Args::new(args))
    }

    /// Charges steps for work that grows with its arguments (loops, patterns).
    pub fn spend_steps(&mut self, n: u64) -> Result<(), LimitError> {
        self.shared.step(n)
    }

    /// Charges work that values were asked for since the last look, such as comparisons; for loops of a function.
    pub fn settle(&mut self) -> Result<(), LimitError> {
        self.shared.settle()
    }

    /// Fails before lists or maps of so many items are made if they would hold too much.
    pub fn expect_items(&mut self, n_items: usize) -> Result<(), LimitError> {
        self.shared
            .hold((n_items as u64).saturating_mul(size_of::<Value>() as u64))
    }

    /// Charges bytes before building something large (file contents, texts in errors).
    pub fn spend_bytes(&mut self, n_bytes: usize) -> Result<(), LimitError> {
        self.shared.write(n_bytes)
    }

    /// Fails before a text of so many bytes is built if it would be too long (`repeat`, padding, joining). The text
    /// itself is charged when the function gives it back.
    pub fn expect_text(&mut self, n_bytes: usize) -> Result<(), LimitError> {
        if n_bytes > TEXT_BYTES_MAX {
            return Err(LimitError::TextBytes {
                max: TEXT_BYTES_MAX,
            });
        }
        self.shared.can_write(n_bytes)
    }
}
