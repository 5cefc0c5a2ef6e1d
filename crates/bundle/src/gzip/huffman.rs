//! Codes of limited length for symbols of given frequencies.
//!
//! There are several optimal codes; these are the ones that Go chooses.

/// Longest code. Bits.
const LENGTH_MAX: usize = 15;

/// A frequency that nothing reaches.
const NEVER: u32 = i32::MAX as u32;

/// For each symbol its code, to be written from its lowest bit, and the number of bits; 0 for none.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    pub(super) code: Vec<u16>,
    pub(super) length: Vec<u8>,
}

impl Codes {
    /// The best code with at most `length_max` bits.
    pub(super) fn new(frequencies: &[u32], length_max: usize) -> Self {
        let mut codes = Codes {
            code: vec![0; frequencies.len()],
            length: vec![0; frequencies.len()],
        };
        let mut used: Vec<(u32, usize)> = frequencies
            .iter()
            .enumerate()
            .filter(|(_, frequency)| **frequency > 0)
            .map(|(symbol, frequency)| (*frequency, symbol))
            .collect();
        if used.len() <= 2 {
            for (i, (_, symbol)) in used.into_iter().enumerate() {
                codes.code[symbol] = i as u16;
                codes.length[symbol] = 1;
            }
            return codes;
        }
        used.sort_unstable();
        let counts = length_counts(&used, length_max);
        codes.assign(
            &counts,
            used.into_iter().map(|(_, symbol)| symbol).collect(),
        );
        codes
    }

    /// Codes in order of length and then of symbol; the rarest symbols have the longest ones.
    fn assign(&mut self, counts: &[usize], mut symbols: Vec<usize>) {
        let mut code = 0_u16;
        for (length, &count) in counts.iter().enumerate() {
            code <<= 1;
            let mut chunk = symbols.split_off(symbols.len().saturating_sub(count));
            chunk.sort_unstable();
            for symbol in chunk {
                self.code[symbol] = reversed(code, length);
                self.length[symbol] = length as u8;
                code += 1;
            }
        }
    }

    /// The code that RFC 1951 fixes for literals and lengths.
    pub(super) fn fixed_literals(n_symbols: usize) -> Self {
        let (mut code, mut length) = (Vec::new(), Vec::new());
        for symbol in 0..n_symbols as u16 {
            let (bits, n_bits) = match symbol {
                0..144 => (symbol + 48, 8),
                144..256 => (symbol + 256, 9),
                256..280 => (symbol - 256, 7),
                _ => (symbol - 88, 8),
            };
            code.push(reversed(bits, n_bits));
            length.push(n_bits as u8);
        }
        Codes { code, length }
    }

    /// The code that RFC 1951 fixes for offsets.
    pub(super) fn fixed_offsets(n_symbols: usize) -> Self {
        let code = (0..n_symbols as u16)
            .map(|symbol| reversed(symbol, 5))
            .collect();
        Codes {
            code,
            length: vec![5; n_symbols],
        }
    }

    /// Bits that symbols of these frequencies need.
    pub(super) fn size(&self, frequencies: &[u32]) -> usize {
        frequencies
            .iter()
            .zip(&self.length)
            .map(|(&n, &length)| n as usize * length as usize)
            .sum()
    }
}

fn reversed(code: u16, n_bits: usize) -> u16 {
    if n_bits == 0 {
        0
    } else {
        (code << (16 - n_bits)).reverse_bits()
    }
}

/// One level of the tree that is built: how far its list of leaves and pairs has come.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    last: u32,
    next_leaf: u32,
    next_pair: u32,
    needed: usize,
}

/// How many symbols get codes of each length, for three symbols or more in order of frequency: the
/// boundary package-merge algorithm, where a leaf comes before a pair only if it is rarer.
fn length_counts(used: &[(u32, usize)], length_max: usize) -> Vec<usize> {
    let n = used.len();
    let top = length_max.min(n - 1).min(LENGTH_MAX);
    let frequency = |i: usize| used.get(i).map_or(NEVER, |(frequency, _)| *frequency);
    let mut levels = [Level::default(); LENGTH_MAX + 2];
    // Leaves to the left of the ancestors of the last node of a level, by level of the ancestor.
    let mut leaves = [[0_usize; LENGTH_MAX + 1]; LENGTH_MAX + 1];
    for level in 1..=top {
        levels[level] = Level {
            last: frequency(1),
            next_leaf: frequency(2),
            next_pair: if level == 1 {
                NEVER
            } else {
                frequency(0) + frequency(1)
            },
            needed: 0,
        };
        leaves[level][level] = 2;
    }
    levels[top].needed = 2 * n - 4;
    let mut level = top;
    loop {
        let Level {
            last: before,
            next_leaf,
            next_pair,
            ..
        } = levels[level];
        if next_pair == NEVER && next_leaf == NEVER {
            // Nothing is left here, so nothing above can take pairs from it.
            levels[level].needed = 0;
            levels[level + 1].next_pair = NEVER;
            level += 1;
            continue;
        }
        if next_leaf < next_pair {
            let count = leaves[level][level] + 1;
            leaves[level][level] = count;
            levels[level].last = next_leaf;
            levels[level].next_leaf = frequency(count);
        } else {
            levels[level].last = next_pair;
            let below = leaves[level - 1];
            leaves[level][..level].copy_from_slice(&below[..level]);
            levels[level - 1].needed = 2;
        }
        levels[level].needed -= 1;
        if levels[level].needed == 0 {
            if level == top {
                break;
            }
            levels[level + 1].next_pair = before + levels[level].last;
            level += 1;
        } else {
            // Replenish what was taken from below.
            while levels[level - 1].needed > 0 {
                level -= 1;
            }
        }
    }
    let mut counts = vec![0; top + 1];
    for (bits, level) in (1..=top).rev().enumerate() {
        counts[bits + 1] = leaves[top][level] - leaves[top][level - 1];
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn codes_are_complete_and_short_enough(
            frequencies in prop::collection::vec(0..5_000_u32, 3..286),
            length_max in 9..=15_usize,
        ) {
            let codes = Codes::new(&frequencies, length_max);
            let n_used = frequencies.iter().filter(|n| **n > 0).count();
            let lengths = codes.length.iter().filter(|length| **length > 0);
            // Kraft's sum is one if and only if every sequence of bits means something.
            let sum: f64 = lengths.clone().map(|length| 0.5_f64.powi(i32::from(*length))).sum();
            prop_assert_eq!(lengths.clone().count(), n_used);
            prop_assert!(lengths.clone().all(|length| usize::from(*length) <= length_max));
            if n_used > 2 {
                prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
            }
        }
    }
}
