//! Finds repetitions: hash chains over four bytes and lazy matching, as Go's compressor at level 6.
//!
//! Go works on a window of twice 32 KiB that it moves by 32 KiB when it is used up. All of the input is
//! at hand here, so only the traces of that window are kept: nothing before its start is matched, and the
//! bytes of a block that began before it cannot be stored uncompressed any more.

use super::blocks::{BlockWriter, Token};

const WINDOW: usize = 1 << 15;
const MATCH_MIN: usize = 4;
const MATCH_MAX: usize = 258;
/// A match is not sought with less ahead, unless the input ends there.
const AHEAD_MIN: usize = MATCH_MIN + MATCH_MAX;
const HASH_BITS: u32 = 17;
const HASH_FACTOR: u32 = 0x1e35_a7bd;
/// Tokens of one block.
const BLOCK_TOKENS: usize = 1 << 14;
/// A match this long is taken without a look at the next byte.
const LAZY_MAX: usize = 16;
/// A match this long ends the search.
const NICE: usize = 128;
/// Candidates looked at for one match.
const CHAIN_MAX: usize = 128;
/// The shortest match is not worth a longer way than this.
const SHORT_MATCH_OFFSET_MAX: usize = 4096;

/// Writes the blocks of an input.
pub(super) fn find(input: &[u8], out: &mut BlockWriter) {
    let mut finder = Finder {
        input,
        out,
        base: 0,
        end: input.len().min(2 * WINDOW),
        index: 0,
        block_start: Some(0),
        tokens: Vec::with_capacity(BLOCK_TOKENS + 1),
        heads: vec![0; 1 << HASH_BITS],
        previous: vec![0; WINDOW],
        head: 0,
        length: MATCH_MIN - 1,
        offset: 0,
        has_pending: false,
    };
    while finder.end < input.len() {
        finder.advance(false);
        finder.move_window();
    }
    finder.advance(true);
}

struct Finder<'a> {
    input: &'a [u8],
    out: &'a mut BlockWriter,
    /// Start and end of the window.
    base: usize,
    end: usize,
    index: usize,
    /// Where the bytes of the tokens begin; `None` when the window has left that behind.
    block_start: Option<usize>,
    tokens: Vec<Token>,
    /// Positions plus one by hash, and the one before by position; 0 for none.
    heads: Vec<u32>,
    previous: Vec<u32>,
    /// The last head that was replaced.
    head: u32,
    /// The match at the byte before.
    length: usize,
    offset: usize,
    /// The byte before was neither written nor covered yet.
    has_pending: bool,
}

impl Finder<'_> {
    fn move_window(&mut self) {
        self.base += WINDOW;
        self.end = self.input.len().min(self.base + 2 * WINDOW);
        self.block_start = self.block_start.filter(|&start| start >= self.base);
    }

    /// Goes on while there is enough ahead in the window, or to the end of the input.
    fn advance(&mut self, to_the_end: bool) {
        loop {
            let ahead = self.end - self.index;
            if ahead < AHEAD_MIN && !to_the_end {
                return;
            }
            if ahead == 0 {
                self.end_input();
                return;
            }
            if let Some(head) = self.insert(self.index) {
                self.head = head;
            }
            let (before, offset_before) = (self.length, self.offset);
            (self.length, self.offset) = (MATCH_MIN - 1, 0);
            let oldest = self.index.saturating_sub(WINDOW).max(self.base);
            let reachable = self.head as usize > oldest;
            if reachable && ahead > before && before < LAZY_MAX {
                self.find_match(ahead);
            }
            if before >= MATCH_MIN && self.length <= before {
                self.take_match(before, offset_before);
            } else {
                self.take_literal();
            }
        }
    }

    fn end_input(&mut self) {
        if self.has_pending {
            self.tokens.push(Token::Literal(self.input[self.index - 1]));
            self.has_pending = false;
        }
        if !self.tokens.is_empty() {
            self.write_block(self.index);
        }
    }

    /// The match at the byte before is not beaten by the one at this byte.
    fn take_match(&mut self, length: usize, offset: usize) {
        self.tokens.push(Token::Match { length, offset });
        // This byte and the one before are in the chains already.
        let next = self.index + length - 1;
        for index in self.index + 1..next {
            self.insert(index);
        }
        self.index = next;
        self.has_pending = false;
        self.length = MATCH_MIN - 1;
        if self.tokens.len() == BLOCK_TOKENS {
            self.write_block(self.index);
        }
    }

    /// The byte before has no match that is better than what starts here.
    fn take_literal(&mut self) {
        if self.has_pending {
            self.tokens.push(Token::Literal(self.input[self.index - 1]));
            if self.tokens.len() == BLOCK_TOKENS {
                self.write_block(self.index);
            }
        }
        self.index += 1;
        self.has_pending = true;
    }

    /// Puts a position at the head of its chain; the head until now. `None` where fewer than four bytes
    /// are left.
    fn insert(&mut self, index: usize) -> Option<u32> {
        if index + MATCH_MIN > self.end {
            return None;
        }
        let bytes: [u8; 4] = self.input.get(index..index + 4)?.try_into().ok()?;
        let hash = u32::from_be_bytes(bytes).wrapping_mul(HASH_FACTOR) >> (32 - HASH_BITS);
        let head = std::mem::replace(&mut self.heads[hash as usize], index as u32 + 1);
        self.previous[index % WINDOW] = head;
        Some(head)
    }

    /// The first longest match among the candidates, newest first.
    fn find_match(&mut self, ahead: usize) {
        let look = ahead.min(MATCH_MAX);
        let nice = look.min(NICE);
        let here = &self.input[self.index..self.index + look];
        let mut candidate = self.head as usize - 1;
        for _ in 0..CHAIN_MAX {
            let there = &self.input[candidate..];
            if there[self.length] == here[self.length] {
                let n = here.iter().zip(there).take_while(|(a, b)| a == b).count();
                let offset = self.index - candidate;
                if n > self.length && (n > MATCH_MIN || offset <= SHORT_MATCH_OFFSET_MAX) {
                    (self.length, self.offset) = (n, offset);
                    if n >= nice {
                        return;
                    }
                }
            }
            // The place of the oldest candidate in the chains belongs to another position already.
            if candidate + WINDOW == self.index {
                return;
            }
            let next = self.previous[candidate % WINDOW] as usize;
            if next <= self.base || next + WINDOW <= self.index {
                return;
            }
            candidate = next - 1;
        }
    }

    fn write_block(&mut self, index: usize) {
        let bytes = self.block_start.map(|start| &self.input[start..index]);
        self.block_start = Some(index);
        self.out.write(&self.tokens, bytes);
        self.tokens.clear();
    }
}
