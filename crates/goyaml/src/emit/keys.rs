//! The order of keys: letters after everything else, runs of digits by their value.
//!
//! Source: `sorter.go` of go-yaml. Letters and digits outside ASCII are told apart by Rust's
//! tables, which count a few marks as letters that Go does not.

use std::cmp::Ordering;

use super::Dialect;

/// Sorts entries by key.
///
/// Go's relation is no total order for some odd sets of keys, where its own result is random and
/// the standard library's sort may panic; a merge sort is right for any relation that has one.
pub(super) fn sort<T: Copy>(entries: &mut Vec<(&str, T)>, dialect: Dialect) {
    let in_order = |left: &str, right: &str| !less(right, left, dialect);
    if entries
        .windows(2)
        .all(|pair| in_order(pair[0].0, pair[1].0))
    {
        return;
    }
    let mut order = (0..entries.len()).collect::<Vec<_>>();
    let mut merged = Vec::with_capacity(order.len());
    let mut run = 1;
    while run < order.len() {
        for pair in order.chunks(2 * run) {
            let (mut left, mut right) = pair.split_at(run.min(pair.len()));
            while let ([first, left_rest @ ..], [second, right_rest @ ..]) = (left, right) {
                if in_order(entries[*first].0, entries[*second].0) {
                    merged.push(*first);
                    left = left_rest;
                } else {
                    merged.push(*second);
                    right = right_rest;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut order, &mut merged);
        merged.clear();
        run *= 2;
    }
    *entries = order.into_iter().map(|index| entries[index]).collect();
}

/// Whether `left` comes before `right`.
fn less(left: &str, right: &str, dialect: Dialect) -> bool {
    let common = left
        .chars()
        .zip(right.chars())
        .take_while(|(left, right)| left == right);
    let start = common
        .map(|(character, _)| character.len_utf8())
        .sum::<usize>();
    let mut left_rest = left[start..].chars();
    let mut right_rest = right[start..].chars();
    let (Some(a), Some(b)) = (left_rest.next(), right_rest.next()) else {
        return left.len() < right.len();
    };
    let (a_letter, b_letter) = (is_letter(a), is_letter(b));
    if a_letter && b_letter {
        return a < b;
    }
    if a_letter || b_letter {
        let after_digits = left[..start].chars().next_back().is_some_and(is_digit);
        return if after_digits && dialect == Dialect::V3 {
            a_letter
        } else {
            b_letter
        };
    }
    // A zero weighs by what stands before it: `10` against `1`, not `0` against nothing.
    let weighs = (a == '0' || b == '0')
        && left[..start]
            .chars()
            .rev()
            .take_while(|digit| is_digit(*digit))
            .any(|digit| digit != '0');
    let (a_value, a_length) = number(&left[start..], weighs);
    let (b_value, b_length) = number(&right[start..], weighs);
    match a_value.cmp(&b_value).then(a_length.cmp(&b_length)) {
        Ordering::Equal => a < b,
        order => order == Ordering::Less,
    }
}

/// The leading digits as a number that wraps as Go's does, and how many they are.
fn number(text: &str, after_nonzero: bool) -> (i64, usize) {
    let digits = text.chars().take_while(|character| is_digit(*character));
    digits.fold((i64::from(after_nonzero), 0), |(value, length), digit| {
        let digit = i64::from(u32::from(digit)) - i64::from(b'0');
        (value.wrapping_mul(10).wrapping_add(digit), length + 1)
    })
}

fn is_letter(character: char) -> bool {
    character.is_alphabetic() && !character.is_numeric()
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}
