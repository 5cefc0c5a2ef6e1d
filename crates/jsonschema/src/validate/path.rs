//! The way from the root of a value to a part of it.
//!
//! Quirk: Go appends to slices that share their memory, and keeps one of them uncopied in the failures
//! of `propertyNames`. What such a failure names in the end is what was written there last; so paths
//! share their memory here in the same way.

use std::cell::RefCell;
use std::rc::Rc;

/// A step down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Name(&'a str),
    Index(usize),
}

/// Capacity of a first slice.
const CAPACITY: usize = 8;

/// A slice of tokens.
#[derive(Debug, Clone)]
pub(crate) struct Path<'a> {
    memory: Rc<RefCell<Vec<Token<'a>>>>,
    capacity: usize,
    pub(crate) len: usize,
}

impl<'a> Path<'a> {
    pub(crate) fn root() -> Self {
        Self {
            memory: Rc::default(),
            capacity: CAPACITY,
            len: 0,
        }
    }

    /// Go's `append`: in place while there is room.
    pub(crate) fn append(&self, token: Token<'a>) -> Self {
        if self.len == self.capacity {
            let mut tokens = self.tokens();
            tokens.push(token);
            return Self {
                memory: Rc::new(RefCell::new(tokens)),
                capacity: self.capacity * 2,
                len: self.len + 1,
            };
        }
        let mut tokens = self.memory.borrow_mut();
        match tokens.get_mut(self.len) {
            Some(old) => *old = token,
            None => tokens.push(token),
        }
        Self {
            memory: Rc::clone(&self.memory),
            capacity: self.capacity,
            len: self.len + 1,
        }
    }

    /// What is in the slice now.
    pub(crate) fn tokens(&self) -> Vec<Token<'a>> {
        self.memory.borrow()[..self.len].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_share_their_memory_until_it_is_full() {
        let root = Path::root();
        let a = root.append(Token::Name("a"));
        let b = root.append(Token::Name("b"));
        assert_eq!(a.tokens(), [Token::Name("b")]);
        assert_eq!(b.tokens(), a.tokens());
        let mut deep = root;
        for i in 0..CAPACITY {
            deep = deep.append(Token::Index(i));
        }
        let x = deep.append(Token::Name("x"));
        let y = deep.append(Token::Name("y"));
        assert_eq!(x.tokens().last(), Some(&Token::Name("x")));
        assert_eq!(y.tokens().len(), 9);
    }
}
