//! `metav1.Status`: how every failure reaches a client.
//!
//! Codes, reasons and texts follow apimachinery's `api/errors/errors.go`; clients compare them.

use apimachinery::field::{self, FieldError};
use http::StatusCode;
use serde_json::{Value, json};

use crate::store::{self, GroupResource};

/// A failed request, as a client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// HTTP status.
    pub code: StatusCode,
    /// Machine-readable reason, such as `NotFound`.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
    /// `details`, or null.
    pub details: Value,
    /// `metadata.continue` of an expired list, or empty.
    pub resume: String,
}

impl Status {
    /// A status without details.
    pub(crate) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
            resume: String::new(),
        }
    }

    fn about(
        code: StatusCode,
        reason: &'static str,
        resource: &GroupResource,
        name: &str,
        message: String,
    ) -> Self {
        let details = details(resource.group(), resource.plural(), name);
        Self {
            details,
            ..Self::new(code, reason, message)
        }
    }

    /// `deployments.apps "web" not found`.
    pub(crate) fn not_found(resource: &GroupResource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.as_str());
        Self::about(StatusCode::NOT_FOUND, "NotFound", resource, name, message)
    }

    /// The path names nothing this server knows. Such answers are plain text on a real server.
    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "", "404 page not found")
    }

    /// A path below a resource or a group that has no such part.
    pub(crate) fn no_such_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self {
            details: json!({}),
            ..Self::new(StatusCode::NOT_FOUND, "NotFound", message)
        }
    }

    /// `configmaps "a" already exists`.
    pub(crate) fn already_exists(resource: &GroupResource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.as_str());
        Self::about(
            StatusCode::CONFLICT,
            "AlreadyExists",
            resource,
            name,
            message,
        )
    }

    /// The operation clashes with the object's state; `why` says how.
    pub(crate) fn conflict(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            resource.as_str()
        );
        Self::about(StatusCode::CONFLICT, "Conflict", resource, name, message)
    }

    /// The writer saw an older revision.
    pub(crate) fn modified(resource: &GroupResource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        Self::conflict(resource, name, why)
    }

    /// `Deployment.apps "web" is invalid: spec.x: Required value`.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let full = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let mut details = details(group, kind, name);
        if !errors.is_empty() {
            details["causes"] = errors.iter().map(FieldError::to_cause).collect();
        }
        let message = format!("{full} \"{name}\" is invalid: {}", field::aggregate(errors));
        let code = StatusCode::UNPROCESSABLE_ENTITY;
        Self {
            details,
            ..Self::new(code, "Invalid", message)
        }
    }

    /// The request itself is malformed.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// The user may not do this to the object.
    pub(crate) fn forbidden(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = if resource.as_str().is_empty() {
            format!("forbidden: {why}")
        } else if name.is_empty() {
            format!("{} is forbidden: {why}", resource.as_str())
        } else {
            format!("{} \"{name}\" is forbidden: {why}", resource.as_str())
        };
        Self::about(StatusCode::FORBIDDEN, "Forbidden", resource, name, message)
    }

    /// No or wrong credentials.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// The path exists, the verb does not.
    pub(crate) fn method_not_allowed() -> Self {
        Self {
            details: json!({}),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            )
        }
    }

    /// Something real clusters have and this one does not; `what` names it.
    pub(crate) fn not_implemented(what: &str) -> Self {
        let message = format!("the sandbox does not implement {what}");
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    /// The history no longer reaches back that far.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// The server is at fault.
    pub(crate) fn internal(why: &str) -> Self {
        let message = format!("Internal error occurred: {why}");
        Self {
            details: json!({"causes": [{"message": why}]}),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
        }
    }

    /// The object would not fit into etcd.
    pub(crate) fn too_large_for_etcd() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "",
            "etcdserver: request is too large",
        )
    }

    /// The body exceeds the server's limit.
    pub(crate) fn body_too_large(limit_bytes: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit_bytes}");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            message,
        )
    }

    /// The body's media type has no decoder.
    pub(crate) fn unsupported_media_type(supported: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            supported.join(", ")
        );
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            message,
        )
    }

    /// None of the accepted media types can be served.
    pub(crate) fn not_acceptable(supported: &[&str]) -> Self {
        let message = format!(
            "only the following media types are accepted: {}",
            supported.join(", ")
        );
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// A failed store operation on one object.
    pub(crate) fn of_store(error: &store::Error, resource: &GroupResource, name: &str) -> Self {
        match error {
            store::Error::Exists => Self::already_exists(resource, name),
            store::Error::NotFound => Self::not_found(resource, name),
            store::Error::Conflict { .. } => Self::modified(resource, name),
            store::Error::Compacted { requested, oldest } => {
                Self::expired(format!("too old resource version: {requested} ({oldest})"))
            }
            store::Error::Future { requested, current } => Self {
                details: json!({
                    "retryAfterSeconds": 1,
                    "causes": [{"reason": "ResourceVersionTooLarge",
                                "message": "Too large resource version"}],
                }),
                ..Self::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "Timeout",
                    format!("Timeout: Too large resource version: {requested}, current: {current}"),
                )
            },
            store::Error::ReadOnly(_) => Self::internal(&error.to_string()),
        }
    }

    /// The `Status` object.
    pub fn to_value(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code.as_u16(),
        });
        if !self.resume.is_empty() {
            body["metadata"]["continue"] = self.resume.clone().into();
        }
        if !self.reason.is_empty() {
            body["reason"] = self.reason.into();
        }
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        body
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let mut details = json!({"kind": kind});
    if !name.is_empty() {
        details["name"] = name.into();
    }
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details
}

/// The `Status` object of a successful deletion that returns no object.
pub(crate) fn deleted(resource: &GroupResource, name: &str, uid: &str) -> Value {
    let mut details = details(resource.group(), resource.plural(), name);
    details["uid"] = uid.into();
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    })
}
