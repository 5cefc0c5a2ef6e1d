//! The rules for names, label keys and label values, with Kubernetes' own sentences.
//!
//! In: a string. Out: the list of complaints, empty when the string is fine. It knows no paths and
//! no objects; callers prefix the field. Source: k8s.io/apimachinery `pkg/api/validate/content`
//! and `pkg/util/validation`.

use std::fmt::Write as _;

const LABEL_KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const DNS_LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS_1035_LABEL: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const DNS_SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";

/// Longest label value and longest name part of a label key, in bytes.
pub const LABEL_BYTES_MAX: usize = 63;
/// Longest DNS subdomain, which most object names are, in bytes.
pub const SUBDOMAIN_BYTES_MAX: usize = 253;

/// Checks a label or annotation key: `[prefix/]name`.
pub fn check_label_key(key: &str) -> Vec<String> {
    let pattern = complaint(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
         alphanumeric character",
        LABEL_KEY,
        &["MyName", "my.name", "123-abc"],
    );
    let mut parts = key.split('/');
    let (first, second, third) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    if third.is_some() {
        return vec![format!(
            "a valid label key {pattern} with an optional DNS subdomain prefix and '/' (e.g. \
             'example.com/MyName')"
        )];
    }
    let mut complaints = Vec::new();
    let name = match second {
        None => first,
        Some(name) => {
            if first.is_empty() {
                complaints.push("prefix part must be non-empty".to_owned());
            } else {
                let prefix = check_dns_subdomain(first);
                complaints.extend(prefix.into_iter().map(|text| format!("prefix part {text}")));
            }
            name
        }
    };
    if name.is_empty() {
        complaints.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_BYTES_MAX {
        complaints.push(format!("name part {}", too_long(LABEL_BYTES_MAX)));
    }
    if name.is_empty() || !is_label_text(name) {
        complaints.push(format!("name part {pattern}"));
    }
    complaints
}

/// Checks a label value; the empty string is a valid one.
pub fn check_label_value(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > LABEL_BYTES_MAX {
        complaints.push(too_long(LABEL_BYTES_MAX));
    }
    if !value.is_empty() && !is_label_text(value) {
        complaints.push(complaint(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', \
             '_' or '.', and must start and end with an alphanumeric character",
            LABEL_VALUE,
            &["MyValue", "my_value", "12345"],
        ));
    }
    complaints
}

/// Checks a DNS label, which names of namespaces are.
pub fn check_dns_label(name: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if name.len() > LABEL_BYTES_MAX {
        complaints.push(too_long(LABEL_BYTES_MAX));
    }
    if !is_dns_label(name) {
        if is_dns_subdomain(name) {
            complaints.push("must not contain dots".to_owned());
        } else {
            complaints.push(complaint(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \
                 '-', and must start and end with an alphanumeric character",
                DNS_LABEL,
                &["my-name", "123-abc"],
            ));
        }
    }
    complaints
}

/// Checks a DNS label in the older form that begins with a letter, which names of services are.
pub fn check_dns_1035_label(name: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if name.len() > LABEL_BYTES_MAX {
        complaints.push(too_long(LABEL_BYTES_MAX));
    }
    if !is_dns_label(name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        complaints.push(complaint(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with \
             an alphabetic character, and end with an alphanumeric character",
            DNS_1035_LABEL,
            &["my-name", "abc-123"],
        ));
    }
    complaints
}

/// Checks a DNS subdomain, which names of most objects are.
pub fn check_dns_subdomain(name: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if name.len() > SUBDOMAIN_BYTES_MAX {
        complaints.push(too_long(SUBDOMAIN_BYTES_MAX));
    }
    if !is_dns_subdomain(name) {
        complaints.push(complaint(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character",
            DNS_SUBDOMAIN,
            &["example.com"],
        ));
    }
    complaints
}

/// Checks a name that is one segment of a URL path and nothing more, as RBAC roles have it.
pub fn check_path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"]
        .iter()
        .filter(|illegal| name.contains(*illegal))
        .map(|illegal| format!("may not contain '{illegal}'"))
        .collect()
}

fn complaint(message: &str, pattern: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|text| format!("'{text}'")).collect();
    let examples = examples.join(",  or ");
    format!("{message} (e.g. {examples}, regex used for validation is '{pattern}')")
}

fn too_long(bytes_max: usize) -> String {
    format!("must be no more than {bytes_max} bytes")
}

fn is_label_text(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_dns_label(text: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
}

fn is_dns_subdomain(text: &str) -> bool {
    text.split('.').all(is_dns_label)
}

/// A string as Go's `%q` prints it: double quotes, with Go's escapes for control characters.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            ch if (ch as u32) < 0x20 || ch as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", ch as u32);
            }
            ch if ch.is_control() || ch == '\u{ad}' || (ch.is_whitespace() && ch != ' ') => {
                let _ = write!(out, "\\u{:04x}", ch as u32);
            }
            ch => out.push(ch),
        }
    }
    out.push('"');
    out
}
