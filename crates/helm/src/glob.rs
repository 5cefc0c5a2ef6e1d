//! Glob patterns as the gobwas library reads them, with `/` as the separator: what `.Files.Glob`
//! takes.
//!
//! In: a pattern. Out: a matcher. `*` and `?` stop at slashes, `**` does not; `[abc]`, `[!a-z]` and
//! `{one,two}` are understood; a backslash takes the next character literally.

/// States of a pattern.
const STATES_MAX: usize = 4_096;

/// A compiled pattern: an automaton that is in several states at once.
#[derive(Debug, Clone)]
pub struct Glob {
    states: Vec<State>,
}

#[derive(Debug, Clone)]
enum State {
    Literal(char),
    /// `?`, and each step of `*`.
    NotSlash,
    /// Each step of `**`.
    Any,
    Class {
        negated: bool,
        /// First and last characters.
        ranges: Vec<(char, char)>,
    },
    /// Goes on at the next state and at this one.
    Split(usize),
    Jump(usize),
}

impl State {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == c,
            Self::NotSlash => c != '/',
            Self::Any => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
            Self::Split(_) | Self::Jump(_) => false,
        }
    }
}

/// Why a pattern does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A character class without its end.
    #[error("unexpected end of input")]
    UnexpectedEnd,
    /// A character class that is empty or mixes forms.
    #[error("could not parse range")]
    Range,
    /// A range such as `[a-zx]`.
    #[error("expected close range character")]
    ExpectedClose,
    /// A range whose end comes before its start.
    #[error("hi character '{high}' should be greater than lo '{low}'")]
    Reversed {
        /// First character of the range.
        low: char,
        /// Last character of the range.
        high: char,
    },
    /// Too large to compile.
    #[error("pattern is too large")]
    TooLarge,
}

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        let mut compiler = Compiler {
            input: pattern.chars().collect(),
            position: 0,
            terms: Vec::new(),
            states: Vec::new(),
        };
        compiler.run()?;
        Ok(Self {
            states: compiler.states,
        })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let end = self.states.len();
        let (mut now, mut next) = (Active::new(end), Active::new(end));
        now.enter(0, &self.states);
        for c in text.chars() {
            for at in &now.list {
                if self.states.get(*at).is_some_and(|state| state.takes(c)) {
                    next.enter(at + 1, &self.states);
                }
            }
            std::mem::swap(&mut now, &mut next);
            next.clear();
            if now.list.is_empty() {
                return false;
            }
        }
        now.is_in[end]
    }
}

/// The states that an automaton is in; the one behind the last is the end of the pattern.
struct Active {
    list: Vec<usize>,
    is_in: Vec<bool>,
}

impl Active {
    fn new(end: usize) -> Self {
        Self {
            list: Vec::new(),
            is_in: vec![false; end + 1],
        }
    }

    fn clear(&mut self) {
        for at in self.list.drain(..) {
            self.is_in[at] = false;
        }
    }

    /// Enters a state and those that it leads to without a character.
    fn enter(&mut self, at: usize, states: &[State]) {
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut self.is_in[at], true) {
                continue;
            }
            self.list.push(at);
            match states.get(at) {
                Some(State::Split(other)) => open.extend([at + 1, *other]),
                Some(State::Jump(to)) => open.push(*to),
                _ => {}
            }
        }
    }
}

/// An open brace.
struct Term {
    /// The split before the current alternative.
    split: usize,
    /// The jumps from the ends of the alternatives before it.
    jumps: Vec<usize>,
}

struct Compiler {
    input: Vec<char>,
    position: usize,
    terms: Vec<Term>,
    states: Vec<State>,
}

impl Compiler {
    fn next(&mut self) -> Option<char> {
        let c = self.input.get(self.position).copied();
        self.position += usize::from(c.is_some());
        c
    }

    fn peek(&self) -> Option<char> {
        self.input.get(self.position).copied()
    }

    fn push(&mut self, state: State) -> Result<usize, Error> {
        if self.states.len() >= STATES_MAX {
            return Err(Error::TooLarge);
        }
        self.states.push(state);
        Ok(self.states.len() - 1)
    }

    fn run(&mut self) -> Result<(), Error> {
        while let Some(c) = self.next() {
            match c {
                '{' => {
                    let split = self.alternative()?;
                    let jumps = Vec::new();
                    self.terms.push(Term { split, jumps });
                }
                ',' if !self.terms.is_empty() => self.next_alternative()?,
                '}' if !self.terms.is_empty() => self.close(),
                '[' => self.class()?,
                '?' => {
                    self.push(State::NotSlash)?;
                }
                '*' if self.peek() == Some('*') => {
                    self.position += 1;
                    self.star(State::Any)?;
                }
                '*' => self.star(State::NotSlash)?,
                '\\' => {
                    if let Some(escaped) = self.next() {
                        self.push(State::Literal(escaped))?;
                    }
                }
                other => {
                    self.push(State::Literal(other))?;
                }
            }
        }
        // An open brace at the end is closed silently.
        while !self.terms.is_empty() {
            self.close();
        }
        Ok(())
    }

    fn star(&mut self, step: State) -> Result<(), Error> {
        let split = self.push(State::Split(self.states.len() + 3))?;
        self.push(step)?;
        self.push(State::Jump(split))?;
        Ok(())
    }

    /// The start of an alternative. While it is the last there is nothing else to go to.
    fn alternative(&mut self) -> Result<usize, Error> {
        self.push(State::Split(self.states.len() + 1))
    }

    fn next_alternative(&mut self) -> Result<(), Error> {
        let jump = self.push(State::Jump(0))?;
        let split = self.alternative()?;
        if let Some(term) = self.terms.last_mut() {
            term.jumps.push(jump);
            let before = std::mem::replace(&mut term.split, split);
            self.states[before] = State::Split(split);
        }
        Ok(())
    }

    fn close(&mut self) {
        let end = self.states.len();
        for jump in self.terms.pop().into_iter().flat_map(|term| term.jumps) {
            self.states[jump] = State::Jump(end);
        }
    }

    fn class(&mut self) -> Result<(), Error> {
        let mut first = self.next().ok_or(Error::UnexpectedEnd)?;
        let negated = first == '!';
        if negated {
            first = self.next().ok_or(Error::UnexpectedEnd)?;
        }
        let ranges = if self.peek() == Some('-') {
            self.position += 1;
            let high = self.next().ok_or(Error::UnexpectedEnd)?;
            match self.next() {
                None => return Err(Error::UnexpectedEnd),
                Some(']') => {}
                Some(_) => return Err(Error::ExpectedClose),
            }
            if high < first {
                return Err(Error::Reversed { low: first, high });
            }
            vec![(first, high)]
        } else {
            self.position -= 1;
            self.class_list()?
        };
        self.push(State::Class { negated, ranges })?;
        Ok(())
    }

    fn class_list(&mut self) -> Result<Vec<(char, char)>, Error> {
        let mut ranges = Vec::new();
        loop {
            let c = match self.next().ok_or(Error::UnexpectedEnd)? {
                ']' if ranges.is_empty() => return Err(Error::Range),
                ']' => return Ok(ranges),
                '\\' => self.next().ok_or(Error::UnexpectedEnd)?,
                c => c,
            };
            ranges.push((c, c));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_gobwas() {
        for (pattern, text, want) in [
            ("config/*.yaml", "config/a.yaml", true),
            ("config/*.yaml", "config/sub/a.yaml", false),
            ("config/**", "config/sub/a.yaml", true),
            ("**.yaml", "config/sub/a.yaml", true),
            ("*.{json,yaml}", "a.json", true),
            ("*.{json,y?ml}", "a.yaml", true),
            ("{a,b", "b", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[ab-]", "-", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a,b}", "a,b}", true),
            ("[&&x]", "&", true),
            ("?", "/", false),
            ("{a,{b,c*}}/?", "cd/x", true),
            ("{a,{b,c*}}/?", "a/x", true),
            ("{a,{b,c*}}/?", "b/", false),
            ("{,a}b", "b", true),
            ("{}b", "b", true),
            ("{a}b", "ab", true),
            ("{a}b", "b", false),
            ("**/x/**", "a/b/x/c", true),
            ("**/x/**", "a/b/y/c", false),
            ("*", "é", true),
            ("?", "é", true),
            ("[!é]", "e", true),
            ("", "", true),
            ("", "a", false),
        ] {
            let glob = Glob::new(pattern).expect(pattern);
            assert_eq!(glob.matches(text), want, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn long_patterns_end_and_match_in_time() {
        assert_eq!(Glob::new(&"a".repeat(5_000)).err(), Some(Error::TooLarge));
        assert_eq!(Glob::new(&"{".repeat(5_000)).err(), Some(Error::TooLarge));
        let stars = Glob::new(&"*a".repeat(200)).expect("a pattern");
        assert!(!stars.matches(&"a".repeat(190)));
        assert!(stars.matches(&"a".repeat(1_000)));
    }

    #[test]
    fn bad_patterns_are_refused() {
        for (pattern, want) in [
            ("[", Error::UnexpectedEnd),
            ("[a", Error::UnexpectedEnd),
            ("[]", Error::Range),
            ("[a-zx]", Error::ExpectedClose),
            (
                "[z-a]",
                Error::Reversed {
                    low: 'z',
                    high: 'a',
                },
            ),
        ] {
            assert_eq!(Glob::new(pattern).err(), Some(want), "{pattern:?}");
        }
    }
}
