//! Choosing the format of a value by its type and the verb, and printing what is inside containers.

use super::{NESTING_MAX, Printer};
use crate::container::{List, Map};
use crate::error::{LimitError, TEXT_BYTES_MAX};
use crate::meter;
use crate::stack::grow;
use crate::strconv::unicode::append_rune;
use crate::types::{IntKind, Type};
use crate::value::{Native, Value};

impl Printer<'_> {
    /// An operand of a print function.
    pub(super) fn print_arg(&mut self, value: &Value, verb: char) {
        if !self.goes_on() {
            return;
        }
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (_, 'T') => self.plain_string(value.type_name().as_bytes()),
            (Value::Bytes(bytes), 'v' | 'd') => self.bytes(bytes, verb),
            _ => self.print_value(value, verb, 0),
        }
    }

    /// `%!verb(type=value)`
    fn bad_verb(&mut self, value: &Value, verb: char) {
        let erroring = std::mem::replace(&mut self.erroring, true);
        self.out.extend_from_slice(b"%!");
        append_rune(self.out, u32::from(verb));
        self.out.push(b'(');
        self.out.extend_from_slice(value.type_name().as_bytes());
        if !matches!(value, Value::Nil) {
            self.out.push(b'=');
            self.print_arg(value, 'v');
        }
        self.out.push(b')');
        self.erroring = erroring;
    }

    fn print_value(&mut self, value: &Value, verb: char, depth: u32) {
        // %w belongs to Errorf; a container is refused as a whole.
        let is_scalar = !matches!(value, Value::List(_) | Value::Map(_) | Value::Native(_));
        if verb == 'p' || verb == 'w' && !is_scalar && !self.erroring {
            return self.bad_verb(value, verb);
        }
        match value {
            Value::Bool(boolean) if matches!(verb, 't' | 'v') => self.boolean(*boolean),
            Value::Int(kind, bits) => self.integer(value, *kind, *bits as u64, verb),
            Value::Float(number) => match float_format(verb) {
                Some((format, precision)) => self.float(*number, format, precision),
                None => self.bad_verb(value, verb),
            },
            Value::Complex(parts) => match float_format(verb) {
                Some((format, precision)) => self.complex(**parts, format, precision),
                None => self.bad_verb(value, verb),
            },
            Value::Str(text) => self.string(value, text, verb),
            Value::Bytes(bytes) if matches!(verb, 's' | 'q' | 'x' | 'X') => {
                self.string(value, bytes, verb);
            }
            Value::Bytes(bytes) => {
                let elements = bytes
                    .iter()
                    .map(|byte| Value::Int(IntKind::Uint8, (*byte).into()));
                self.sequence(&Type::BYTES, elements, false, verb, depth);
            }
            Value::List(list) => self.list(list, verb, depth),
            Value::Map(map) => self.map(map, verb, depth),
            Value::Native(native) => self.native(value, native.as_ref(), verb, depth),
            Value::Func(_) if verb == 'v' => self.pad(b"0x0"),
            Value::Nil | Value::Bool(_) | Value::Func(_) => self.bad_verb(value, verb),
        }
    }

    fn integer(&mut self, value: &Value, kind: IntKind, bits: u64, verb: char) {
        let signed = kind.is_signed();
        match verb {
            'v' if self.flags.sharp_v && !signed => self.hex_with_prefix(bits),
            'v' | 'd' => self.integer_in_base(bits, signed, 10, verb),
            'b' => self.integer_in_base(bits, signed, 2, verb),
            'o' | 'O' => self.integer_in_base(bits, signed, 8, verb),
            'x' | 'X' => self.integer_in_base(bits, signed, 16, verb),
            'c' => self.character(bits),
            'q' => self.quoted_character(bits),
            'U' => self.unicode(bits),
            _ => self.bad_verb(value, verb),
        }
    }

    fn string(&mut self, value: &Value, text: &[u8], verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted_string(text),
            'v' | 's' => self.plain_string(text),
            'x' | 'X' => self.hex_string(text, verb == 'X'),
            'q' => self.quoted_string(text),
            _ => self.bad_verb(value, verb),
        }
    }

    /// A `[]byte` operand under `%v` or `%d`.
    fn bytes(&mut self, bytes: &[u8], verb: char) {
        let sharp_v = self.flags.sharp_v;
        self.out
            .extend_from_slice(if sharp_v { b"[]byte{" } else { b"[" });
        for (index, byte) in bytes.iter().enumerate() {
            if index > 0 {
                self.separator();
            }
            if sharp_v {
                self.hex_with_prefix(u64::from(*byte));
            } else {
                self.integer_in_base(u64::from(*byte), false, 10, verb);
            }
        }
        self.out.push(if sharp_v { b'}' } else { b']' });
    }

    fn separator(&mut self) {
        self.out
            .extend_from_slice(if self.flags.sharp_v { b", " } else { b" " });
    }

    /// An element of a container: an interface that holds nil prints as such under every verb.
    fn element(&mut self, value: &Value, verb: char, depth: u32) {
        if matches!(value, Value::Nil) {
            let nil: &[u8] = if self.flags.sharp_v {
                b"interface {}(nil)"
            } else {
                b"<nil>"
            };
            self.out.extend_from_slice(nil);
            return;
        }
        if depth > NESTING_MAX {
            self.limit = Some(LimitError::Nesting { max: NESTING_MAX });
        } else {
            self.print_value(value, verb, depth);
        }
    }

    /// False once a limit is exceeded; what is printed after that nobody sees.
    pub(super) fn goes_on(&mut self) -> bool {
        meter::work(1);
        if self.limit.is_none() && self.out.len() - self.start > TEXT_BYTES_MAX {
            self.limit = Some(LimitError::TextBytes {
                max: TEXT_BYTES_MAX,
            });
        }
        self.limit.is_none()
    }

    fn list(&mut self, list: &List, verb: char, depth: u32) {
        let elements = list.borrow();
        grow(|| {
            let elements = elements.iter().cloned();
            self.sequence(list.type_of(), elements, list.is_nil(), verb, depth);
        });
    }

    fn sequence(
        &mut self,
        ty: &Type,
        elements: impl Iterator<Item = Value>,
        is_nil: bool,
        verb: char,
        depth: u32,
    ) {
        if self.flags.sharp_v {
            self.out.extend_from_slice(ty.to_string().as_bytes());
            if is_nil {
                self.out.extend_from_slice(b"(nil)");
                return;
            }
        }
        self.out.push(if self.flags.sharp_v { b'{' } else { b'[' });
        for (index, element) in elements.enumerate() {
            if !self.goes_on() {
                return;
            }
            if index > 0 {
                self.separator();
            }
            self.element(&element, verb, depth + 1);
        }
        self.out.push(if self.flags.sharp_v { b'}' } else { b']' });
    }

    fn map(&mut self, map: &Map, verb: char, depth: u32) {
        if self.flags.sharp_v {
            self.out
                .extend_from_slice(map.type_of().to_string().as_bytes());
            if map.is_nil() {
                self.out.extend_from_slice(b"(nil)");
                return;
            }
            self.out.push(b'{');
        } else {
            self.out.extend_from_slice(b"map[");
        }
        let entries = map.borrow();
        grow(|| {
            for (index, (key, value)) in entries.iter().enumerate() {
                if !self.goes_on() {
                    return;
                }
                if index > 0 {
                    self.separator();
                }
                self.string(&Value::Str(key.clone()), key, verb);
                self.out.push(b':');
                self.element(value, verb, depth + 1);
            }
        });
        self.out.push(if self.flags.sharp_v { b'}' } else { b']' });
    }

    fn native(&mut self, value: &Value, native: &dyn Native, verb: char, depth: u32) {
        let stringable = matches!(verb, 'v' | 's' | 'x' | 'X' | 'q');
        let has_method = native.is_pointer() || !native.text_by_pointer();
        let addressable = self.indirect && depth == 0;
        let methods =
            !self.erroring && !self.flags.sharp_v && stringable && (has_method || addressable);
        if let Some(text) = native.text().filter(|_| methods) {
            return self.string(value, &text, verb);
        }
        let go_text = native.go_text();
        if let Some(text) = go_text.filter(|_| self.flags.sharp_v && !self.erroring) {
            return self.plain_string(&text);
        }
        if let Some((kind, bits)) = native.integer() {
            return self.integer(value, kind, bits as u64, verb);
        }
        if native.is_pointer() && !(self.indirect && depth == 0) {
            self.out.push(b'&');
        }
        if self.flags.sharp_v {
            self.out
                .extend_from_slice(native.named_type().name.as_bytes());
        }
        self.out.push(b'{');
        grow(|| {
            for (index, (name, field)) in native.fields().iter().enumerate() {
                if index > 0 {
                    self.separator();
                }
                if self.flags.plus_v || self.flags.sharp_v {
                    self.out.extend_from_slice(name.as_bytes());
                    self.out.push(b':');
                }
                self.element(field, verb, depth + 1);
            }
        });
        self.out.push(b'}');
    }
}

/// strconv's format and default precision for a verb.
fn float_format(verb: char) -> Option<(u8, Option<usize>)> {
    Some(match verb {
        'v' => (b'g', None),
        'b' | 'g' | 'G' | 'x' | 'X' => (verb as u8, None),
        'f' | 'e' | 'E' => (verb as u8, Some(6)),
        'F' => (b'f', Some(6)),
        _ => return None,
    })
}
