//! The part of the parser above pipelines: text, actions, control structures, definitions.

use super::lex::{Kind, Token};
use super::{NESTING_MAX, Parser, Result, Tree};
use crate::node::{Branch, BranchKind, Node, Stretch, Template, TemplateCall};
use crate::stack::grow;
use crate::strconv::quote;

/// What an action turned out to be: a node, or the end of the list it is in.
enum Item {
    Node(Node),
    Else,
    End,
}

impl Item {
    /// How error messages show an item that ends a list.
    const fn text(&self) -> &'static str {
        match self {
            Self::Else => "{{else}}",
            Self::End | Self::Node(_) => "{{end}}",
        }
    }
}

impl<'t> Parser<'t> {
    /// The whole text: a list that may contain definitions, and which nothing ends but the end.
    pub(super) fn parse(&mut self, name: &str) -> Result<()> {
        let mut root = Vec::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == Kind::Define {
                    self.in_new_tree(Self::definition)?;
                    continue;
                }
                self.backup2(delim);
            }
            match self.text_or_action()? {
                Item::Node(node) => root.push(node),
                item => return self.error(format!("unexpected {}", item.text())),
            }
        }
        self.add(name.to_owned(), root)
    }

    fn in_new_tree<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let outer = std::mem::replace(&mut self.tree, Tree::new());
        let result = parse(self)?;
        self.tree = outer;
        Ok(result)
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let name = self.next_non_space();
        if !matches!(name.kind, Kind::String | Kind::RawString) {
            return self.unexpected(&name, CONTEXT);
        }
        let name = self.unquoted(&name)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        let (root, end) = self.item_list()?;
        if !matches!(end, Item::End) {
            return self.error(format!("unexpected {} in {CONTEXT}", end.text()));
        }
        self.add(crate::lossy(&name).into_owned(), root)
    }

    /// An empty template gives way to another of its name; two that are not empty are a mistake.
    fn add(&mut self, name: String, root: Vec<Node>) -> Result<()> {
        let template = Template {
            name,
            source: self.source.clone(),
            root,
        };
        match self
            .trees
            .iter_mut()
            .find(|tree| tree.name == template.name)
        {
            None => self.trees.push(template),
            Some(existing) if existing.is_empty() => *existing = template,
            Some(_) if template.is_empty() => {}
            Some(_) => {
                let name = quote(template.name.as_bytes());
                return self.error(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn item_list(&mut self) -> Result<(Vec<Node>, Item)> {
        let first = self.nodes.len();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => self.nodes.push(node),
                end => return Ok((self.nodes.drain(first..).collect(), end)),
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Result<Item> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => {
                let text = Stretch::new(&self.source, token.pos, token.text.len());
                Ok(Item::Node(Node::Text(text)))
            }
            Kind::LeftDelim => {
                self.tree.action_line = token.line;
                let item = self.action()?;
                self.tree.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item> {
        let token = self.next_non_space();
        let pos = token.pos as u32;
        Ok(Item::Node(match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => {
                self.loop_exit("{{break}}")?;
                Node::Break { pos }
            }
            Kind::Continue => {
                self.loop_exit("{{continue}}")?;
                Node::Continue { pos }
            }
            Kind::Else => return self.else_control(),
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::End);
            }
            Kind::If => self.branch(BranchKind::If)?,
            Kind::Range => self.branch(BranchKind::Range)?,
            Kind::With => self.branch(BranchKind::With)?,
            Kind::Template => self.template_call()?,
            _ => {
                self.backup();
                let pos = self.peek().pos as u32;
                Node::Action {
                    pos,
                    pipe: self.pipeline("command", Kind::RightDelim)?,
                }
            }
        }))
    }

    fn loop_exit(&mut self, shown: &str) -> Result<()> {
        self.expect(Kind::RightDelim, shown)?;
        if self.tree.range_depth == 0 {
            return self.error(format!("{shown} outside {{{{range}}}}"));
        }
        Ok(())
    }

    /// `{{else if` and `{{else with` stop before the keyword, which the branch then takes.
    fn else_control(&mut self) -> Result<Item> {
        if !matches!(self.peek_non_space().kind, Kind::If | Kind::With) {
            self.expect(Kind::RightDelim, "else")?;
        }
        Ok(Item::Else)
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.control_depth >= NESTING_MAX {
            return self.error(format!("control structures nest deeper than {NESTING_MAX}"));
        }
        self.control_depth += 1;
        let result = grow(|| parse(self))?;
        self.control_depth -= 1;
        Ok(result)
    }

    fn branch(&mut self, kind: BranchKind) -> Result<Node> {
        self.nested(|parser| parser.branch_body(kind))
    }

    fn branch_body(&mut self, kind: BranchKind) -> Result<Node> {
        let n_vars = self.tree.vars.len();
        let is_range = usize::from(kind == BranchKind::Range);
        let pipe = self.pipeline(kind.keyword(), Kind::RightDelim)?;
        self.tree.range_depth += is_range;
        let (list, end) = self.item_list()?;
        self.tree.range_depth -= is_range;
        let else_list = match end {
            Item::Else => Some(self.else_list(kind)?),
            _ => None,
        };
        self.tree.vars.truncate(n_vars);
        Ok(Node::Branch(Box::new(Branch {
            kind,
            pos: pipe.pos,
            pipe,
            list,
            else_list,
        })))
    }

    /// `{{if a}}_{{else if b}}_{{end}}` is `{{if a}}_{{else}}{{if b}}_{{end}}{{end}}`: the inner branch takes the
    /// only `end`. The same goes for `with`.
    fn else_list(&mut self, kind: BranchKind) -> Result<Vec<Node>> {
        let chained = match kind {
            BranchKind::If => self.peek().kind == Kind::If,
            BranchKind::With => self.peek().kind == Kind::With,
            BranchKind::Range => false,
        };
        if chained {
            self.next();
            return Ok(vec![self.branch(kind)?]);
        }
        let (list, end) = self.item_list()?;
        match end {
            Item::End => Ok(list),
            other => self.error(format!("expected end; found {}", other.text())),
        }
    }

    fn block(&mut self) -> Result<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        let end = self.nested(|parser| {
            parser.in_new_tree(|parser| {
                let (root, end) = parser.item_list()?;
                if matches!(end, Item::End) {
                    parser.add(name.clone(), root)?;
                }
                Ok(end)
            })
        })?;
        if !matches!(end, Item::End) {
            return self.error(format!("unexpected {} in {CONTEXT}", end.text()));
        }
        let pos = token.pos as u32;
        Ok(Node::Template(Box::new(TemplateCall {
            pos,
            name,
            pipe: Some(pipe),
        })))
    }

    fn template_call(&mut self) -> Result<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = if self.next_non_space().kind == Kind::RightDelim {
            None
        } else {
            self.backup();
            Some(self.pipeline(CONTEXT, Kind::RightDelim)?)
        };
        Ok(Node::Template(Box::new(TemplateCall {
            pos: token.pos as u32,
            name,
            pipe,
        })))
    }

    fn template_name(&mut self, token: &Token<'t>, context: &str) -> Result<String> {
        match token.kind {
            Kind::String | Kind::RawString => {
                let name = self.unquoted(token)?;
                Ok(crate::lossy(&name).into_owned())
            }
            _ => self.unexpected(token, context),
        }
    }
}
