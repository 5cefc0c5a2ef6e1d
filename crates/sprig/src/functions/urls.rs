//! Taking addresses apart and putting them together.
//!
//! In: texts, dictionaries with the parts. Out: the other. Source: sprig `url.go`, Go `net/url`.

use gotemplate::{CallError, Functions, Map, Str, Value};
use std::fmt::Write as _;

use super::support::{fail, kind, lossy};

pub(super) fn add(functions: &mut Functions) {
    functions
        .add("urlParse", |text: Str| {
            let text = lossy(&text);
            match Url::parse(&text) {
                Ok(url) => Ok(url.into_map()),
                Err(reason) => {
                    let quoted = crate::gotext::quote(text.as_bytes());
                    fail(format!("unable to parse url: parse {quoted}: {reason}"))
                }
            }
        })
        .add("urlJoin", |parts: Map| join(&parts));
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Url {
    scheme: String,
    opaque: String,
    user: Option<String>,
    host: String,
    /// Unescaped.
    path: String,
    query: String,
    force_query: bool,
    /// Unescaped.
    fragment: String,
}

impl Url {
    fn parse(text: &str) -> Result<Self, String> {
        if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut url = Self {
            fragment: unescape(fragment, false)?,
            ..Self::default()
        };
        if text == "*" {
            "*".clone_into(&mut url.path);
            return Ok(url);
        }
        let (scheme, mut rest) = scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        if let Some((before, query)) = rest.split_once('?') {
            url.force_query = query.is_empty();
            query.clone_into(&mut url.query);
            rest = before;
        }
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                rest.clone_into(&mut url.opaque);
                return Ok(url);
            }
            if rest
                .split('/')
                .next()
                .is_some_and(|first| first.contains(':'))
            {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        if (!url.scheme.is_empty() || !rest.starts_with("///")) && rest.starts_with("//") {
            let authority = &rest[2..];
            let end = authority.find('/').unwrap_or(authority.len());
            rest = &authority[end..];
            url.authority(&authority[..end])?;
        }
        url.path = unescape(rest, false)?;
        Ok(url)
    }

    fn authority(&mut self, authority: &str) -> Result<(), String> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if let Some(user) = user {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
            if !user.bytes().all(allowed) {
                return Err("net/url: invalid userinfo".to_owned());
            }
            self.user = Some(userinfo(user)?);
        }
        let port = match host.rfind(']') {
            Some(end) => &host[end + 1..],
            None if host.starts_with('[') => return Err("missing ']' in host".to_owned()),
            None => host.rfind(':').map_or("", |colon| &host[colon..]),
        };
        let good = port.is_empty()
            || port.starts_with(':') && port[1..].bytes().all(|b| b.is_ascii_digit());
        if !good {
            let port = crate::gotext::quote(port.as_bytes());
            return Err(format!("invalid port {port} after host"));
        }
        self.host = unescape(host, true)?;
        Ok(())
    }

    /// The host without its port and brackets.
    fn hostname(&self) -> &str {
        let host = self.host.as_str();
        let name = match host.rfind(':') {
            Some(colon) if host[colon + 1..].bytes().all(|b| b.is_ascii_digit()) => &host[..colon],
            _ => host,
        };
        name.strip_prefix('[')
            .and_then(|n| n.strip_suffix(']'))
            .unwrap_or(name)
    }

    fn into_map(self) -> Map {
        let hostname = self.hostname().to_owned();
        [
            ("scheme", self.scheme),
            ("host", self.host),
            ("hostname", hostname),
            ("path", self.path),
            ("query", self.query),
            ("opaque", self.opaque),
            ("fragment", self.fragment),
            ("userinfo", self.user.unwrap_or_default()),
        ]
        .into_iter()
        .map(|(name, part)| (name, Value::from(part)))
        .collect()
    }

    /// Source: Go `URL.String`.
    fn text(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            let user = self.user.as_deref();
            if !self.scheme.is_empty() || !self.host.is_empty() || user.is_some() {
                if !self.host.is_empty() || !self.path.is_empty() || user.is_some() {
                    out.push_str("//");
                }
                if let Some(user) = user {
                    out.push_str(user);
                    out.push('@');
                }
                out.push_str(&escape(&self.host, b"!$&'()*+,;=:[]<>\""));
            }
            let path = escape(&self.path, b"$&+,/:;=@!'()*");
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty()
                && path
                    .split('/')
                    .next()
                    .is_some_and(|first| first.contains(':'))
            {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if self.force_query || !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&escape(&self.fragment, b"$&+,/:;=?@!()*'"));
        }
        out
    }
}

fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

/// User and password, each escaped the way Go prints them.
fn userinfo(text: &str) -> Result<String, String> {
    let allowed = b"$&+,;=!'()*";
    let part = |part: &str| unescape(part, false).map(|plain| escape(&plain, allowed));
    match text.split_once(':') {
        None => part(text),
        Some((user, password)) => Ok(format!("{}:{}", part(user)?, part(password)?)),
    }
}

fn unescape(text: &str, host: bool) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if host && byte < 0x80 && b" \\^`{|}".contains(&byte) {
                let shown = crate::gotext::quote(&[byte]);
                return Err(format!("invalid character {shown} in host name"));
            }
            out.push(byte);
            continue;
        }
        let rest: Vec<u8> = bytes.by_ref().take(2).collect();
        let digits = String::from_utf8_lossy(&rest).into_owned();
        let code = u8::from_str_radix(&digits, 16)
            .ok()
            .filter(|_| rest.len() == 2);
        let Some(code) = code else {
            let shown = crate::gotext::quote(format!("%{digits}").as_bytes());
            return Err(format!("invalid URL escape {shown}"));
        };
        out.push(code);
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Percent-escapes all but letters, digits, `-_.~` and `allowed`.
fn escape(text: &str, allowed: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || allowed.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn join(parts: &Map) -> Result<String, CallError> {
    let part = |name: &str| match parts.get(name.as_bytes()) {
        None => Ok(String::new()),
        Some(Value::Str(text)) => Ok(lossy(&text).into_owned()),
        Some(other) => fail(format!(
            "unable to parse {name} key, must be of type string, but {} found",
            kind(&other)
        )),
    };
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        ..Url::default()
    };
    let user = part("userinfo")?;
    if !user.is_empty() {
        let parsed = Url::parse(&format!("proto://{user}@host"));
        url.user = match parsed {
            Ok(parsed) => parsed.user,
            Err(reason) => {
                let quoted = crate::gotext::quote(format!("proto://{user}@host").as_bytes());
                return fail(format!(
                    "unable to parse userinfo in dict: parse {quoted}: {reason}"
                ));
            }
        };
    }
    Ok(url.text())
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
            assert_eq!(Url::parse(text).map(|url| url.text()), Ok(text.to_owned()));
        }
        let url = Url::parse("http://u:p@host.com:8080/p").expect("parses");
        assert_eq!(
            (url.hostname(), url.user.as_deref()),
            ("host.com", Some("u:p"))
        );
    }

    #[test]
    fn bad_addresses_are_refused() {
        for (text, want) in [
            (":x", "missing protocol scheme"),
            ("http://a:b/", "invalid port \":b\" after host"),
            ("http://a/%zz", "invalid URL escape \"%zz\""),
            ("a:b/c", ""),
            ("1:b/c", "first path segment in URL cannot contain colon"),
            ("http://[::1", "missing ']' in host"),
            ("http://a\n", "net/url: invalid control character in URL"),
        ] {
            assert_eq!(Url::parse(text).err().unwrap_or_default(), want, "{text:?}");
        }
    }
}
