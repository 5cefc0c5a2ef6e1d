//! What servers say: pages, refusals, objects. Nothing here logs or quotes a body (invariant T-1).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::{Error, Target};
use crate::kind::{Kind, ObjectKey, ObjectMeta};

#[derive(Deserialize)]
pub(crate) struct Page<'a> {
    #[serde(default)]
    pub(crate) metadata: PageMeta,
    #[serde(borrow, default)]
    pub(crate) items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PageMeta {
    pub(crate) resource_version: String,
    #[serde(rename = "continue")]
    pub(crate) next: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
    details: Option<StatusDetails>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatusDetails {
    retry_after_seconds: u32,
}

pub(crate) fn refusal(
    verb: &'static str,
    kind: &Kind,
    key: &ObjectKey,
    code: http::StatusCode,
    body: &[u8],
) -> Error {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let at = Target::new(verb, kind, key);
    if code == http::StatusCode::NOT_FOUND {
        return Error::NotFound { at };
    }
    let message = if status.message.is_empty() {
        format!("the server answered {code}")
    } else {
        status.message
    };
    let retry_after_secs = status.details.unwrap_or_default().retry_after_seconds;
    let (code, reason) = (code.as_u16(), status.reason);
    Error::Refused {
        at,
        code,
        reason,
        message,
        retry_after_secs,
    }
}

pub(crate) fn decode<T: DeserializeOwned>(
    verb: &'static str,
    kind: &Kind,
    key: &ObjectKey,
    bytes: &[u8],
) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| undecodable(verb, kind, key, &error))
}

pub(crate) fn decode_borrowed<'a, T: Deserialize<'a>>(
    verb: &'static str,
    kind: &Kind,
    key: &ObjectKey,
    bytes: &'a [u8],
) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| undecodable(verb, kind, key, &error))
}

/// serde's own text may quote the offending value, which may be a secret: only its position stays.
pub(crate) fn position(error: &serde_json::Error) -> String {
    format!(
        "{:?} error at line {} column {}",
        error.classify(),
        error.line(),
        error.column()
    )
}

fn undecodable(
    verb: &'static str,
    kind: &Kind,
    key: &ObjectKey,
    error: &serde_json::Error,
) -> Error {
    Error::Decode {
        at: Target::new(verb, kind, key),
        position: position(error),
    }
}

pub(crate) fn log_undecodable(kind: &Kind, object: &str, error: &serde_json::Error) {
    let meta: ObjectMeta = serde_json::from_str(object).unwrap_or_default();
    let key = ObjectKey::new(meta.metadata.namespace, meta.metadata.name);
    tracing::error!(%kind, object = %key, error = position(error), "skip an object that does not decode");
}
