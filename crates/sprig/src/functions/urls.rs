//! Taking addresses apart and putting them together.
//!
//! In: texts, dictionaries with the parts. Out: the other. Source: sprig `url.go`.

use gotemplate::{CallError, Functions, Map, Str, Value};

use super::support::{NIL_DEREFERENCE, fail, kind};
use crate::gourl::Url;

pub(super) fn add(functions: &mut Functions) {
    functions
        .add("urlParse", |text: Str| match Url::parse(&text) {
            Ok(url) => Ok(parts(url)),
            Err(reason) => fail(format!("unable to parse url: {reason}")),
        })
        .add("urlJoin", |parts: Map| join(&parts));
}

fn parts(url: Url) -> Map {
    let hostname = url.hostname().to_vec();
    [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", hostname),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", url.user.unwrap_or_default()),
    ]
    .into_iter()
    .map(|(name, part)| (name, Value::str(part)))
    .collect()
}

fn join(parts: &Map) -> Result<Vec<u8>, CallError> {
    let part = |name: &str| match parts.get(name.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::Str(text)) => Ok(text.to_vec()),
        Some(Value::Nil) => fail(NIL_DEREFERENCE),
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
        user: None,
    };
    let user = part("userinfo")?;
    if !user.is_empty() {
        let address = [b"proto://".as_slice(), &user, b"@host"].concat();
        url.user = match Url::parse(&address) {
            Ok(parsed) => parsed.user,
            Err(reason) => {
                return fail(format!("unable to parse userinfo in dict: {reason}"));
            }
        };
    }
    Ok(url.text())
}
