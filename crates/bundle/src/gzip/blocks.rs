//! Blocks of tokens as bits: each in the shortest of the three forms of RFC 1951.

use super::huffman::Codes;

/// A byte, or bytes that were there before.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token {
    Literal(u8),
    /// `length` is 3 to 258, `offset` 1 to 32768.
    Match {
        length: usize,
        offset: usize,
    },
}

const N_LITERALS: usize = 286;
const N_OFFSETS: usize = 30;
const END_OF_BLOCK: usize = 256;
/// The first symbol that stands for a length.
const LENGTHS: usize = 257;
/// Largest block that is stored as it is. Bytes.
const STORED_MAX: usize = 65_535;

/// Length that a length symbol begins with, less three, and bits that follow it.
const LENGTH_CODES: [(usize, u32); 29] = [
    (0, 0),
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 1),
    (10, 1),
    (12, 1),
    (14, 1),
    (16, 2),
    (20, 2),
    (24, 2),
    (28, 2),
    (32, 3),
    (40, 3),
    (48, 3),
    (56, 3),
    (64, 4),
    (80, 4),
    (96, 4),
    (112, 4),
    (128, 5),
    (160, 5),
    (192, 5),
    (224, 5),
    (255, 0),
];

/// Order in which the lengths of the code for lengths are written.
const META_ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// The symbol of a length and the extra bits: value and number.
fn length_code(length: usize) -> (usize, usize, u32) {
    let length = length - 3;
    let symbol = LENGTH_CODES.partition_point(|(start, _)| *start <= length) - 1;
    let (start, n_bits) = LENGTH_CODES[symbol];
    (symbol, length - start, n_bits)
}

/// The symbol of an offset and the extra bits: value and number.
fn offset_code(offset: usize) -> (usize, usize, u32) {
    let offset = offset - 1;
    if offset < 4 {
        return (offset, 0, 0);
    }
    let n_bits = offset.ilog2() - 1;
    let symbol = 2 * n_bits as usize + 2 + ((offset >> n_bits) & 1);
    (symbol, offset & ((1 << n_bits) - 1), n_bits)
}

/// Writes blocks.
#[derive(Debug)]
pub(super) struct BlockWriter {
    out: Vec<u8>,
    bits: u64,
    n_bits: u32,
    fixed_literals: Codes,
    fixed_offsets: Codes,
}

/// How the lengths of both codes of a block are written.
struct MetaCode {
    /// Symbols with their extra bits: value and number.
    symbols: Vec<(usize, usize, u32)>,
    codes: Codes,
    n_codes: usize,
    /// Bits of all of it.
    size: usize,
}

impl BlockWriter {
    /// Appends to these bytes.
    pub(super) fn new(out: Vec<u8>) -> Self {
        BlockWriter {
            out,
            bits: 0,
            n_bits: 0,
            fixed_literals: Codes::fixed_literals(N_LITERALS),
            fixed_offsets: Codes::fixed_offsets(N_OFFSETS),
        }
    }

    /// Writes a block of tokens that stand for `bytes`, if those are still at hand.
    pub(super) fn write(&mut self, tokens: &[Token], bytes: Option<&[u8]>) {
        let (literals, offsets) = frequencies(tokens);
        let n_literals = literals
            .iter()
            .rposition(|n| *n > 0)
            .map_or(0, |last| last + 1);
        let n_offsets = offsets
            .iter()
            .rposition(|n| *n > 0)
            .map_or(0, |last| last + 1);
        let literal_codes = Codes::new(&literals, 15);
        let offset_codes = Codes::new(&offsets, 15);
        let stored = bytes.filter(|bytes| bytes.len() <= STORED_MAX);
        // Extra bits are the same for both codes, so they count only against storing.
        let extra = if stored.is_some() {
            extra_bits(tokens)
        } else {
            0
        };
        let lengths = [
            &literal_codes.length[..n_literals],
            &offset_codes.length[..n_offsets],
        ];
        let meta = MetaCode::new(&lengths.concat());
        let fixed =
            3 + self.fixed_literals.size(&literals) + self.fixed_offsets.size(&offsets) + extra;
        let dynamic =
            meta.size + literal_codes.size(&literals) + offset_codes.size(&offsets) + extra;
        if let Some(bytes) = stored
            && (bytes.len() + 5) * 8 < fixed.min(dynamic)
        {
            self.stored_header(bytes.len(), false);
            self.flush();
            self.out.extend_from_slice(bytes);
        } else if dynamic < fixed {
            self.dynamic_header(n_literals, n_offsets, &meta);
            self.tokens(tokens, &literal_codes, &offset_codes);
        } else {
            self.bits(2, 3);
            let (literals, offsets) = (self.fixed_literals.clone(), self.fixed_offsets.clone());
            self.tokens(tokens, &literals, &offsets);
        }
    }

    /// Ends the stream with an empty block, and returns the bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.stored_header(0, true);
        self.flush();
        self.out
    }

    fn stored_header(&mut self, length: usize, is_last: bool) {
        self.bits(usize::from(is_last), 3);
        self.flush();
        self.bits(length, 16);
        self.bits(!length & 0xffff, 16);
    }

    fn dynamic_header(&mut self, n_literals: usize, n_offsets: usize, meta: &MetaCode) {
        self.bits(4, 3);
        self.bits(n_literals - LENGTHS, 5);
        self.bits(n_offsets - 1, 5);
        self.bits(meta.n_codes - 4, 4);
        for symbol in &META_ORDER[..meta.n_codes] {
            self.bits(usize::from(meta.codes.length[*symbol]), 3);
        }
        for &(symbol, extra, n_extra) in &meta.symbols {
            self.code(&meta.codes, symbol);
            self.bits(extra, n_extra);
        }
    }

    fn tokens(&mut self, tokens: &[Token], literals: &Codes, offsets: &Codes) {
        for token in tokens {
            match *token {
                Token::Literal(byte) => self.code(literals, usize::from(byte)),
                Token::Match { length, offset } => {
                    let (symbol, extra, n_extra) = length_code(length);
                    self.code(literals, LENGTHS + symbol);
                    self.bits(extra, n_extra);
                    let (symbol, extra, n_extra) = offset_code(offset);
                    self.code(offsets, symbol);
                    self.bits(extra, n_extra);
                }
            }
        }
        self.code(literals, END_OF_BLOCK);
    }

    fn code(&mut self, codes: &Codes, symbol: usize) {
        self.bits(
            usize::from(codes.code[symbol]),
            u32::from(codes.length[symbol]),
        );
    }

    /// Writes at most 16 bits.
    fn bits(&mut self, value: usize, n_bits: u32) {
        self.bits |= (value as u64) << self.n_bits;
        self.n_bits += n_bits;
        while self.n_bits >= 8 {
            self.out.push(self.bits as u8);
            self.bits >>= 8;
            self.n_bits -= 8;
        }
    }

    /// Fills up the last byte.
    fn flush(&mut self) {
        if self.n_bits > 0 {
            self.out.push(self.bits as u8);
        }
        (self.bits, self.n_bits) = (0, 0);
    }
}

/// How often each literal or length and each offset occurs. A block always has an end and an offset.
fn frequencies(tokens: &[Token]) -> ([u32; N_LITERALS], [u32; N_OFFSETS]) {
    let (mut literals, mut offsets) = ([0; N_LITERALS], [0; N_OFFSETS]);
    for token in tokens {
        match *token {
            Token::Literal(byte) => literals[usize::from(byte)] += 1,
            Token::Match { length, offset } => {
                literals[LENGTHS + length_code(length).0] += 1;
                offsets[offset_code(offset).0] += 1;
            }
        }
    }
    literals[END_OF_BLOCK] += 1;
    if offsets.iter().all(|n| *n == 0) {
        offsets[0] = 1;
    }
    (literals, offsets)
}

fn extra_bits(tokens: &[Token]) -> usize {
    tokens
        .iter()
        .map(|token| match *token {
            Token::Literal(_) => 0,
            Token::Match { length, offset } => length_code(length).2 + offset_code(offset).2,
        })
        .sum::<u32>() as usize
}

impl MetaCode {
    /// Run-length codes the lengths of both codes, one after the other.
    fn new(lengths: &[u8]) -> Self {
        let mut symbols: Vec<(usize, usize, u32)> = Vec::new();
        for run in lengths.chunk_by(|a, b| a == b) {
            let (length, mut count) = (usize::from(run[0]), run.len());
            if length == 0 {
                while count >= 11 {
                    let n = count.min(138);
                    symbols.push((18, n - 11, 7));
                    count -= n;
                }
                if count >= 3 {
                    symbols.push((17, count - 3, 3));
                    count = 0;
                }
            } else {
                symbols.push((length, 0, 0));
                count -= 1;
                while count >= 3 {
                    let n = count.min(6);
                    symbols.push((16, n - 3, 2));
                    count -= n;
                }
            }
            symbols.extend(std::iter::repeat_n((length, 0, 0), count));
        }
        let mut frequencies = [0; META_ORDER.len()];
        for (symbol, _, _) in &symbols {
            frequencies[*symbol] += 1;
        }
        let codes = Codes::new(&frequencies, 7);
        let is_used = |symbol: &usize| frequencies[*symbol] > 0;
        let n_codes = META_ORDER
            .iter()
            .rposition(is_used)
            .map_or(4, |last| (last + 1).max(4));
        let extra: u32 = symbols.iter().map(|(_, _, n_extra)| n_extra).sum();
        let size = 3 + 5 + 5 + 4 + 3 * n_codes + codes.size(&frequencies) + extra as usize;
        MetaCode {
            symbols,
            codes,
            n_codes,
            size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_offsets_have_the_symbols_of_the_standard() {
        let lengths = [
            (3, (0, 0, 0)),
            (10, (7, 0, 0)),
            (11, (8, 0, 1)),
            (12, (8, 1, 1)),
            (13, (9, 0, 1)),
            (130, (23, 15, 4)),
            (131, (24, 0, 5)),
            (257, (27, 30, 5)),
            (258, (28, 0, 0)),
        ];
        for (length, wanted) in lengths {
            assert_eq!(length_code(length), wanted, "{length}");
        }
        let offsets = [
            (1, (0, 0, 0)),
            (4, (3, 0, 0)),
            (5, (4, 0, 1)),
            (6, (4, 1, 1)),
            (7, (5, 0, 1)),
            (9, (6, 0, 2)),
            (24_577, (29, 0, 13)),
            (32_768, (29, 8_191, 13)),
        ];
        for (offset, wanted) in offsets {
            assert_eq!(offset_code(offset), wanted, "{offset}");
        }
    }
}
