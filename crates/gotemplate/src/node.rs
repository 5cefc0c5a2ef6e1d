//! The parsed form of templates, and how nodes print themselves.
//!
//! Printing follows Go's `Node.String` to the byte, because error messages carry it. Trees hold no thread-bound
//! values, so that threads can share them. Positions are byte offsets into the text.

use std::sync::Arc;

use crate::bytestr::Str;
use crate::exec::Builtin;
use crate::strconv::quote;

/// A text that templates were parsed from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: Str,
}

impl Source {
    /// Line from 1 and byte column from 0.
    pub(crate) fn line_and_column(&self, pos: u32) -> (usize, usize) {
        let before = &self.text[..self.text.len().min(pos as usize)];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        (line, before.len() - line_start)
    }
}

/// A stretch of a source, from byte to byte.
#[derive(Debug)]
pub(crate) struct Stretch {
    source: Arc<Source>,
    start: u32,
    end: u32,
}

impl Stretch {
    /// `len` bytes of the source from `start` on, all within it.
    pub(crate) fn new(source: &Arc<Source>, start: usize, len: usize) -> Self {
        Self {
            source: Arc::clone(source),
            start: start as u32,
            end: (start + len) as u32,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.source.text[self.start as usize..self.end as usize]
    }
}

/// One named template.
#[derive(Debug)]
pub struct Template {
    pub(crate) name: String,
    pub(crate) source: Arc<Source>,
    pub(crate) root: Vec<Node>,
}

impl Template {
    /// The name it is called by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the text it was defined in.
    pub fn source_name(&self) -> &str {
        &self.source.name
    }

    /// Whether there is nothing but white space, so that it does not replace another template of its name.
    ///
    /// Source: `parse.IsEmptyTree`.
    pub fn is_empty(&self) -> bool {
        self.root.iter().all(|node| match node {
            Node::Text(text) => is_blank(text.bytes()),
            _ => false,
        })
    }

    /// Whether the function is called anywhere in the template, taken branch or not.
    pub fn calls_function(&self, name: &str) -> bool {
        self.root.iter().any(|node| node.mentions(name))
    }
}

/// The text that parses to the same template; white space and comments are as the parser left them.
impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = Vec::new();
        print_list(&self.root, &mut out);
        f.write_str(&crate::lossy(&out))
    }
}

/// `bytes.TrimSpace(text)` is empty: white space as Unicode has it.
fn is_blank(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.chars().all(char::is_whitespace))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BranchKind {
    If,
    Range,
    With,
}

impl BranchKind {
    pub(crate) const fn keyword(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::Range => "range",
            Self::With => "with",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) kind: BranchKind,
    pub(crate) pos: u32,
    pub(crate) pipe: Pipe,
    pub(crate) list: Vec<Node>,
    pub(crate) else_list: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(crate) struct TemplateCall {
    pub(crate) pos: u32,
    pub(crate) name: String,
    pub(crate) pipe: Option<Pipe>,
}

#[derive(Debug)]
pub(crate) enum Node {
    Text(Stretch),
    Action { pos: u32, pipe: Pipe },
    Break { pos: u32 },
    Continue { pos: u32 },
    Branch(Box<Branch>),
    Template(Box<TemplateCall>),
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: u32,
    pub(crate) is_assign: bool,
    pub(crate) decl: Vec<Variable>,
    pub(crate) cmds: Vec<Command>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: u32,
    /// Never empty.
    pub(crate) args: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) pos: u32,
    /// With the dollar sign.
    pub(crate) name: Str,
    pub(crate) fields: Vec<Name>,
}

/// A field name, ready for looking up both map keys and methods.
#[derive(Debug)]
pub(crate) struct Name(pub(crate) Str);

impl Name {
    pub(crate) fn text(&self) -> &str {
        self.0.as_str().unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Callee {
    Builtin(Builtin),
    /// The place in the set's functions.
    Host(u32),
}

#[derive(Debug)]
pub(crate) struct Identifier {
    pub(crate) pos: u32,
    pub(crate) name: Str,
    pub(crate) callee: Callee,
}

#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) pos: u32,
    pub(crate) node: Expr,
    pub(crate) fields: Vec<Name>,
}

/// A literal number, under each type that can hold its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) enum Expr {
    Bool {
        pos: u32,
        value: bool,
    },
    Dot {
        pos: u32,
    },
    Nil {
        pos: u32,
    },
    Number {
        pos: u32,
        number: Box<Number>,
    },
    String {
        pos: u32,
        quoted: Stretch,
        text: Str,
    },
    Field {
        pos: u32,
        fields: Vec<Name>,
    },
    Variable(Variable),
    Identifier(Identifier),
    Pipe(Box<Pipe>),
    Chain(Box<Chain>),
}

fn print_list(nodes: &[Node], out: &mut Vec<u8>) {
    for node in nodes {
        node.print(out);
    }
}

impl Node {
    pub(crate) fn pos(&self) -> u32 {
        match self {
            Self::Text(_) => 0,
            Self::Action { pos, .. } | Self::Break { pos } | Self::Continue { pos } => *pos,
            Self::Branch(branch) => branch.pos,
            Self::Template(call) => call.pos,
        }
    }

    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text.bytes()),
            Self::Action { pipe, .. } => {
                out.extend_from_slice(b"{{");
                pipe.print(out);
                out.extend_from_slice(b"}}");
            }
            Self::Break { .. } => out.extend_from_slice(b"{{break}}"),
            Self::Continue { .. } => out.extend_from_slice(b"{{continue}}"),
            Self::Branch(branch) => branch.print(out),
            Self::Template(call) => {
                out.extend_from_slice(b"{{template ");
                out.extend_from_slice(quote(call.name.as_bytes()).as_bytes());
                if let Some(pipe) = &call.pipe {
                    out.push(b' ');
                    pipe.print(out);
                }
                out.extend_from_slice(b"}}");
            }
        }
    }

    fn mentions(&self, function: &str) -> bool {
        match self {
            Self::Text(_) | Self::Break { .. } | Self::Continue { .. } => false,
            Self::Action { pipe, .. } => pipe.mentions(function),
            Self::Branch(branch) => {
                let lists = branch.list.iter().chain(branch.else_list.iter().flatten());
                branch.pipe.mentions(function)
                    || crate::stack::grow(|| lists.into_iter().any(|node| node.mentions(function)))
            }
            Self::Template(call) => call
                .pipe
                .as_ref()
                .is_some_and(|pipe| pipe.mentions(function)),
        }
    }
}

impl Branch {
    fn print(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{{");
        out.extend_from_slice(self.kind.keyword().as_bytes());
        out.push(b' ');
        self.pipe.print(out);
        out.extend_from_slice(b"}}");
        crate::stack::grow(|| {
            print_list(&self.list, out);
            if let Some(else_list) = &self.else_list {
                out.extend_from_slice(b"{{else}}");
                print_list(else_list, out);
            }
        });
        out.extend_from_slice(b"{{end}}");
    }
}

impl Pipe {
    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        for (index, variable) in self.decl.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            variable.print(out);
        }
        if !self.decl.is_empty() {
            out.extend_from_slice(if self.is_assign { b" = " } else { b" := " });
        }
        for (index, command) in self.cmds.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b" | ");
            }
            command.print(out);
        }
    }

    fn mentions(&self, function: &str) -> bool {
        self.cmds
            .iter()
            .flat_map(|command| &command.args)
            .any(|arg| arg.mentions(function))
    }
}

impl Command {
    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        for (index, arg) in self.args.iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            arg.print_operand(out);
        }
    }
}

impl Variable {
    fn print(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.name);
        print_fields(&self.fields, out);
    }
}

fn print_fields(fields: &[Name], out: &mut Vec<u8>) {
    for field in fields {
        out.push(b'.');
        out.extend_from_slice(&field.0);
    }
}

impl Expr {
    pub(crate) fn pos(&self) -> u32 {
        match self {
            Self::Bool { pos, .. }
            | Self::Dot { pos }
            | Self::Nil { pos }
            | Self::Number { pos, .. }
            | Self::String { pos, .. }
            | Self::Field { pos, .. } => *pos,
            Self::Variable(variable) => variable.pos,
            Self::Identifier(identifier) => identifier.pos,
            Self::Pipe(pipe) => pipe.pos,
            Self::Chain(chain) => chain.pos,
        }
    }

    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bool { value, .. } => {
                out.extend_from_slice(if *value { b"true" } else { b"false" });
            }
            Self::Dot { .. } => out.push(b'.'),
            Self::Nil { .. } => out.extend_from_slice(b"nil"),
            Self::Number { number, .. } => out.extend_from_slice(number.text.as_bytes()),
            Self::String { quoted, .. } => out.extend_from_slice(quoted.bytes()),
            Self::Field { fields, .. } => print_fields(fields, out),
            Self::Variable(variable) => variable.print(out),
            Self::Identifier(identifier) => out.extend_from_slice(&identifier.name),
            Self::Pipe(pipe) => crate::stack::grow(|| pipe.print(out)),
            Self::Chain(chain) => {
                chain.node.print_operand(out);
                print_fields(&chain.fields, out);
            }
        }
    }

    /// As part of a command: pipelines in parentheses.
    fn print_operand(&self, out: &mut Vec<u8>) {
        let parenthesized = matches!(self, Self::Pipe(_));
        if parenthesized {
            out.push(b'(');
        }
        self.print(out);
        if parenthesized {
            out.push(b')');
        }
    }

    fn mentions(&self, function: &str) -> bool {
        match self {
            Self::Identifier(identifier) => identifier.name == function,
            Self::Pipe(pipe) => crate::stack::grow(|| pipe.mentions(function)),
            Self::Chain(chain) => crate::stack::grow(|| chain.node.mentions(function)),
            _ => false,
        }
    }

    /// The text for error messages.
    pub(crate) fn to_text(&self) -> String {
        let mut out = Vec::new();
        self.print(&mut out);
        crate::lossy(&out).into_owned()
    }
}
