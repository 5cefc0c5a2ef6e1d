//! Query parameters and the rules between them.

use apimachinery::field::{FieldError, Path};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::rest::FieldValidation;
use crate::status::Status;
use crate::store::ObjectKey;

/// The parameters of a request; of repeated ones the first counts.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// A parameter, empty if absent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// Whether a parameter is there, with or without a value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }

    fn number(&self, name: &str) -> Result<u64, Status> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(0);
        }
        text.parse::<i64>()
            .map(|number| number.max(0) as u64)
            .map_err(|_| {
                Status::bad_request(format!(
                    "strconv.ParseInt: parsing {}: invalid syntax",
                    apimachinery::names::quote(text)
                ))
            })
    }

    /// The timeout of a watch in seconds, 0 if unset.
    pub(super) fn timeout_secs(&self) -> Result<u64, Status> {
        self.number("timeoutSeconds")
    }

    /// Whether the write is a dry run.
    ///
    /// # Errors
    /// For values other than `All`.
    pub(super) fn dry_run(&self, kind: &str) -> Result<bool, Status> {
        match self.get("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                let given = serde_json::json!([other]);
                let error = FieldError::not_supported(&Path::new("dryRun"), given, &["All"]);
                Err(Status::invalid("meta.k8s.io", kind, "", &[error]))
            }
        }
    }

    /// The treatment of unknown fields.
    ///
    /// # Errors
    /// For unknown values.
    pub(super) fn field_validation(&self, kind: &str) -> Result<FieldValidation, Status> {
        match self.get("fieldValidation") {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => {
                let known = ["", "Ignore", "Strict", "Warn"];
                let error = FieldError::not_supported(&Path::new("fieldValidation"), other, &known);
                Err(Status::invalid("meta.k8s.io", kind, "", &[error]))
            }
        }
    }
}

/// Which state a list or watch wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The newest.
    Newest,
    /// This revision exactly.
    Exact(u64),
    /// The newest, if it is not older than this revision.
    NotOlder(u64),
}

/// The paging and version parameters of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListOptions {
    pub(super) at: At,
    pub(super) limit: usize,
    pub(super) after: Option<ObjectKey>,
}

/// A continue token: where the next page begins, at which revision.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    v: String,
    rv: i64,
    start: String,
}

/// A token for the page behind `last`. `revision` `None` continues on the newest state.
pub(super) fn continue_token(last: &ObjectKey, revision: Option<u64>) -> String {
    let token = Token {
        v: "meta.k8s.io/v1".to_owned(),
        rv: revision.map_or(-1, |revision| revision as i64),
        start: format!("{}/{}", last.namespace, last.name),
    };
    // A struct of strings and a number always encodes.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

fn read_token(text: &str) -> Result<(ObjectKey, i64), Status> {
    let bad = |why: &str| {
        let message = format!("invalid continue token: continue key is not valid: {why}");
        Status::bad_request(message)
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|error| bad(&apimachinery::builtin::base64_text(&error)))?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|error| bad(&error.to_string()))?;
    if token.v != "meta.k8s.io/v1" {
        return Err(bad(&format!(
            "server does not recognize this encoded version {}",
            apimachinery::names::quote(&token.v)
        )));
    }
    let (namespace, name) = token
        .start
        .split_once('/')
        .ok_or_else(|| bad("malformed start"))?;
    if token.rv == 0 {
        return Err(bad(
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ));
    }
    Ok((ObjectKey::new(namespace, name), token.rv))
}

impl ListOptions {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// `BadRequest` or `Invalid` for combinations the API server refuses. Source: apimachinery
    /// `pkg/apis/meta/internalversion/validation`.
    pub(super) fn read(query: &Query) -> Result<Self, Status> {
        let limit = query.number("limit")? as usize;
        let version = query.get("resourceVersion");
        let matching = query.get("resourceVersionMatch");
        let token = query.get("continue");
        if query.get("watch").is_empty() && !query.get("sendInitialEvents").is_empty() {
            let why = "sendInitialEvents is forbidden for list";
            return Err(forbidden("sendInitialEvents", why));
        }
        if !matching.is_empty() {
            if version.is_empty() {
                let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                return Err(forbidden("resourceVersionMatch", why));
            }
            if !token.is_empty() {
                let why = "resourceVersionMatch is forbidden when continue is provided";
                return Err(forbidden("resourceVersionMatch", why));
            }
        }
        if !token.is_empty() {
            if !version.is_empty() && version != "0" {
                return Err(Status::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            let (after, revision) = read_token(token)?;
            let at = if revision < 0 {
                At::Newest
            } else {
                At::Exact(revision as u64)
            };
            return Ok(Self {
                at,
                limit,
                after: Some(after),
            });
        }
        let at = match (matching, version) {
            (_, "") => At::Newest,
            ("Exact", "0") => {
                let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                return Err(forbidden("resourceVersionMatch", why));
            }
            ("Exact", version) => At::Exact(parse_version(version)?),
            // Without a match rule, a paged list shows exactly the version named.
            ("", version) if limit > 0 && version != "0" => At::Exact(parse_version(version)?),
            ("" | "NotOlderThan", version) => At::NotOlder(parse_version(version)?),
            (other, _) => {
                let known = ["Exact", "NotOlderThan", ""];
                let at = Path::new("resourceVersionMatch");
                let error = FieldError::not_supported(&at, other, &known);
                return Err(Status::invalid("meta.k8s.io", "ListOptions", "", &[error]));
            }
        };
        Ok(Self {
            at,
            limit,
            after: None,
        })
    }
}

/// The revision a watch starts behind, and whether it begins with the present objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WatchStart {
    /// Present objects as additions, then changes.
    State(u64),
    /// Present objects, a bookmark that says so, then changes.
    Streaming(u64),
    /// Only changes behind this revision.
    Changes(u64),
    /// Only changes from now.
    Now,
}

/// Reads where a watch starts.
///
/// # Errors
/// `Invalid` for combinations the API server refuses.
pub(super) fn watch_start(query: &Query) -> Result<WatchStart, Status> {
    let version = query.get("resourceVersion");
    let initial = query.get("sendInitialEvents");
    let matching = query.get("resourceVersionMatch");
    if initial.is_empty() {
        if !matching.is_empty() {
            let why =
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            return Err(forbidden("resourceVersionMatch", why));
        }
        return Ok(match version {
            "" | "0" => WatchStart::State(0),
            version => WatchStart::Changes(parse_version(version)?),
        });
    }
    if matching.is_empty() {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return Err(forbidden("resourceVersionMatch", why));
    }
    if matching != "NotOlderThan" {
        let at = Path::new("resourceVersionMatch");
        let error = FieldError::not_supported(&at, matching, &["NotOlderThan"]);
        return Err(Status::invalid("meta.k8s.io", "ListOptions", "", &[error]));
    }
    let revision = if version.is_empty() {
        0
    } else {
        parse_version(version)?
    };
    Ok(match (query.is_set("sendInitialEvents"), revision) {
        (true, revision) => WatchStart::Streaming(revision),
        (false, 0) => WatchStart::Now,
        (false, revision) => WatchStart::Changes(revision),
    })
}

fn forbidden(field: &str, why: &str) -> Status {
    let error = FieldError::forbidden(&Path::new(field), why);
    Status::invalid("meta.k8s.io", "ListOptions", "", &[error])
}

fn parse_version(text: &str) -> Result<u64, Status> {
    text.parse().map_err(|_| {
        let error = FieldError::invalid(
            &Path::new("resourceVersion"),
            text,
            format!(
                "strconv.ParseUint: parsing {}: invalid syntax",
                apimachinery::names::quote(text)
            ),
        );
        Status::invalid("", "", "", &[error])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<ListOptions, Status> {
        ListOptions::read(&Query::parse(text))
    }

    #[test]
    fn lists_choose_their_state() {
        let cases = [
            ("", At::Newest),
            ("resourceVersion=0", At::NotOlder(0)),
            ("resourceVersion=5", At::NotOlder(5)),
            ("resourceVersion=5&limit=2", At::Exact(5)),
            ("resourceVersion=0&limit=2", At::NotOlder(0)),
            ("resourceVersion=5&resourceVersionMatch=Exact", At::Exact(5)),
            (
                "resourceVersion=5&limit=2&resourceVersionMatch=NotOlderThan",
                At::NotOlder(5),
            ),
        ];
        for (text, want) in cases {
            assert_eq!(list(text).unwrap().at, want, "{text}");
        }
    }

    #[test]
    fn contradictory_lists_are_refused() {
        for text in [
            "resourceVersionMatch=Exact",
            "resourceVersionMatch=Exact&resourceVersion=0",
            "resourceVersionMatch=Newest&resourceVersion=1",
            "resourceVersion=x",
            "limit=x",
            "continue=x",
            "continue=e30",
            "sendInitialEvents=true",
        ] {
            assert!(list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_is_read_back() {
        let key = ObjectKey::new("a", "b");
        let text = format!("limit=3&continue={}", continue_token(&key, Some(7)));
        let want = ListOptions {
            at: At::Exact(7),
            limit: 3,
            after: Some(key.clone()),
        };
        assert_eq!(list(&text).unwrap(), want);
        let text = format!("continue={}", continue_token(&key, None));
        assert_eq!(list(&text).unwrap().at, At::Newest);
    }

    #[test]
    fn watches_choose_their_start() {
        let start = |text: &str| watch_start(&Query::parse(text));
        let not_older = "&resourceVersionMatch=NotOlderThan";
        assert_eq!(start(""), Ok(WatchStart::State(0)));
        assert_eq!(start("resourceVersion=9"), Ok(WatchStart::Changes(9)));
        let text = format!("sendInitialEvents=true{not_older}");
        assert_eq!(start(&text), Ok(WatchStart::Streaming(0)));
        let text = format!("sendInitialEvents=false{not_older}");
        assert_eq!(start(&text), Ok(WatchStart::Now));
        assert!(start("sendInitialEvents=true").is_err());
        assert!(start("resourceVersionMatch=NotOlderThan").is_err());
        assert!(start("resourceVersion=-1").is_err());
    }
}
