//! From tokens to templates.
//!
//! Follows the order of checks in Go's parser, because it decides which of several mistakes is reported and on
//! which line: the line in an error is that of the token read last by the tree being parsed.
//!
//! Source: text/template/parse/parse.go.

mod control;
mod lex;
mod number;

use std::borrow::Cow;
use std::sync::Arc;

use lex::{Keywords, Kind, Lexer, Token};

use crate::bytestr::Str;
use crate::error::ParseError;
use crate::exec::Builtin;
use crate::function::Functions;
use crate::node::{
    Callee, Chain, Command, Expr, Identifier, Name, Node, Pipe, Source, Stretch, Template, Variable,
};
use crate::stack::grow;
use crate::strconv::{quote, unquote};

/// How deep parentheses and control structures may nest, each. Go allows 10,000 parentheses and any number of
/// control structures; what people write stays below 20. The bound also keeps dropping a tree off deep stacks.
const NESTING_MAX: usize = 1_000;

/// Tokens that the templates of a set may have together; what people write stays below a tenth of it. A tree takes
/// about a hundred bytes for each.
pub(crate) const TOKENS_MAX: usize = 2_000_000;

/// Action delimiters; an empty one stands for Go's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delims {
    /// Opens an action, `{{` by default.
    pub left: String,
    /// Closes an action, `}}` by default.
    pub right: String,
}

impl Default for Delims {
    fn default() -> Self {
        Self {
            left: "{{".to_owned(),
            right: "}}".to_owned(),
        }
    }
}

/// Parses a text into the template `name` and those it defines, each name once. Takes the tokens read off
/// `tokens_left`.
pub(crate) fn parse(
    name: &str,
    text: Str,
    delims: &Delims,
    functions: &Functions,
    tokens_left: &mut usize,
) -> Result<Vec<Template>> {
    let pick = |delim: &'static str, set: &str| {
        if set.is_empty() {
            delim.as_bytes().to_vec()
        } else {
            set.as_bytes().to_vec()
        }
    };
    let (left, right) = (pick("{{", &delims.left), pick("}}", &delims.right));
    if u32::try_from(text.len()).is_err() {
        let message = "text is larger than 4 GiB".to_owned();
        return Err(Box::new(ParseError {
            name: name.to_owned(),
            line: 1,
            message,
        }));
    }
    let keywords = Keywords {
        break_ok: functions.slot("break").is_none(),
        continue_ok: functions.slot("continue").is_none(),
    };
    let source = Arc::new(Source {
        name: name.to_owned(),
        text,
    });
    let mut parser = Parser {
        lexer: Lexer::new(&source.text, &left, &right, keywords, *tokens_left),
        functions,
        source: Arc::clone(&source),
        tree: Tree::new(),
        trees: Vec::new(),
        control_depth: 0,
        nodes: Vec::new(),
        commands: Vec::new(),
        operands: Vec::new(),
    };
    parser.parse(name)?;
    *tokens_left = parser.lexer.tokens_left();
    Ok(parser.trees)
}

type Result<T> = std::result::Result<T, Box<ParseError>>;

/// What belongs to the template being parsed rather than to the text: a `define` or `block` starts afresh.
struct Tree<'t> {
    /// Three-token lookahead; the first is the one read last.
    tokens: [Token<'t>; 3],
    peek_count: usize,
    /// Variables defined at the moment, with the dollar sign.
    vars: Vec<&'t [u8]>,
    /// Line of the left delimiter of the current action, 0 outside.
    action_line: usize,
    range_depth: usize,
    paren_depth: usize,
}

impl Tree<'_> {
    fn new() -> Self {
        let none = Token {
            kind: Kind::Eof,
            pos: 0,
            line: 0,
            text: b"",
        };
        Self {
            tokens: [none; 3],
            peek_count: 0,
            vars: vec![b"$"],
            action_line: 0,
            range_depth: 0,
            paren_depth: 0,
        }
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    functions: &'t Functions,
    source: Arc<Source>,
    tree: Tree<'t>,
    trees: Vec<Template>,
    control_depth: usize,
    /// What unfinished lists, pipelines and commands hold so far, the innermost last: finished ones get a
    /// list of just their length.
    nodes: Vec<Node>,
    commands: Vec<Command>,
    operands: Vec<Expr>,
}

impl<'t> Parser<'t> {
    fn next(&mut self) -> Token<'t> {
        if self.tree.peek_count > 0 {
            self.tree.peek_count -= 1;
        } else {
            self.tree.tokens[0] = self.lexer.next_token();
        }
        self.tree.tokens[self.tree.peek_count]
    }

    fn backup(&mut self) {
        self.tree.peek_count += 1;
    }

    /// Backs up two tokens; the one read last is in place already.
    fn backup2(&mut self, first: Token<'t>) {
        self.tree.tokens[1] = first;
        self.tree.peek_count = 2;
    }

    /// Backs up three tokens; the one read last is in place already.
    fn backup3(&mut self, first: Token<'t>, second: Token<'t>) {
        self.tree.tokens[1] = second;
        self.tree.tokens[2] = first;
        self.tree.peek_count = 3;
    }

    fn peek(&mut self) -> Token<'t> {
        if self.tree.peek_count > 0 {
            return self.tree.tokens[self.tree.peek_count - 1];
        }
        self.tree.peek_count = 1;
        self.tree.tokens[0] = self.lexer.next_token();
        self.tree.tokens[0]
    }

    fn next_non_space(&mut self) -> Token<'t> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token<'t> {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Box::new(ParseError {
            name: self.source.name.clone(),
            line: self.tree.tokens[0].line,
            message: message.into(),
        }))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'t>> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(&token, context)
        }
    }

    fn unexpected<T>(&self, token: &Token<'t>, context: &str) -> Result<T> {
        let error = (token.kind == Kind::Error).then_some(self.lexer.error.as_ref());
        let Some(message) = error.flatten() else {
            return self.error(format!("unexpected {} in {context}", token.describe()));
        };
        let started = self.tree.action_line;
        if started == 0 || started == token.line {
            return self.error(message.clone());
        }
        // "unclosed action" already says where: avoid "action in action".
        let joint = if message.ends_with(" action") {
            ""
        } else {
            " in action"
        };
        self.error(format!(
            "{message}{joint} started at {}:{started}",
            self.source.name
        ))
    }

    /// Declarations, then commands, up to `end`, which is consumed.
    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe> {
        let pos = self.peek_non_space().pos as u32;
        let mut pipe = Pipe {
            pos,
            is_assign: false,
            decl: Vec::new(),
            cmds: Vec::new(),
        };
        let first = self.commands.len();
        while self.declaration(&mut pipe, context)? {}
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => {
                    pipe.cmds = self.commands.drain(first..).collect();
                    self.check_pipeline(&pipe, context)?;
                    return Ok(pipe);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    self.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
    }

    /// Reads one declared variable, if there is one; true if another must follow.
    fn declaration(&mut self, pipe: &mut Pipe, context: &str) -> Result<bool> {
        let variable = self.peek_non_space();
        if variable.kind != Kind::Variable {
            return Ok(false);
        }
        self.next();
        // Space is a token: whether this is a declaration or an argument shows two tokens later.
        let after = self.peek();
        let next = self.peek_non_space();
        match next.kind {
            Kind::Assign | Kind::Declare => {
                pipe.is_assign = next.kind == Kind::Assign;
                self.next_non_space();
                self.declare(pipe, &variable);
                Ok(false)
            }
            Kind::Char if next.text == b"," => {
                self.next_non_space();
                self.declare(pipe, &variable);
                if context == "range" && pipe.decl.len() < 2 {
                    return match self.peek_non_space().kind {
                        Kind::Variable | Kind::RightDelim | Kind::RightParen => Ok(true),
                        _ => self.error("range can only initialize variables"),
                    };
                }
                self.error(format!("too many declarations in {context}"))
            }
            _ => {
                if after.kind == Kind::Space {
                    self.backup3(variable, after);
                } else {
                    self.backup2(variable);
                }
                Ok(false)
            }
        }
    }

    fn declare(&mut self, pipe: &mut Pipe, token: &Token<'t>) {
        pipe.decl.push(new_variable(token));
        self.tree.vars.push(token.text);
    }

    fn check_pipeline(&self, pipe: &Pipe, context: &str) -> Result<()> {
        if pipe.cmds.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (index, command) in pipe.cmds.iter().enumerate().skip(1) {
            if let Expr::Bool { .. }
            | Expr::Dot { .. }
            | Expr::Nil { .. }
            | Expr::Number { .. }
            | Expr::String { .. } = command.args[0]
            {
                let stage = index + 1;
                return self.error(format!("non executable command in pipeline stage {stage}"));
            }
        }
        Ok(())
    }

    /// Operands up to a pipe character, which is consumed, or to the end of the pipeline, which is not.
    fn command(&mut self) -> Result<Command> {
        let pos = self.peek_non_space().pos as u32;
        let first = self.operands.len();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                self.operands.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if self.operands.len() == first {
            return self.error("empty command");
        }
        let args = self.operands.drain(first..).collect();
        Ok(Command { pos, args })
    }

    /// A term with the fields that follow it; `None` if the next token starts no term.
    fn operand(&mut self) -> Result<Option<Expr>> {
        let Some(mut node) = self.term()? else {
            return Ok(None);
        };
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(node));
        }
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(Name(Str::from(&self.next().text[1..])));
        }
        // A longer field or variable is at the position of its second part, as in Go.
        let at = first.pos as u32;
        match &mut node {
            Expr::Field { pos, fields: own } => {
                *pos = at;
                own.reserve_exact(fields.len());
                own.append(&mut fields);
            }
            Expr::Variable(variable) => {
                variable.pos = at;
                variable.fields = fields;
            }
            Expr::Bool { .. }
            | Expr::String { .. }
            | Expr::Number { .. }
            | Expr::Nil { .. }
            | Expr::Dot { .. } => {
                let shown = quote(node.to_text().as_bytes());
                return self.error(format!("unexpected . after term {shown}"));
            }
            _ => {
                return Ok(Some(Expr::Chain(Box::new(Chain {
                    pos: at,
                    node,
                    fields,
                }))));
            }
        }
        Ok(Some(node))
    }

    fn term(&mut self) -> Result<Option<Expr>> {
        let token = self.next_non_space();
        let pos = token.pos as u32;
        Ok(Some(match token.kind {
            Kind::Identifier => self.identifier(&token)?,
            Kind::Dot => Expr::Dot { pos },
            Kind::Nil => Expr::Nil { pos },
            Kind::Variable => self.use_variable(&token)?,
            Kind::Field => Expr::Field {
                pos,
                fields: vec![Name(Str::from(&token.text[1..]))],
            },
            Kind::Bool => Expr::Bool {
                pos,
                value: token.text == b"true",
            },
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                match number::parse_number(token.text, token.kind) {
                    Ok(number) => Expr::Number {
                        pos,
                        number: Box::new(number),
                    },
                    Err(message) => return self.error(message),
                }
            }
            Kind::LeftParen => {
                if self.tree.paren_depth >= NESTING_MAX {
                    return self.error("max expression depth exceeded");
                }
                self.tree.paren_depth += 1;
                let pipe = grow(|| self.pipeline("parenthesized pipeline", Kind::RightParen))?;
                self.tree.paren_depth -= 1;
                Expr::Pipe(Box::new(pipe))
            }
            Kind::String | Kind::RawString => {
                let text = Str::from(&*self.unquoted(&token)?);
                Expr::String {
                    pos,
                    quoted: Stretch::new(&self.source, token.pos, token.text.len()),
                    text,
                }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        }))
    }

    fn identifier(&self, token: &Token<'t>) -> Result<Expr> {
        // Identifiers are letters and digits, hence UTF-8.
        let name = crate::lossy(token.text);
        let callee = match (self.functions.slot(&name), Builtin::of_name(&name)) {
            (Some(slot), _) => Callee::Host(slot),
            (None, Some(builtin)) => Callee::Builtin(builtin),
            (None, None) => {
                return self.error(format!("function {} not defined", quote(token.text)));
            }
        };
        Ok(Expr::Identifier(Identifier {
            pos: token.pos as u32,
            name: Str::from(token.text),
            callee,
        }))
    }

    fn use_variable(&self, token: &Token<'t>) -> Result<Expr> {
        if !self.tree.vars.contains(&token.text) {
            return self.error(format!("undefined variable {}", quote(token.text)));
        }
        Ok(Expr::Variable(new_variable(token)))
    }

    fn unquoted(&self, token: &Token<'t>) -> Result<Cow<'t, [u8]>> {
        match unquote(token.text) {
            Some(text) => Ok(text),
            None => self.error("invalid syntax"),
        }
    }
}

fn new_variable(token: &Token<'_>) -> Variable {
    Variable {
        pos: token.pos as u32,
        name: Str::from(token.text),
        fields: Vec::new(),
    }
}
