//! Functions with arguments of every kind, piped into each other.

#![no_main]

use std::fmt::Write as _;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use flotilla_fuzz::{data, functions, parsed, run};
use gotemplate::Value;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Argument {
    Key(u8),
    Int(i64),
    Small(i8),
    Text(String),
    Odd(u8),
    Nested(Box<Call>),
}

#[derive(Debug, Arbitrary)]
struct Call {
    function: u8,
    arguments: Vec<Argument>,
}

const KEYS: [&str; 14] = [
    ".text", ".empty", ".number", ".whole", ".yes", ".nothing", ".list", ".map", ".day",
    ".version", ".encoded", ".bytes", ".missing", ".",
];
const ODD: [&str; 20] = [
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "-1e-320",
    "0x7fffffff",
    "1000000000",
    "'x'",
    "1i",
    "nil",
    "`^(a+)+$`",
    "`(a{9}){9}`",
    "`2006-01-02T15:04:05.999Z07:00`",
    "`300000h`",
    "`>=1.2 <2 || ^3.x`",
    "`a: &a [*a]`",
    "`{\"a\":[1e999]}`",
    "(list 1 nil `x`)",
    "(dict `a` (dict `b` 1))",
    "`%*[3]d%v%s`",
    "`{{.}}`",
];

static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let functions = functions();
    let own = functions.names().into_iter().map(str::to_owned);
    let builtin = [
        "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice", "print",
        "printf", "println", "html", "js", "urlquery", "call",
    ];
    own.chain(builtin.map(str::to_owned)).collect()
});

fn write_call(out: &mut String, call: &Call, salt: u8, depth: u32) {
    // More functions than one byte counts.
    let index = usize::from(call.function) + 256 * usize::from(salt % 2);
    out.push_str(&NAMES[index % NAMES.len()]);
    for argument in call.arguments.iter().take(6) {
        out.push(' ');
        match argument {
            Argument::Key(key) => out.push_str(KEYS[usize::from(*key) % KEYS.len()]),
            Argument::Int(int) => drop(write!(out, "{int}")),
            Argument::Small(int) => drop(write!(out, "{int}")),
            Argument::Text(text) => drop(write!(out, "{}", String::from_utf8_lossy(&quoted(text)))),
            Argument::Odd(odd) => out.push_str(ODD[usize::from(*odd) % ODD.len()]),
            Argument::Nested(inner) if depth < 4 => {
                out.push('(');
                write_call(out, inner, salt / 2, depth + 1);
                out.push(')');
            }
            Argument::Nested(_) => out.push('.'),
        }
    }
}

fn quoted(text: &str) -> Vec<u8> {
    sprig::gotext::quote(text.as_bytes()).into_bytes()
}

fuzz_target!(|input: (u8, Vec<Call>)| {
    let (salt, calls) = input;
    let mut text = String::from("{{");
    for (i, call) in calls.iter().take(5).enumerate() {
        text.push_str(if i == 0 { " " } else { " | " });
        write_call(&mut text, call, salt.rotate_left(i as u32), 0);
    }
    text.push_str(" }}");
    if let Some(set) = parsed(text.as_bytes()) {
        let data = data();
        run(&set, &data);
        Value::take_apart(data);
    }
});
