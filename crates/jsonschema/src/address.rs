//! Addresses as Go's `net/url` parses, resolves and prints them.
//!
//! In: texts. Out: their parts, addresses relative to others, or Go's text of what is wrong. Texts that
//! are no UTF-8 once unescaped are kept as bytes, as in Go.

use std::fmt::Write as _;

use sprig::gotext;

use crate::network;

/// Why a text is no address, without the text itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Flaw(String);

fn flaw<T>(text: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw(text.into()))
}

/// The part of an address that bytes are escaped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Segment,
    Host,
    Zone,
    User,
    Fragment,
}

fn escaped(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    let plain: &[u8] = match part {
        Part::Path => b"$&+,/:;=@",
        Part::Segment => b"$&+:=@",
        Part::Host | Part::Zone => b"!$&'()*+,;=:[]<>\"",
        Part::User => b"$&+,;=",
        Part::Fragment => b"$&+,/:;=?@!()*",
    };
    !plain.contains(&byte)
}

fn escape(bytes: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if escaped(*byte, part) {
            let _ = write!(out, "%{byte:02X}");
        } else {
            out.push(char::from(*byte));
        }
    }
    out
}

/// `url.PathEscape`.
pub(crate) fn escape_segment(text: &str) -> String {
    escape(text.as_bytes(), Part::Segment)
}

/// `url.PathUnescape`; bytes that are no UTF-8 become U+FFFD.
pub(crate) fn unescape_segment(text: &str) -> Result<String, Flaw> {
    unescape(text, Part::Segment).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn unescape(text: &str, part: Part) -> Result<Vec<u8>, Flaw> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte != b'%' {
            if matches!(part, Part::Host | Part::Zone) && byte.is_ascii() && escaped(*byte, part) {
                let shown = gotext::quote(&[*byte]);
                return flaw(format!("invalid character {shown} in host name"));
            }
            out.push(*byte);
            at += 1;
            continue;
        }
        let sequence = &bytes[at..bytes.len().min(at + 3)];
        let refuse = || flaw(format!("invalid URL escape {}", gotext::quote(sequence)));
        let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else {
            return refuse();
        };
        let code = (high * 16 + low) as u8;
        let percent = sequence == b"%25";
        if part == Part::Host && code < 0x80 && !percent
            || part == Part::Zone && !percent && code != b' ' && escaped(code, Part::Host)
        {
            return refuse();
        }
        out.push(code);
        at += 3;
    }
    Ok(out)
}

/// The parts of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Address {
    /// In lower case; empty for a relative address.
    pub(crate) scheme: String,
    opaque: String,
    /// Name and password, as printed.
    user: Option<String>,
    host: Vec<u8>,
    /// Unescaped.
    path: Vec<u8>,
    /// As written, where that differs from the default escaping.
    pub(crate) raw_path: String,
    query: String,
    force_query: bool,
    omit_host: bool,
    fragment: Vec<u8>,
    raw_fragment: String,
}

impl Address {
    /// `url.Parse`; the error is all of Go's text.
    pub(crate) fn parse(text: &str) -> Result<Self, Flaw> {
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let located = |part: &str, flaw: Flaw| {
            let quoted = gotext::quote(part.as_bytes());
            Flaw(format!("parse {quoted}: {flaw}"))
        };
        let mut address = Self::parse_parts(before).map_err(|flaw| located(before, flaw))?;
        address.fragment =
            unescape(fragment, Part::Fragment).map_err(|flaw| located(text, flaw))?;
        if fragment != escape(&address.fragment, Part::Fragment) {
            fragment.clone_into(&mut address.raw_fragment);
        }
        Ok(address)
    }

    fn parse_parts(text: &str) -> Result<Self, Flaw> {
        if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return flaw("net/url: invalid control character in URL");
        }
        let mut address = Self::default();
        if text == "*" {
            address.path = b"*".to_vec();
            return Ok(address);
        }
        let (scheme, mut rest) = scheme(text)?;
        address.scheme = scheme.to_ascii_lowercase();
        if rest.ends_with('?') && rest.matches('?').count() == 1 {
            address.force_query = true;
            rest = &rest[..rest.len() - 1];
        } else if let Some((before, query)) = rest.split_once('?') {
            query.clone_into(&mut address.query);
            rest = before;
        }
        if !rest.starts_with('/') {
            if !address.scheme.is_empty() {
                rest.clone_into(&mut address.opaque);
                return Ok(address);
            }
            if first_segment(rest).contains(':') {
                return flaw("first path segment in URL cannot contain colon");
            }
        }
        if rest.starts_with("//") && (!address.scheme.is_empty() || !rest.starts_with("///")) {
            let authority = &rest[2..];
            let end = authority.find('/').unwrap_or(authority.len());
            rest = &authority[end..];
            address.read_authority(&authority[..end])?;
        } else if !address.scheme.is_empty() && rest.starts_with('/') {
            address.omit_host = true;
        }
        address.set_path(rest)?;
        Ok(address)
    }

    fn read_authority(&mut self, authority: &str) -> Result<(), Flaw> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = read_host(&self.scheme, host)?;
        let Some(user) = user else {
            return Ok(());
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
        if !user.bytes().all(allowed) {
            return flaw("net/url: invalid userinfo");
        }
        let part = |part: &str| unescape(part, Part::User).map(|plain| escape(&plain, Part::User));
        self.user = Some(match user.split_once(':') {
            None => part(user)?,
            Some((name, password)) => format!("{}:{}", part(name)?, part(password)?),
        });
        Ok(())
    }

    fn set_path(&mut self, path: &str) -> Result<(), Flaw> {
        self.path = unescape(path, Part::Path)?;
        self.raw_path.clear();
        if path != escape(&self.path, Part::Path) {
            path.clone_into(&mut self.raw_path);
        }
        Ok(())
    }

    /// The unescaped path; bytes that are no UTF-8 become U+FFFD.
    pub(crate) fn path(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }

    fn escaped_path(&self) -> String {
        if let Some(raw) = as_written(&self.raw_path, &self.path, Part::Path) {
            return raw.to_owned();
        }
        if self.path == b"*" {
            return "*".to_owned();
        }
        escape(&self.path, Part::Path)
    }

    /// The host without port and brackets, and whether it was in brackets.
    pub(crate) fn hostname(&self) -> (String, bool) {
        let host = String::from_utf8_lossy(&self.host).into_owned();
        let brackets = host.contains('[') && host.contains(']');
        let name = match host.rfind(':') {
            Some(colon) if is_port(&host[colon..]) => &host[..colon],
            _ => host.as_str(),
        };
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
        (bare.unwrap_or(name).to_owned(), brackets)
    }

    pub(crate) fn is_absolute(&self) -> bool {
        !self.scheme.is_empty()
    }

    /// `URL.ResolveReference`, and what jsonschema adds: a relative address keeps the opaque part of
    /// its base.
    pub(crate) fn resolve(&self, reference: &Self) -> Self {
        let mut resolved = self.resolve_as_go(reference);
        if !reference.is_absolute() && !self.opaque.is_empty() {
            self.opaque.clone_into(&mut resolved.opaque);
        }
        resolved
    }

    fn resolve_as_go(&self, reference: &Self) -> Self {
        let mut out = reference.clone();
        if reference.scheme.is_empty() {
            self.scheme.clone_into(&mut out.scheme);
        }
        let whole =
            !reference.scheme.is_empty() || !reference.host.is_empty() || reference.user.is_some();
        if whole {
            let _ = out.set_path(&resolve_path(&reference.escaped_path(), ""));
            return out;
        }
        if !reference.opaque.is_empty() {
            return out.without_authority();
        }
        if reference.path.is_empty() && !reference.force_query && reference.query.is_empty() {
            self.query.clone_into(&mut out.query);
            if reference.fragment.is_empty() {
                self.fragment.clone_into(&mut out.fragment);
                self.raw_fragment.clone_into(&mut out.raw_fragment);
            }
        }
        if reference.path.is_empty() && !self.opaque.is_empty() {
            self.opaque.clone_into(&mut out.opaque);
            return out.without_authority();
        }
        self.host.clone_into(&mut out.host);
        self.user.clone_into(&mut out.user);
        let path = resolve_path(&self.escaped_path(), &reference.escaped_path());
        let _ = out.set_path(&path);
        out
    }

    fn without_authority(mut self) -> Self {
        self.user = None;
        self.host.clear();
        self.path.clear();
        self
    }

    /// `URL.String`.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            self.print_hierarchy(&mut out);
        } else {
            out.push_str(&self.opaque);
        }
        if self.force_query || !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            match as_written(&self.raw_fragment, &self.fragment, Part::Fragment) {
                Some(raw) => out.push_str(raw),
                None => out.push_str(&escape(&self.fragment, Part::Fragment)),
            }
        }
        out
    }

    fn print_hierarchy(&self, out: &mut String) {
        let authority = !self.host.is_empty() || self.user.is_some();
        if authority || !self.scheme.is_empty() && !self.omit_host {
            if authority || !self.path.is_empty() {
                out.push_str("//");
            }
            if let Some(user) = &self.user {
                out.push_str(user);
                out.push('@');
            }
            out.push_str(&escape(&self.host, Part::Host));
        }
        let path = self.escaped_path();
        if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
            out.push('/');
        }
        if out.is_empty() && first_segment(&path).contains(':') {
            out.push_str("./");
        }
        out.push_str(&path);
    }
}

fn first_segment(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// A part as it was written, if that is a good form of it.
fn as_written<'a>(raw: &'a str, plain: &[u8], part: Part) -> Option<&'a str> {
    let valid = |b: u8| b"!$&'()*+,;=:@[]%".contains(&b) || !escaped(b, part);
    let good = !raw.is_empty()
        && raw.bytes().all(valid)
        && unescape(raw, part).is_ok_and(|bytes| bytes == plain);
    good.then_some(raw)
}

fn scheme(text: &str) -> Result<(&str, &str), Flaw> {
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return flaw("missing protocol scheme"),
            b':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

/// Nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

fn check_port(port: &str) -> Result<(), Flaw> {
    if is_port(port) {
        return Ok(());
    }
    let port = gotext::quote(port.as_bytes());
    flaw(format!("invalid port {port} after host"))
}

fn read_host(scheme: &str, host: &str) -> Result<Vec<u8>, Flaw> {
    match host.rfind('[') {
        Some(0) => return read_ip_literal(host),
        Some(_) => return flaw("invalid IP-literal"),
        None => {}
    }
    let strict = matches!(scheme, "http" | "https");
    let colon = if strict {
        host.find(':')
    } else {
        host.rfind(':')
    };
    if let Some(colon) = colon {
        check_port(&host[colon..])?;
    }
    unescape(host, Part::Host)
}

/// `[fe80::1%25en0]:80`
fn read_ip_literal(host: &str) -> Result<Vec<u8>, Flaw> {
    let Some(end) = host.rfind(']') else {
        return flaw("missing ']' in host");
    };
    let port = &host[end + 1..];
    check_port(port)?;
    let name = &host[1..end];
    let (address, zone) = name.split_at(name.find("%25").unwrap_or(name.len()));
    let mut bytes = unescape(address, Part::Host)?;
    bytes.extend(unescape(zone, Part::Zone)?);
    let text = String::from_utf8_lossy(&bytes);
    match network::parse_address(&text) {
        Err(reason) => return flaw(format!("invalid host: {reason}")),
        Ok(network::Kind::V4) => return flaw("invalid IP-literal"),
        Ok(network::Kind::V6 { .. }) => {}
    }
    Ok([b"[".as_slice(), &bytes, b"]", port.as_bytes()].concat())
}

/// Source: Go `resolvePath`.
fn resolve_path(base: &str, reference: &str) -> String {
    let full = if reference.is_empty() {
        base.to_owned()
    } else if reference.starts_with('/') {
        reference.to_owned()
    } else {
        let end = base.rfind('/').map_or(0, |slash| slash + 1);
        format!("{}{reference}", &base[..end])
    };
    if full.is_empty() {
        return full;
    }
    let mut out = String::from("/");
    let mut first = true;
    let mut last = "";
    for element in full.split('/') {
        last = element;
        match element {
            "." => first = false,
            ".." => {
                let end = out[1..].rfind('/').map_or(1, |slash| slash + 1);
                out.truncate(end);
                first = out.len() == 1;
            }
            _ => {
                if !first {
                    out.push('/');
                }
                out.push_str(element);
                first = false;
            }
        }
    }
    if matches!(last, "." | "..") {
        out.push('/');
    }
    match out.strip_prefix('/') {
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_resolve_and_print_as_in_go() {
        for (base, reference, want) in [
            (
                "file:///values.schema.json",
                "defs.json",
                "file:///defs.json",
            ),
            (
                "file:///values.schema.json",
                "../a/./b.json",
                "file:///a/b.json",
            ),
            (
                "file:///values.schema.json",
                "",
                "file:///values.schema.json",
            ),
            (
                "file:///values.schema.json",
                "http://h:80/a%2fb?x",
                "http://h:80/a%2fb?x",
            ),
            ("file:///values.schema.json", "//h/x y", "file://h/x%20y"),
            ("http://h/a/b/c", "../d?", "http://h/a/d?"),
            ("http://h/a/b/c", "..", "http://h/a/"),
            ("http://u:p%40@h/a", "/[x]", "http://u:p%40@h/[x]"),
            ("urn:a:b", "c", "urn:a:b"),
            ("urn:a:b", "urn:x:y", "urn:x:y"),
            ("a/b", "c", "/a/c"),
            ("http://[::1]:1/", "x", "http://[::1]:1/x"),
            ("file:/a/b", "c", "file:///a/c"),
            ("http:/a", "http:/b/../c", "http:/c"),
        ] {
            let base = Address::parse(base).expect("an address");
            let reference = Address::parse(reference).expect("an address");
            assert_eq!(base.resolve(&reference).text(), want);
        }
    }

    #[test]
    fn flaws_are_in_the_words_of_go() {
        for (text, want) in [
            (":x", "parse \":x\": missing protocol scheme"),
            (
                "1:b/c",
                "parse \"1:b/c\": first path segment in URL cannot contain colon",
            ),
            (
                "http://a:b/",
                "parse \"http://a:b/\": invalid port \":b\" after host",
            ),
            (
                "http://a/%zz",
                "parse \"http://a/%zz\": invalid URL escape \"%zz\"",
            ),
            (
                "http://a\n",
                "parse \"http://a\\n\": net/url: invalid control character in URL",
            ),
            (
                "http://a b",
                "parse \"http://a b\": invalid character \" \" in host name",
            ),
            ("http://[::1", "parse \"http://[::1\": missing ']' in host"),
            (
                "http://[1.2.3.4]",
                "parse \"http://[1.2.3.4]\": invalid IP-literal",
            ),
            ("http://a[", "parse \"http://a[\": invalid IP-literal"),
            (
                "http://a:1:2/",
                "parse \"http://a:1:2/\": invalid port \":1:2\" after host",
            ),
            (
                "http://a<b@c",
                "parse \"http://a<b@c\": net/url: invalid userinfo",
            ),
            (
                "http://%41/",
                "parse \"http://%41/\": invalid URL escape \"%41\"",
            ),
        ] {
            let got = Address::parse(text).err().map(|e| e.to_string());
            assert_eq!(got.as_deref(), Some(want), "{text}");
        }
    }
}
