//! Addresses of people and pages, as the library `govalidator` takes them.
//!
//! Source: asaskevich/govalidator `IsEmail`, `IsURL`.

use std::sync::LazyLock;

use gotemplate::Str;
use sprig::goregex::{self, Pattern};
use sprig::gourl::Url;

/// Characters outside ASCII that addresses may have, inside of a class.
const FOREIGN: &str = r"\x{00A0}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFEF}";

static EMAIL: LazyLock<Option<Pattern>> = LazyLock::new(|| compiled(&email()));
static URL: LazyLock<Option<Pattern>> = LazyLock::new(|| compiled(&url()));

fn compiled(pattern: &str) -> Option<Pattern> {
    goregex::compile(&Str::from(pattern)).ok()
}

fn matches(pattern: &LazyLock<Option<Pattern>>, text: &str) -> bool {
    let pattern: &Option<Pattern> = pattern;
    pattern
        .as_ref()
        .is_some_and(|p| p.is_match(text.as_bytes()))
}

/// Whether a text is an address for mail.
pub(super) fn is_email(text: &str) -> bool {
    matches(&EMAIL, text)
}

/// Whether a text is the address of a page; a scheme is not needed.
pub(super) fn is_url(text: &str) -> bool {
    /// Characters.
    const LENGTH_END: usize = 2083;
    /// Bytes.
    const LENGTH_MIN: usize = 4;
    if text.chars().count() >= LENGTH_END || text.len() < LENGTH_MIN || text.starts_with('.') {
        return false;
    }
    let whole = if text.contains(':') && !text.contains("://") {
        format!("http://{text}")
    } else {
        text.to_owned()
    };
    let Ok(url) = Url::parse(whole.as_bytes()) else {
        return false;
    };
    let has_no_host = url.host.is_empty() && !url.path.is_empty() && !url.path.contains(&b'.');
    !url.host.starts_with(b".") && !has_no_host && matches(&URL, text)
}

fn email() -> String {
    let word = format!(r"[a-zA-Z0-9!#$%&'*+\-/=?^_`{{|}}~{FOREIGN}]+");
    let blank = r"(([\x20\x09]*\x0d\x0a)?[\x20\x09]+)?";
    let plain = format!(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\x21\x23-\x5b\x5d-\x7e{FOREIGN}]");
    // Quirk: a parenthesis stands where a backslash was meant.
    let escaped = format!(r"(\([\x01-\x09\x0b-\x7f]|[{FOREIGN}])");
    // Quirk: each character has a quotation mark in front of it.
    let quoted = format!(r"(\x22{blank}({plain}|{escaped}))*{blank}\x22");
    let edge = format!("[a-zA-Z0-9{FOREIGN}]");
    let label = format!(r"({edge}|{edge}[a-zA-Z0-9\-._~{FOREIGN}]*{edge})");
    let edge = format!("[a-zA-Z{FOREIGN}]");
    let top = format!(r"({edge}|{edge}[a-zA-Z0-9\-_~{FOREIGN}]*{edge})");
    format!(r"^({word}(\.{word})*|{quoted})@({label}\.)+{top}\.?$")
}

fn url() -> String {
    let scheme = r"((ftp|tcp|udp|wss?|https?)://)";
    let user = r"(\S+(:\S*)?@)";
    let port = r"(:\d{1,5})";
    let path = r"([/?#]\S*)";
    let v4 = concat!(
        r"([1-9]\d?|1\d\d|2[01]\d|22[0-3]|24\d|25[0-5])",
        r"(\.(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])){2}",
        r"(\.([0-9]\d?|1\d\d|2[0-4]\d|25[0-5]))",
    );
    let host = r"[a-zA-Z0-9]([a-zA-Z0-9_-]+)?[a-zA-Z0-9]([-.][a-zA-Z0-9]+)*";
    let below = r"((www\.)|([a-zA-Z0-9]+([-_.]?[a-zA-Z0-9])*[a-zA-Z0-9]\.[a-zA-Z0-9]+))";
    let letter = r"[a-zA-Z0-9\x{00a1}-\x{ffff}]";
    let name = format!(r"(({letter}+-?-?)*{letter}+)(\.[a-zA-Z\x{{00a1}}-\x{{ffff}}]+)?");
    let v6 = v6();
    format!(r"^{scheme}?{user}?({v4}|\[{v6}\]|(({host})|({below}?))?{name})\.?{port}?{path}?$")
}

fn v6() -> String {
    const GROUP: &str = "[0-9a-fA-F]{1,4}";
    const BYTE: &str = "(25[0-5]|(2[0-4]|1{0,1}[0-9]){0,1}[0-9])";
    let v4 = format!(r"({BYTE}\.){{3,3}}{BYTE}");
    let mut forms = vec![
        format!("({GROUP}:){{7,7}}{GROUP}"),
        format!("({GROUP}:){{1,7}}:"),
        format!("({GROUP}:){{1,6}}:{GROUP}"),
    ];
    for (before, after) in [(5, 2), (4, 3), (3, 4), (2, 5)] {
        forms.push(format!("({GROUP}:){{1,{before}}}(:{GROUP}){{1,{after}}}"));
    }
    forms.extend([
        format!("{GROUP}:((:{GROUP}){{1,6}})"),
        format!(":((:{GROUP}){{1,7}}|:)"),
        "fe80:(:[0-9a-fA-F]{0,4}){0,4}%[0-9a-zA-Z]{1,}".to_owned(),
        format!("::(ffff(:0{{1,4}}){{0,1}}:){{0,1}}{v4}"),
        format!("({GROUP}:){{1,4}}:{v4}"),
    ]);
    format!("({})", forms.join("|"))
}
