//! Addresses as Go's `net/url` takes them apart and prints them.
//!
//! In: texts of any bytes. Out: the parts of an address, or Go's text of what is wrong. Source: Go
//! `net/url`: `Parse`, `URL.String`.

mod ip;

use crate::gotext::quote;

/// An address in parts. The path and the fragment are without escapes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Url {
    /// In lower case; empty if there is none.
    pub scheme: Vec<u8>,
    /// What follows the scheme of an address without slashes.
    pub opaque: Vec<u8>,
    /// Name and password, as Go escapes them.
    pub user: Option<Vec<u8>>,
    /// With the port.
    pub host: Vec<u8>,
    /// Begins with a slash if there is a host.
    pub path: Vec<u8>,
    /// Without the question mark.
    pub query: Vec<u8>,
    /// Without the number sign.
    pub fragment: Vec<u8>,
}

/// Bytes that stand for themselves in a part, besides letters, digits and `-._~`.
mod plain {
    pub(super) const PATH: &[u8] = b"$&+,/:;=@";
    pub(super) const HOST: &[u8] = b"!\"$&'()*+,:;<=>[]";
    pub(super) const USER: &[u8] = b"$&+,;=";
    pub(super) const FRAGMENT: &[u8] = b"!$&()*+,/:;=?@";
}

/// Which escapes a part may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Zone,
    Other,
}

impl Url {
    /// `url.Parse`.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let fault = |text: &[u8], fault: String| format!("parse {}: {fault}", quote(text));
        let (before, fragment) = cut(text, b'#');
        let mut url = Self::without_fragment(before).map_err(|reason| fault(before, reason))?;
        let fragment = unescape(fragment.unwrap_or_default(), Part::Other);
        url.fragment = fragment.map_err(|reason| fault(text, reason))?;
        Ok(url)
    }

    /// Whether a text is an absolute address as `url.ParseRequestURI` takes it, which knows no fragments.
    pub fn is_absolute(text: &[u8]) -> bool {
        Self::without_fragment(text).is_ok_and(|url| !url.scheme.is_empty())
    }

    fn without_fragment(text: &[u8]) -> Result<Self, String> {
        if text.iter().any(|b| *b < 0x20 || *b == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        if text == b"*" {
            url.path = b"*".to_vec();
            return Ok(url);
        }
        let (scheme, rest) = scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = cut(rest, b'?');
        url.query = query.unwrap_or_default().to_vec();
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let has_authority = !url.scheme.is_empty() || !rest.starts_with(b"///");
        if let Some(after) = rest.strip_prefix(b"//").filter(|_| has_authority) {
            let end = after.iter().position(|b| *b == b'/').unwrap_or(after.len());
            url.read_authority(&after[..end])?;
            rest = &after[end..];
        }
        url.path = unescape(rest, Part::Other)?;
        Ok(url)
    }

    fn read_authority(&mut self, authority: &[u8]) -> Result<(), String> {
        let (user, host) = match authority.iter().rposition(|b| *b == b'@') {
            Some(at) => (Some(&authority[..at]), &authority[at + 1..]),
            None => (None, authority),
        };
        self.host = host_of(&self.scheme, host)?;
        let Some(user) = user else { return Ok(()) };
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b);
        if !user.iter().all(allowed) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        let (name, password) = cut(user, b':');
        let part =
            |part: &[u8]| Ok::<_, String>(escape(&unescape(part, Part::Other)?, plain::USER));
        let mut shown = part(name)?;
        if let Some(password) = password {
            shown.push(b':');
            shown.extend(part(password)?);
        }
        self.user = Some(shown);
        Ok(())
    }

    /// The host without its port and brackets.
    pub(crate) fn hostname(&self) -> &[u8] {
        let host = match self.host.iter().rposition(|b| *b == b':') {
            Some(colon) if is_optional_port(&self.host[colon..]) => &self.host[..colon],
            _ => &self.host,
        };
        let inner = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]"));
        inner.unwrap_or(host)
    }

    /// `URL.String` of an address that was put together.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.push_hierarchy(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, plain::FRAGMENT));
        }
        out
    }

    fn push_hierarchy(&self, out: &mut Vec<u8>) {
        let has_host = !self.host.is_empty() || self.user.is_some();
        if has_host || !self.scheme.is_empty() && !self.path.is_empty() {
            out.extend_from_slice(b"//");
        }
        if let Some(user) = &self.user {
            out.extend_from_slice(user);
            out.push(b'@');
        }
        out.extend(escape(&self.host, plain::HOST));
        let path = match self.path.as_slice() {
            b"*" => b"*".to_vec(),
            path => escape(path, plain::PATH),
        };
        if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
            out.push(b'/');
        }
        if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}

/// The text before a byte and, if it is there, the text after it.
fn cut(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(i) => (&text[..i], Some(&text[i + 1..])),
        None => (text, None),
    }
}

fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (i, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn is_optional_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((colon, digits)) => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    }
}

fn checked_port(text: &[u8]) -> Result<(), String> {
    if is_optional_port(text) {
        Ok(())
    } else {
        Err(format!("invalid port {} after host", quote(text)))
    }
}

fn host_of(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    match host.iter().rposition(|b| *b == b'[') {
        Some(0) => return literal_host(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    if let Some(first) = host.iter().position(|b| *b == b':') {
        let is_web = scheme == b"http" || scheme == b"https";
        let last = host.iter().rposition(|b| *b == b':').unwrap_or(first);
        checked_port(&host[if is_web { first } else { last }..])?;
    }
    unescape(host, Part::Host)
}

/// An IPv6 address in brackets, perhaps with a zone, and a port.
fn literal_host(host: &[u8]) -> Result<Vec<u8>, String> {
    let Some(close) = host.iter().rposition(|b| *b == b']') else {
        return Err("missing ']' in host".to_owned());
    };
    checked_port(&host[close + 1..])?;
    let port = unescape(&host[close + 1..], Part::Host)?;
    let inner = &host[1..close];
    let name = match memchr::memmem::find(inner, b"%25") {
        Some(zone) => [
            unescape(&inner[..zone], Part::Host)?,
            unescape(&inner[zone..], Part::Zone)?,
        ]
        .concat(),
        None => unescape(inner, Part::Host)?,
    };
    match ip::parse(&name) {
        Err(error) => Err(format!("invalid host: {error}")),
        Ok(ip::Version::V4) => Err("invalid IP-literal".to_owned()),
        Ok(ip::Version::V6) => Ok([b"[".as_slice(), &name, b"]", &port].concat()),
    }
}

fn is_plain(byte: u8, plain: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || plain.contains(&byte)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            if part != Part::Other && byte < 0x80 && !is_plain(byte, plain::HOST) {
                let shown = quote(&[byte]);
                return Err(format!("invalid character {shown} in host name"));
            }
            out.push(byte);
            rest = after;
            continue;
        }
        let escape = &rest[..rest.len().min(3)];
        let code = match escape {
            [_, high, low] => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        let code = code.map(|(high, low)| high << 4 | low).filter(|code| {
            escape == b"%25"
                || match part {
                    Part::Host => *code >= 0x80,
                    Part::Zone => *code == b' ' || is_plain(*code, plain::HOST),
                    Part::Other => true,
                }
        });
        let Some(code) = code else {
            return Err(format!("invalid URL escape {}", quote(escape)));
        };
        out.push(code);
        rest = &rest[3..];
    }
    Ok(out)
}

/// Percent-escapes all but letters, digits, `-_.~` and `plain`.
fn escape(text: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if is_plain(*byte, plain) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_put_together() {
        for text in [
            "http://admin:secret@server.com:8080/a%20b?x=false#frag",
            "mailto:someone@example.com",
            "/just/a/path?q",
            "https://[::1]:443/",
        ] {
            let shown = Url::parse(text.as_bytes()).map(|url| url.text());
            assert_eq!(shown, Ok(text.as_bytes().to_vec()));
        }
        let url = Url::parse(b"http://u:p@host.com:8080/p").expect("parses");
        assert_eq!(
            (url.hostname(), url.user.as_deref()),
            (b"host.com".as_slice(), Some(b"u:p".as_slice()))
        );
    }

    #[test]
    fn bad_addresses_are_refused() {
        for (text, want) in [
            (":x", "missing protocol scheme"),
            ("http://a:b/", "invalid port \":b\" after host"),
            ("http://a/%zz", "invalid URL escape \"%zz\""),
            ("http://a%41/", "invalid URL escape \"%41\""),
            ("http://a:1:2/", "invalid port \":1:2\" after host"),
            ("x://a:1:2/", ""),
            ("a:b/c", ""),
            ("1:b/c", "first path segment in URL cannot contain colon"),
            ("http://[::1", "missing ']' in host"),
            ("http://[1.2.3.4]/", "invalid IP-literal"),
            (
                "http://[x]/",
                "invalid host: ParseAddr(\"x\"): unable to parse IP",
            ),
            ("http://a\n", "net/url: invalid control character in URL"),
        ] {
            let error = Url::parse(text.as_bytes()).err().unwrap_or_default();
            let reason = error.split_once("\": ").map_or("", |(_, reason)| reason);
            assert_eq!(reason, want, "{text:?}");
        }
    }
}
