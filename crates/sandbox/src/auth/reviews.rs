//! Reviews: questions about tokens and permissions, answered and not stored.

use serde_json::{Value, json};

use super::{AUTHENTICATED, Attributes, User, rbac};
use crate::auth::token::ISSUER;
use crate::object;
use crate::registry::Resource;
use crate::rest::Call;
use crate::status::Status;
use apimachinery::field::{FieldError, Path};

/// Whether the resource is a question.
pub(crate) fn is_review(resource: &Resource) -> bool {
    matches!(
        resource.group.as_str(),
        "authentication.k8s.io" | "authorization.k8s.io"
    )
}

/// Answers a review.
///
/// # Errors
/// `BadRequest` and `Invalid` for reviews that ask nothing or two things.
pub(crate) fn answer(call: &Call, mut review: Value) -> Result<Value, Status> {
    if !review.is_object() {
        return Err(Status::bad_request(
            "the body of the request is not an object",
        ));
    }
    let status = match call.resource.plural.as_str() {
        "tokenreviews" => token(call, &review)?,
        "selfsubjectreviews" => json!({"userInfo": call.user.to_value()}),
        "subjectaccessreviews" | "localsubjectaccessreviews" => {
            let user = subject(call, &review)?;
            access(call, &user, &review)?
        }
        "selfsubjectaccessreviews" => access(call, &call.user, &review)?,
        "selfsubjectrulesreviews" => rules(call, &review)?,
        other => return Err(Status::not_implemented(other)),
    };
    let fields = object::as_object_mut(&mut review);
    fields.insert("kind".to_owned(), call.resource.kind.clone().into());
    fields.insert(
        "apiVersion".to_owned(),
        call.resource.api_version.clone().into(),
    );
    fields.insert("status".to_owned(), status);
    let meta = object::metadata_mut(&mut review);
    meta.entry("creationTimestamp").or_insert(Value::Null);
    Ok(review)
}

fn token(call: &Call, review: &Value) -> Result<Value, Status> {
    let text = object::str_at(review, &["spec", "token"]);
    if text.is_empty() {
        return Err(Status::bad_request(
            "token is required for TokenReview in authentication",
        ));
    }
    let Some(user) = call.cluster.authenticate(text) else {
        return Ok(json!({"authenticated": false, "user": {}}));
    };
    let offered = call
        .cluster
        .verify(text)
        .map_or_else(|| vec![ISSUER.to_owned()], |c| c.aud);
    let asked = object::strings_at(review, &["spec", "audiences"]);
    let audiences: Vec<String> = if asked.is_empty() {
        offered
            .into_iter()
            .filter(|audience| audience == ISSUER)
            .collect()
    } else {
        offered
            .into_iter()
            .filter(|audience| asked.contains(&audience.as_str()))
            .collect()
    };
    if audiences.is_empty() {
        return Ok(json!({"authenticated": false, "user": {},
            "error": "token audiences do not match the audiences asked for"}));
    }
    Ok(json!({"authenticated": true, "user": user.to_value(), "audiences": audiences}))
}

fn subject(call: &Call, review: &Value) -> Result<User, Status> {
    let at = Path::new("spec");
    let spec = review.get("spec").cloned().unwrap_or_default();
    let name = object::str_at(&spec, &["user"]).to_owned();
    let mut groups: Vec<String> = object::strings_at(&spec, &["groups"])
        .into_iter()
        .map(str::to_owned)
        .collect();
    if name.is_empty() && groups.is_empty() {
        let why = "at least one of user or group must be specified";
        return Err(call.invalid("", &[FieldError::invalid(&at.child("user"), "", why)]));
    }
    if call.resource.namespaced {
        let inside = object::str_at(&spec, &["resourceAttributes", "namespace"]);
        if inside != call.namespace {
            return Err(Status::bad_request(format!(
                "spec.resourceAttributes.namespace must match namespace: {}",
                call.namespace
            )));
        }
    }
    // Groups that authentication would add are not added: the review says who is meant.
    groups.retain(|group| !group.is_empty());
    let uid = object::str_at(&spec, &["uid"]).to_owned();
    Ok(User {
        name,
        uid,
        groups,
        ..User::default()
    })
}

fn access(call: &Call, user: &User, review: &Value) -> Result<Value, Status> {
    let at = Path::new("spec");
    let resource = object::at(review, &["spec", "resourceAttributes"]);
    let other = object::at(review, &["spec", "nonResourceAttributes"]);
    let wanted = match (resource, other) {
        (Some(resource), None) => {
            let text = |field: &str| object::str_at(resource, &[field]).to_owned();
            Attributes {
                verb: text("verb"),
                group: text("group"),
                resource: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
                path: String::new(),
            }
        }
        (None, Some(other)) => Attributes {
            verb: object::str_at(other, &["verb"]).to_owned(),
            path: object::str_at(other, &["path"]).to_owned(),
            ..Attributes::default()
        },
        (None, None) => {
            let why =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            let error = FieldError::invalid(&at.child("resourceAttributes"), Value::Null, why);
            return Err(call.invalid("", &[error]));
        }
        (Some(_), Some(other)) => {
            let why = "cannot be specified in combination with resourceAttributes";
            let error = FieldError::invalid(&at.child("nonResourceAttributes"), other.clone(), why);
            return Err(call.invalid("", &[error]));
        }
    };
    let allowed = call.cluster.rbac.allows(user, &wanted);
    let mut status = json!({"allowed": allowed});
    if let Some(reason) = call.cluster.rbac.reason(user, &wanted) {
        status["reason"] = reason.into();
    }
    Ok(status)
}

fn rules(call: &Call, review: &Value) -> Result<Value, Status> {
    let namespace = object::str_at(review, &["spec", "namespace"]);
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (mut resources, mut others) = (Vec::new(), Vec::new());
    for rbac::Rule {
        verbs,
        api_groups,
        resources: plurals,
        resource_names,
        non_resource_urls,
    } in call.cluster.rbac.rules(&call.user, namespace)
    {
        if !plurals.is_empty() {
            let mut rule = json!({"verbs": verbs, "apiGroups": api_groups, "resources": plurals});
            if !resource_names.is_empty() {
                rule["resourceNames"] = resource_names.into();
            }
            resources.push(rule);
        }
        if !non_resource_urls.is_empty() {
            others.push(json!({"verbs": verbs, "nonResourceURLs": non_resource_urls}));
        }
    }
    debug_assert!(call.user.groups.iter().any(|group| group == AUTHENTICATED));
    Ok(json!({"resourceRules": resources, "nonResourceRules": others, "incomplete": false}))
}
