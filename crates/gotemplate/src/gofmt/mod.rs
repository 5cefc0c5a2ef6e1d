//! Go's `fmt`: `Sprint`, `Sprintln`, `Sprintf`.
//!
//! Addresses are not printed, because equal inputs must give equal output: `%p` is refused like an unknown verb,
//! and a pointer inside another value prints what it points to.
//!
//! Source: fmt/print.go, fmt/format.go.

mod number;
mod pad;
mod value;

use crate::error::LimitError;
use crate::strconv::unicode::{append_rune, decode_rune};
use crate::value::Value;

/// Levels of lists and maps in each other. A map that contains itself has no end; Go crashes on it.
const NESTING_MAX: u32 = 10_000;
/// Widths and precisions beyond this are refused, as in Go.
const WIDTH_MAX: i64 = 1_000_000;

/// `fmt.Sprintf`.
///
/// # Errors
/// Only for values without end: nested too deep, or too large. Wrong verbs and arguments show in the text, as in Go.
pub fn sprintf(format: &[u8], args: &[Value]) -> Result<Vec<u8>, LimitError> {
    let mut out = Vec::with_capacity(format.len() + 16 * args.len());
    let mut printer = Printer::new(&mut out);
    printer.printf(format, args);
    printer.finish()?;
    Ok(out)
}

/// `fmt.Sprint`: spaces between operands when neither is a string.
///
/// # Errors
/// As [`sprintf`].
pub fn sprint(args: &[Value]) -> Result<Vec<u8>, LimitError> {
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out);
    printer.print(args);
    printer.finish()?;
    Ok(out)
}

/// [`sprint`] of what pointers point to, as actions and the escaping functions print them.
pub(crate) fn sprint_indirect(args: &[Value]) -> Result<Vec<u8>, LimitError> {
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out);
    // A struct that came as an argument has no address.
    printer.indirect = args
        .iter()
        .all(|arg| !matches!(arg, Value::Native(native) if !native.is_pointer()));
    printer.print(args);
    printer.finish()?;
    Ok(out)
}

/// `fmt.Sprintln`: spaces between all operands, and a newline.
///
/// # Errors
/// As [`sprintf`].
pub fn sprintln(args: &[Value]) -> Result<Vec<u8>, LimitError> {
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out);
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            printer.out.push(b' ');
        }
        printer.print_arg(arg, 'v');
    }
    printer.out.push(b'\n');
    printer.finish()?;
    Ok(out)
}

/// Appends what an action prints: `fmt.Sprint` of the value or, for a pointer, of what it points to.
///
/// # Errors
/// As [`sprintf`]; what was printed so far is in `out` then.
pub(crate) fn append_indirect(out: &mut Vec<u8>, value: &Value) -> Result<(), LimitError> {
    let mut printer = Printer::new(out);
    printer.indirect = true;
    printer.print_arg(value, 'v');
    printer.finish()
}

/// For messages: what `fmt.Sprintf(format, value)` gives, as text.
pub(crate) fn message(format: &str, value: &Value) -> String {
    let text = sprintf(format.as_bytes(), std::slice::from_ref(value));
    crate::lossy(&text.unwrap_or_default()).into_owned()
}

/// For messages about what an operation cannot work on: pointers are followed, methods of pointers not called.
pub(crate) fn message_indirect(value: &Value) -> String {
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out);
    printer.indirect = matches!(value, Value::Native(native) if native.is_pointer());
    printer.erroring =
        matches!(value, Value::Native(native) if native.is_pointer() && native.text_by_pointer());
    printer.print_arg(value, 'v');
    crate::lossy(&out).into_owned()
}

#[derive(Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v` and `%#v` are formats of their own; the flags do not act on what is inside.
    plus_v: bool,
    sharp_v: bool,
}

struct Printer<'o> {
    out: &'o mut Vec<u8>,
    flags: Flags,
    /// Printing inside an error text, where methods are not called.
    erroring: bool,
    /// Operands that are pointers print as what they point to.
    indirect: bool,
    limit: Option<LimitError>,
    /// Where in `out` this call began.
    start: usize,
}

/// The state of reading a format that the directives share.
struct Format<'f> {
    text: &'f [u8],
    at: usize,
    arg: usize,
    reordered: bool,
    good_arg: bool,
    after_index: bool,
}

impl<'o> Printer<'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            start: out.len(),
            out,
            flags: Flags::default(),
            erroring: false,
            indirect: false,
            limit: None,
        }
    }

    fn finish(mut self) -> Result<(), LimitError> {
        self.goes_on();
        self.limit.map_or(Ok(()), Err)
    }

    fn print(&mut self, args: &[Value]) {
        let mut after_string = true;
        for arg in args {
            let is_string = matches!(arg, Value::Str(_));
            if !is_string && !after_string {
                self.out.push(b' ');
            }
            self.print_arg(arg, 'v');
            after_string = is_string;
        }
    }

    fn printf(&mut self, format: &[u8], args: &[Value]) {
        let mut state = Format {
            text: format,
            at: 0,
            arg: 0,
            reordered: false,
            good_arg: true,
            after_index: false,
        };
        while state.at < format.len() {
            let rest = &format[state.at..];
            let literal = rest
                .iter()
                .position(|&byte| byte == b'%')
                .unwrap_or(rest.len());
            self.out.extend_from_slice(&rest[..literal]);
            state.at += literal;
            if !self.goes_on() {
                return;
            }
            if state.at < format.len() {
                state.at += 1;
                self.directive(&mut state, args);
            }
        }
        if !state.reordered && state.arg < args.len() {
            self.extra_args(&args[state.arg..]);
        }
    }

    /// One directive, after its percent sign.
    fn directive(&mut self, state: &mut Format<'_>, args: &[Value]) {
        state.good_arg = true;
        state.after_index = false;
        self.flags = Flags::default();
        while let Some(flag) = state.text.get(state.at) {
            match flag {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => break,
            }
            state.at += 1;
        }
        state.arg_number(args.len());
        self.width(state, args);
        self.precision(state, args);
        if !state.after_index {
            state.arg_number(args.len());
        }
        if state.at >= state.text.len() {
            self.out.extend_from_slice(b"%!(NOVERB)");
            return;
        }
        let (rune, size) = decode_rune(&state.text[state.at..]);
        state.at += size;
        let verb = char::from_u32(rune).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.verb(verb, state, args);
    }

    fn verb(&mut self, verb: char, state: &mut Format<'_>, args: &[Value]) {
        let arg = args.get(state.arg);
        match (verb, arg) {
            ('%', _) => self.out.push(b'%'),
            (_, _) if !state.good_arg => self.complain(verb, "(BADINDEX)"),
            (_, None) => self.complain(verb, "(MISSING)"),
            (_, Some(arg)) => {
                if matches!(verb, 'v' | 'w') {
                    self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                    self.flags.plus_v = std::mem::take(&mut self.flags.plus);
                }
                self.print_arg(arg, verb);
                state.arg += 1;
            }
        }
    }

    fn complain(&mut self, verb: char, what: &str) {
        self.out.extend_from_slice(b"%!");
        append_rune(self.out, u32::from(verb));
        self.out.extend_from_slice(what.as_bytes());
    }

    fn width(&mut self, state: &mut Format<'_>, args: &[Value]) {
        if state.take(b'*') {
            match state.int_arg(args) {
                Some(width) => {
                    self.flags.width = Some(width.unsigned_abs() as usize);
                    if width < 0 {
                        self.flags.minus = true;
                        self.flags.zero = false;
                    }
                }
                None => self.out.extend_from_slice(b"%!(BADWIDTH)"),
            }
            state.after_index = false;
            return;
        }
        self.flags.width = state.number();
        if state.after_index && self.flags.width.is_some() {
            state.good_arg = false;
        }
    }

    fn precision(&mut self, state: &mut Format<'_>, args: &[Value]) {
        if state.at + 1 >= state.text.len() || !state.take(b'.') {
            return;
        }
        if state.after_index {
            state.good_arg = false;
        }
        state.arg_number(args.len());
        if state.take(b'*') {
            let precision = state
                .int_arg(args)
                .and_then(|value| usize::try_from(value).ok());
            self.flags.precision = precision;
            if precision.is_none() {
                self.out.extend_from_slice(b"%!(BADPREC)");
            }
            state.after_index = false;
        } else {
            self.flags.precision = Some(state.number().unwrap_or(0));
        }
    }

    fn extra_args(&mut self, args: &[Value]) {
        self.flags = Flags::default();
        self.out.extend_from_slice(b"%!(EXTRA ");
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                self.out.extend_from_slice(b", ");
            }
            self.out.extend_from_slice(arg.type_name().as_bytes());
            if !matches!(arg, Value::Nil) {
                self.out.push(b'=');
                self.print_arg(arg, 'v');
            }
        }
        self.out.push(b')');
    }
}

impl Format<'_> {
    fn take(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// Digits, if there are any. A number too large ends the format, as in Go.
    fn number(&mut self) -> Option<usize> {
        let Some((value, n_bytes)) = parse_number(&self.text[self.at..]) else {
            self.at = self.text.len();
            return None;
        };
        self.at += n_bytes;
        (n_bytes > 0).then_some(value)
    }

    /// An explicit argument index such as `[2]`, if there is one.
    fn arg_number(&mut self, n_args: usize) {
        self.after_index = false;
        let rest = &self.text[self.at..];
        if rest.first() != Some(&b'[') {
            return;
        }
        self.reordered = true;
        let close = rest
            .iter()
            .position(|&byte| byte == b']')
            .filter(|_| rest.len() >= 3);
        let Some(close) = close else {
            self.good_arg = false;
            self.at += 1;
            return;
        };
        self.at += close + 1;
        let parsed = parse_number(&rest[1..close])
            .filter(|(_, n_bytes)| *n_bytes > 0 && *n_bytes == close - 1);
        match parsed {
            Some((value, _)) => {
                self.after_index = true;
                if (1..=n_args).contains(&value) {
                    self.arg = value - 1;
                } else {
                    self.good_arg = false;
                }
            }
            None => self.good_arg = false,
        }
    }

    /// The next argument as a width or precision. It is used up whatever it is.
    fn int_arg(&mut self, args: &[Value]) -> Option<i64> {
        let arg = args.get(self.arg)?;
        self.arg += 1;
        match arg.as_integer() {
            Some((kind, value)) if kind.is_signed() || value >= 0 => {
                (-WIDTH_MAX..=WIDTH_MAX).contains(&value).then_some(value)
            }
            _ => None,
        }
    }
}

/// Leading digits and how many bytes they take; `None` if they are too many.
fn parse_number(text: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    let mut n_bytes = 0;
    while let Some(digit) = text.get(n_bytes).filter(|byte| byte.is_ascii_digit()) {
        if value > WIDTH_MAX as usize {
            return None;
        }
        value = value * 10 + usize::from(digit - b'0');
        n_bytes += 1;
    }
    Some((value, n_bytes))
}
