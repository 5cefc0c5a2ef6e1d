//! Hosts, mail addresses, URIs.

use super::{flaw, integer, shown};
use crate::address::{Address, unescape_segment};
use crate::network::{self, Kind};

pub(super) fn ipv4(text: &str) -> Result<(), String> {
    let groups: Vec<&str> = text.split('.').collect();
    if groups.len() != 4 {
        return flaw("expected four decimals");
    }
    for group in groups {
        if group.len() > 1 && group.starts_with('0') {
            return flaw("leading zeros");
        }
        if !(0..=255).contains(&integer(group)?) {
            return flaw("decimal must be between 0 and 255");
        }
    }
    Ok(())
}

pub(super) fn ipv6(text: &str) -> Result<(), String> {
    if !text.contains(':') {
        return flaw("missing colon");
    }
    match network::parse_address(text)? {
        Kind::V6 { zone: true } => flaw("zone id is not a part of ipv6 address"),
        _ => Ok(()),
    }
}

pub(super) fn hostname(text: &str) -> Result<(), String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > 253 {
        return flaw("more than 253 characters long");
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return flaw("label must be 1 to 63 characters long");
        }
        if label.starts_with('-') {
            return flaw("label starts with hyphen");
        }
        if label.ends_with('-') {
            return flaw("label ends with hyphen");
        }
        let bad = |c: &char| !c.is_ascii_alphanumeric() && *c != '-';
        if let Some(other) = label.chars().find(bad) {
            return Err(format!("invalid character {}", shown(other)));
        }
    }
    Ok(())
}

pub(super) fn email(text: &str) -> Result<(), String> {
    if text.len() > 254 {
        return flaw("more than 255 characters long");
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return flaw("missing @");
    };
    if local.len() > 64 {
        return flaw("local part more than 64 characters long");
    }
    local_part(local)?;
    let literal = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
    if let Some(literal) = literal {
        return match literal.strip_prefix("IPv6:") {
            Some(address) => ipv6(address).map_err(|e| format!("invalid ipv6 address: {e}")),
            None => ipv4(literal).map_err(|e| format!("invalid ipv4 address: {e}")),
        };
    }
    hostname(domain).map_err(|error| format!("invalid domain: {error}"))
}

fn local_part(local: &str) -> Result<(), String> {
    if local.len() > 1 && local.starts_with('"') && local.ends_with('"') {
        if local[1..local.len() - 1].contains(['\\', '"']) {
            return flaw("backslash and quote are not allowed within quoted local part");
        }
        return Ok(());
    }
    if local.starts_with('.') {
        return flaw("starts with dot");
    }
    if local.ends_with('.') {
        return flaw("ends with dot");
    }
    if local.contains("..") {
        return flaw("consecutive dots");
    }
    let bad = |c: &char| !c.is_ascii_alphanumeric() && !".!#$%&'*+-/=?^_`{|}~".contains(*c);
    match local.chars().find(bad) {
        Some(other) => Err(format!("invalid character {}", shown(other))),
        None => Ok(()),
    }
}

fn address(text: &str) -> Result<Address, String> {
    let address = Address::parse(text).map_err(|flaw| flaw.to_string())?;
    let (host, brackets) = address.hostname();
    if host.contains(':') {
        if !brackets {
            return flaw("ipv6 address not enclosed in brackets");
        }
        ipv6(&host).map_err(|error| format!("invalid ipv6 address: {error}"))?;
    }
    Ok(address)
}

pub(super) fn uri(text: &str) -> Result<(), String> {
    if address(text)?.is_absolute() {
        Ok(())
    } else {
        flaw("relative url")
    }
}

pub(super) fn uri_reference(text: &str) -> Result<(), String> {
    if text.contains('\\') {
        return flaw("contains \\");
    }
    address(text).map(drop)
}

pub(super) fn uri_template(text: &str) -> Result<(), String> {
    let address = address(text)?;
    for token in address.raw_path.split('/') {
        let token = unescape_segment(token).map_err(|e| format!("percent decode failed: {e}"))?;
        let mut open = false;
        for brace in token.chars().filter(|c| matches!(c, '{' | '}')) {
            if (brace == '{') == open {
                return flaw("nested curly braces");
            }
            open = !open;
        }
        if open {
            return flaw("no matching closing brace");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(of: fn(&str) -> Result<(), String>, cases: &[(&str, &str)]) {
        for (text, want) in cases {
            assert_eq!(of(text).err().unwrap_or_default(), *want, "{text:?}");
        }
    }

    #[test]
    fn addresses_of_hosts() {
        check(
            ipv4,
            &[
                ("1.2.3.4", ""),
                ("+1.2.3.4", ""),
                ("1.2.3", "expected four decimals"),
                ("1.02.3.4", "leading zeros"),
                ("1.2.3.256", "decimal must be between 0 and 255"),
                ("1.2.3.x", "strconv.Atoi: parsing \"x\": invalid syntax"),
            ],
        );
        check(
            ipv6,
            &[
                ("::1", ""),
                ("1.2.3.4", "missing colon"),
                ("::1%eth0", "zone id is not a part of ipv6 address"),
                (
                    ":",
                    "ParseAddr(\":\"): each colon-separated field must have at least one digit (at \":\")",
                ),
            ],
        );
        check(
            hostname,
            &[
                ("a-1.example.", ""),
                ("a..b", "label must be 1 to 63 characters long"),
                ("-a", "label starts with hyphen"),
                ("a-", "label ends with hyphen"),
                ("a_b", "invalid character '_'"),
            ],
        );
    }

    #[test]
    fn mail_addresses() {
        check(
            email,
            &[
                ("a.b+c@example.com", ""),
                ("\"a b\"@example.com", ""),
                ("a@[IPv6:::1]", ""),
                ("a", "missing @"),
                (".a@b", "starts with dot"),
                ("a.@b", "ends with dot"),
                ("a..b@c", "consecutive dots"),
                ("a b@c", "invalid character ' '"),
                (
                    "\"a\\b\"@c",
                    "backslash and quote are not allowed within quoted local part",
                ),
                ("a@-b", "invalid domain: label starts with hyphen"),
                ("a@[1.2.3]", "invalid ipv4 address: expected four decimals"),
                ("a@[IPv6:x]", "invalid ipv6 address: missing colon"),
            ],
        );
    }

    #[test]
    fn uris() {
        check(
            uri,
            &[
                ("http://a/b", ""),
                ("/a", "relative url"),
                (
                    "http://a:1:2/",
                    "parse \"http://a:1:2/\": invalid port \":1:2\" after host",
                ),
                ("x://a:b:1/", "ipv6 address not enclosed in brackets"),
            ],
        );
        check(uri_reference, &[("/a", ""), ("a\\b", "contains \\")]);
        check(
            uri_template,
            &[
                ("http://a/{b}/c", ""),
                ("http://a/{b/c", "no matching closing brace"),
                ("http://a/{{b}}", "nested curly braces"),
            ],
        );
    }
}
