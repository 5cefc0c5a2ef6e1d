//! Service accounts: the default one and the cluster's CA in every namespace, tokens in secrets and
//! on request.
//!
//! Source: kubernetes `pkg/controller/serviceaccount`, `pkg/controller/certificates/rootcacertpublisher`,
//! `pkg/registry/core/serviceaccount/storage/token.go`.

use std::sync::Arc;

use apimachinery::field::{FieldError, Path};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Controller;
use crate::auth::token::{Bound, Claims, ISSUER, Reference};
use crate::cluster::{ClusterState, reference, text_of};
use crate::object;
use crate::registry::Resource;
use crate::rest::Call;
use crate::rest::delete::DeleteOptions;
use crate::rest::local::Local;
use crate::status::Status;
use crate::store::{Change, Event, GroupResource, ObjectKey};

/// Type of secrets that hold a token.
const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";
const NAME_ANNOTATION: &str = "kubernetes.io/service-account.name";
const UID_ANNOTATION: &str = "kubernetes.io/service-account.uid";
const ROOT_CA: &str = "kube-root-ca.crt";
const DEFAULT: &str = "default";
/// Validity of requested tokens: default, least, most (`--service-account-max-token-expiration`).
const TOKEN_SECS: (i64, i64, i64) = (3_600, 600, 1 << 32);

/// See the module's text. Keys without a namespace are namespaces, others are secrets.
pub(super) struct ServiceAccounts;

impl Controller for ServiceAccounts {
    const NAME: &'static str = "serviceaccount-controller";

    fn keys(&mut self, event: &Event) -> Vec<ObjectKey> {
        let key = &event.entry.key;
        let gone = event.change == Change::Deleted;
        match event.resource.as_str() {
            "namespaces" if event.change == Change::Added => vec![key.clone()],
            "configmaps" if &*key.name == ROOT_CA && event.change != Change::Added => {
                vec![ObjectKey::new("", &key.namespace)]
            }
            // Its secrets are looked at as well: they wait for it or go with it.
            "serviceaccounts" if gone || event.change == Change::Added => {
                vec![
                    ObjectKey::new("", &key.namespace),
                    ObjectKey::new(&key.namespace, ""),
                ]
            }
            "secrets" if !gone && is_token_secret(event) => vec![key.clone()],
            _ => Vec::new(),
        }
    }

    fn all(&mut self, local: &Local) -> Vec<ObjectKey> {
        let Ok(namespaces) = local.resource("v1", "Namespace") else {
            return Vec::new();
        };
        let entries = local.entries(&namespaces, None);
        entries
            .iter()
            .flat_map(|entry| [entry.key.clone(), ObjectKey::new(&entry.key.name, "")])
            .collect()
    }

    fn reconcile(&mut self, local: &Local, key: &ObjectKey) -> bool {
        if key.namespace.is_empty() {
            return namespace(local, &key.name);
        }
        let Ok(secrets) = local.resource("v1", "Secret") else {
            return true;
        };
        if !key.name.is_empty() {
            return secret(local, &secrets, &key.namespace, &key.name);
        }
        let mut done = true;
        for entry in local.entries(&secrets, Some(&key.namespace)) {
            if entry.payload.field("type") == Some(TOKEN_TYPE.into()) {
                done &= secret(local, &secrets, &key.namespace, &entry.key.name);
            }
        }
        done
    }
}

fn is_token_secret(event: &Event) -> bool {
    event.entry.payload.field("type") == Some(TOKEN_TYPE.into())
}

/// Sees to it that a living namespace has its default account and the CA.
fn namespace(local: &Local, name: &str) -> bool {
    let Ok(namespaces) = local.resource("v1", "Namespace") else {
        return true;
    };
    let living = local
        .get(&namespaces, "", name)
        .is_some_and(|found| !object::is_deleting(&found));
    if !living {
        return true;
    }
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": DEFAULT, "namespace": name}});
    let ca = &local.cluster().shared.ca_pem;
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": ROOT_CA, "namespace": name, "annotations": {
            "kubernetes.io/description": "Contains a CA bundle that can be used to verify the \
             kube-apiserver when using internal endpoints such as the internal service IP or \
             kubernetes.default.svc. No other usage is guaranteed across distributions of \
             Kubernetes clusters."}},
        "data": {"ca.crt": ca}});
    ensure(local, "ServiceAccount", name, DEFAULT, account, |_| false)
        && ensure(local, "ConfigMap", name, ROOT_CA, config, |found| {
            if object::str_at(found, &["data", "ca.crt"]) == ca {
                return false;
            }
            object::as_object_mut(found).insert("data".to_owned(), json!({"ca.crt": ca}));
            true
        })
}

/// Creates an object if it is missing, otherwise puts it right.
fn ensure(
    local: &Local,
    kind: &str,
    namespace: &str,
    name: &str,
    object: Value,
    mut fix: impl FnMut(&mut Value) -> bool,
) -> bool {
    let Ok(resource) = local.resource("v1", kind) else {
        return true;
    };
    if local.get(&resource, namespace, name).is_some() {
        return local
            .modify(&resource, (namespace, name), "", &mut fix)
            .is_ok();
    }
    match local.create(&resource, object) {
        Ok(_) => true,
        // The namespace may have begun to go meanwhile.
        Err(error) => matches!(error.reason, "AlreadyExists" | "Forbidden" | "NotFound"),
    }
}

/// Fills a token secret, or deletes it when its account is gone.
fn secret(local: &Local, secrets: &Arc<Resource>, namespace: &str, name: &str) -> bool {
    let Some(secret) = local.get(secrets, namespace, name) else {
        return true;
    };
    if object::is_deleting(&secret) || object::str_at(&secret, &["type"]) != TOKEN_TYPE {
        return true;
    }
    let account_name = object::str_at(&secret, &["metadata", "annotations", NAME_ANNOTATION]);
    let known_uid = object::str_at(&secret, &["metadata", "annotations", UID_ANNOTATION]);
    let Ok(accounts) = local.resource("v1", "ServiceAccount") else {
        return true;
    };
    let account = local
        .get(&accounts, namespace, account_name)
        .filter(|account| {
            !object::is_deleting(account)
                && (known_uid.is_empty() || known_uid == object::uid(account))
        });
    let Some(account) = account else {
        // Without an account the secret is of no use; one that never had it yet may still get it.
        if known_uid.is_empty() {
            return true;
        }
        let gone = local.delete(secrets, namespace, name, &DeleteOptions::default());
        return gone.is_ok_and(|()| true) || local.get(secrets, namespace, name).is_none();
    };
    let claims = Claims {
        aud: Vec::new(),
        exp: None,
        iat: None,
        iss: ISSUER.to_owned(),
        jti: String::new(),
        kubernetes: Bound {
            namespace: namespace.to_owned(),
            serviceaccount: reference(&account),
            secret: Some(reference(&secret)),
            pod: None,
        },
        sub: format!("system:serviceaccount:{namespace}:{account_name}"),
    };
    let Ok(token) = local.cluster().sign(&claims) else {
        return false;
    };
    let uid = object::uid(&account).to_owned();
    let filled = local.modify(secrets, (namespace, name), "", &mut |secret| {
        let before = secret.clone();
        fill(secret, local.cluster(), namespace, &token, &uid);
        *secret != before
    });
    filled.is_ok() || local.get(secrets, namespace, name).is_none()
}

fn fill(secret: &mut Value, cluster: &ClusterState, namespace: &str, token: &str, uid: &str) {
    let data = object::member_mut(secret, "data");
    for (key, value) in [
        ("token", token),
        ("namespace", namespace),
        ("ca.crt", cluster.shared.ca_pem.as_str()),
    ] {
        data.entry(key)
            .or_insert_with(|| STANDARD.encode(value).into());
    }
    let meta = object::metadata_mut(secret);
    let annotations = object::as_object_mut(meta.entry("annotations").or_insert(Value::Null));
    annotations.insert(UID_ANNOTATION.to_owned(), uid.into());
}

/// Answers a TokenRequest for the service account named by the call.
///
/// # Errors
/// `NotFound`, `Invalid` for validities out of bounds, `Conflict` for bound objects that differ.
pub(crate) fn request_token(call: &Call, mut request: Value) -> Result<Value, Status> {
    let account = call.decode(&*call.entry()?)?;
    let secs = object::at(&request, &["spec", "expirationSeconds"]).and_then(Value::as_i64);
    let (default, least, most) = TOKEN_SECS;
    let secs = secs.unwrap_or(default);
    if secs < least || secs > most {
        let at = Path::new("spec").child("expirationSeconds");
        let why = if secs < least {
            "may not specify a duration less than 10 minutes"
        } else {
            "may not specify a duration larger than 2^32 seconds"
        };
        let error = FieldError::invalid(&at, secs, why);
        return Err(Status::invalid(
            "authentication.k8s.io",
            "TokenRequest",
            &call.name,
            &[error],
        ));
    }
    let now = call.cluster.now();
    let mut bound = Bound {
        namespace: call.namespace.clone(),
        serviceaccount: reference(&account),
        secret: None,
        pod: None,
    };
    bind(call, &request, &mut bound)?;
    let mut audiences: Vec<String> = object::strings_at(&request, &["spec", "audiences"])
        .into_iter()
        .map(str::to_owned)
        .collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let end = now.as_second() + secs;
    let claims = Claims {
        aud: audiences.clone(),
        exp: Some(end),
        iat: Some(now.as_second()),
        iss: ISSUER.to_owned(),
        jti: crate::cluster::new_uid(),
        kubernetes: bound,
        sub: format!("system:serviceaccount:{}:{}", call.namespace, call.name),
    };
    let token = call.cluster.sign(&claims)?;
    let expires = jiff::Timestamp::from_second(end)
        .map(text_of)
        .unwrap_or_default();
    let fields = object::as_object_mut(&mut request);
    fields.insert("kind".to_owned(), "TokenRequest".into());
    fields.insert("apiVersion".to_owned(), "authentication.k8s.io/v1".into());
    fields.insert(
        "status".to_owned(),
        json!({"token": token, "expirationTimestamp": expires}),
    );
    let spec = object::member_mut(&mut request, "spec");
    spec.insert("expirationSeconds".to_owned(), secs.into());
    spec.insert("audiences".to_owned(), audiences.into());
    let meta = object::metadata_mut(&mut request);
    meta.insert("name".to_owned(), call.name.clone().into());
    meta.insert("namespace".to_owned(), call.namespace.clone().into());
    meta.insert("creationTimestamp".to_owned(), call.now().into());
    Ok(request)
}

/// Binds a token to the object that the request names.
fn bind(call: &Call, request: &Value, bound: &mut Bound) -> Result<(), Status> {
    let Some(wanted) = object::at(request, &["spec", "boundObjectRef"]).filter(|r| r.is_object())
    else {
        return Ok(());
    };
    let (kind, name) = (
        object::str_at(wanted, &["kind"]),
        object::str_at(wanted, &["name"]),
    );
    let bucket = match kind {
        "Pod" => GroupResource::new("", "pods"),
        "Secret" => GroupResource::new("", "secrets"),
        other => {
            return Err(Status::bad_request(format!(
                "cannot bind token to object of type {other}"
            )));
        }
    };
    let key = ObjectKey::new(&call.namespace, name);
    let entry = call
        .cluster
        .store
        .get(call.cluster.id, &bucket, &key)
        .ok_or_else(|| Status::not_found(&bucket, name))?;
    let uid = object::str_at(wanted, &["uid"]);
    if !uid.is_empty() && *uid != *entry.meta.uid {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The \
             object might have been deleted and then recreated"
        );
        return Err(Status::conflict(&bucket, name, &why));
    }
    let reference = Reference {
        name: name.to_owned(),
        uid: entry.meta.uid.to_string(),
    };
    if kind == "Pod" {
        bound.pod = Some(reference);
    } else {
        bound.secret = Some(reference);
    }
    Ok(())
}
