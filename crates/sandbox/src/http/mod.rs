//! HTTP in front of the verbs: routing, authentication, authorization, encoding.
//!
//! In: a request for one logical cluster, its path freed of the cluster's prefix. Out: a response as a
//! kube-apiserver gives it. Paths this server does not know are refused with 404, verbs and
//! subresources it knows but does not implement with 501 and their name.

mod body;
mod decode;
mod discovery;
mod negotiate;
mod protobuf;
mod query;
mod read;
mod route;
mod watch;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::{Value, json};

pub use self::body::{Body, BoxError};
use self::query::{ListOptions, Query};
use self::route::{ResourcePath, Route, route};
use self::write::Done;
use crate::auth::{Attributes, User, rbac, reviews};
use crate::cluster::ClusterState;
use crate::lifecycle::{eviction, service_accounts};
use crate::metrics::Request as Counted;
use crate::registry::Resource;
use crate::rest::select::Selection;
use crate::rest::{Call, WriteOptions};
use crate::status::Status;

/// Answers a request of one logical cluster.
pub(crate) async fn handle<B>(
    cluster: Arc<ClusterState>,
    request: http::Request<B>,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let head = Head {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
    };
    let answer = match authenticate(&cluster, &head) {
        Ok(user) => answer(&cluster, &head, user, body).await,
        Err(status) => Err(status),
    };
    answer.unwrap_or_else(|status| body::status(&status))
}

/// A request without its body.
struct Head {
    method: Method,
    path: String,
    query: Query,
    headers: HeaderMap,
}

impl Head {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

fn authenticate(cluster: &ClusterState, head: &Head) -> Result<User, Status> {
    let header = head
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let Some(header) = header else {
        return Ok(User::anonymous());
    };
    let (scheme, token) = header.split_once(' ').ok_or_else(Status::unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Status::unauthorized());
    }
    let user = cluster
        .authenticate(token.trim())
        .ok_or_else(Status::unauthorized)?;
    impersonate(cluster, head, user)
}

/// Replaces the user by the one its impersonation headers name, if it may.
fn impersonate(cluster: &ClusterState, head: &Head, user: User) -> Result<User, Status> {
    let name = head.header("impersonate-user");
    let groups: Vec<String> = head
        .headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|value| value.to_str().ok().map(str::to_owned))
        .collect();
    let uid = head.header("impersonate-uid");
    if name.is_empty() {
        if groups.is_empty() && uid.is_empty() {
            return Ok(user);
        }
        let why = "requested impersonation without impersonating a user";
        return Err(Status::internal(why));
    }
    let mut wanted = Vec::new();
    let mut add = |group: &str, resource: &str, namespace: &str, name: &str| {
        wanted.push(Attributes {
            verb: "impersonate".to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        });
    };
    let account = name
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, account)) => add("", "serviceaccounts", namespace, account),
        None => add("", "users", "", name),
    }
    for group in &groups {
        add("", "groups", "", group);
    }
    if !uid.is_empty() {
        add("authentication.k8s.io", "uids", "", uid);
    }
    for attributes in &wanted {
        authorize(cluster, &user, attributes)?;
    }
    let mut other = match account {
        Some((namespace, account)) => User::service_account(namespace, account, uid),
        None => User {
            name: name.to_owned(),
            uid: uid.to_owned(),
            ..User::default()
        },
    };
    if !groups.is_empty() {
        other.groups = groups;
    }
    if !other
        .groups
        .iter()
        .any(|group| group == crate::auth::AUTHENTICATED)
    {
        other.groups.push(crate::auth::AUTHENTICATED.to_owned());
    }
    Ok(other)
}

fn authorize(cluster: &ClusterState, user: &User, wanted: &Attributes) -> Result<(), Status> {
    if cluster.rbac.allows(user, wanted) {
        return Ok(());
    }
    let resource = crate::store::GroupResource::new(&wanted.group, &wanted.resource);
    Err(Status::forbidden(
        &resource,
        &wanted.name,
        &rbac::refusal(user, wanted),
    ))
}

async fn answer<B>(
    cluster: &Arc<ClusterState>,
    head: &Head,
    user: User,
    body: B,
) -> Result<Response<Body>, Status>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    match route(&head.path) {
        Route::Other(path) => other(cluster, head, &user, &path),
        Route::Resource(path) => {
            let verb = verb(head, &path)?;
            let agent = head.header("user-agent");
            let counted = Counted::new(
                &cluster.name,
                verb,
                &path.plural,
                &path.subresource,
                &user.name,
                agent,
            );
            cluster.metrics.count(counted);
            authorize(cluster, &user, &attributes(verb, &path, &head.query))?;
            let resource = cluster
                .registry
                .resolve(&path.group, &path.version, &path.plural)
                .ok_or_else(|| missing_resource(cluster, &path.group))?;
            check_verb(&resource, &path, verb)?;
            let bytes = body::read(body).await?;
            let options = match verb {
                "create" => write::options(&head.query, &head.headers, "CreateOptions")?,
                "update" => write::options(&head.query, &head.headers, "UpdateOptions")?,
                "patch" => write::options(&head.query, &head.headers, "PatchOptions")?,
                "delete" | "deletecollection" => {
                    write::options(&head.query, &head.headers, "DeleteOptions")?
                }
                _ => WriteOptions::default(),
            };
            let call = Call {
                cluster: Arc::clone(cluster),
                resource,
                namespace: path.namespace,
                name: path.name,
                subresource: path.subresource,
                user,
                options,
                warnings: Vec::new(),
            };
            on_resource(call, head, verb, &bytes).await
        }
    }
}

/// A path of a known group without such a resource, or of a group that nobody serves.
fn missing_resource(cluster: &ClusterState, group: &str) -> Status {
    if group.is_empty() || discovery::group(&cluster.registry, group).is_some() {
        Status::no_such_resource()
    } else {
        Status::no_such_path()
    }
}

/// The API verb of a request on a resource.
fn verb(head: &Head, path: &ResourcePath) -> Result<&'static str, Status> {
    let named = !path.name.is_empty();
    Ok(match head.method {
        Method::GET | Method::HEAD if named => "get",
        Method::GET | Method::HEAD if head.query.is_set("watch") => "watch",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT if named => "update",
        Method::PATCH if named => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => return Err(Status::method_not_allowed()),
    })
}

fn attributes(verb: &str, path: &ResourcePath, query: &Query) -> Attributes {
    // A namespace is inside itself: RoleBindings in it may grant access to it.
    let namespace = if path.plural == "namespaces" && path.group.is_empty() {
        path.name.clone()
    } else {
        path.namespace.clone()
    };
    Attributes {
        verb: verb.to_owned(),
        group: path.group.clone(),
        resource: path.plural.clone(),
        subresource: path.subresource.clone(),
        namespace,
        name: if matches!(verb, "list" | "watch" | "deletecollection") {
            selected_name(query)
        } else {
            path.name.clone()
        },
        path: String::new(),
    }
}

/// The name of the one object that a field selector leaves: rules for names hold for it.
fn selected_name(query: &Query) -> String {
    let mut terms = query.get("fieldSelector").split(',');
    let name = terms.find_map(|term| term.strip_prefix("metadata.name="));
    let name = name.map(|name| name.trim_start_matches('='));
    name.unwrap_or_default().to_owned()
}

fn check_verb(resource: &Resource, path: &ResourcePath, verb: &str) -> Result<(), Status> {
    if !path.namespace.is_empty() && !resource.namespaced {
        return Err(Status::no_such_path());
    }
    let namespaceless = resource.namespaced && path.namespace.is_empty();
    if namespaceless && (!path.name.is_empty() || verb == "create") {
        return Err(Status::method_not_allowed());
    }
    if path.subresource.is_empty() {
        if verb == "create" && !path.name.is_empty() {
            return Err(Status::method_not_allowed());
        }
        return if resource.allows(verb) {
            Ok(())
        } else {
            Err(Status::method_not_allowed())
        };
    }
    let Some(sub) = resource.subresource(&path.subresource) else {
        return Err(match resource.custom {
            Some(_) => Status::not_found(&resource.group_resource, &path.name),
            None => Status::no_such_resource(),
        });
    };
    let implemented = matches!(
        path.subresource.as_str(),
        "status"
            | "scale"
            | "finalize"
            | "eviction"
            | "token"
            | "approval"
            | "ephemeralcontainers"
            | "resize"
    );
    if !implemented || !path.rest.is_empty() {
        return Err(Status::not_implemented(&format!(
            "the subresource {}/{}",
            resource.plural, path.subresource
        )));
    }
    if sub.verbs.iter().any(|allowed| allowed == verb) {
        Ok(())
    } else {
        Err(Status::method_not_allowed())
    }
}

async fn on_resource(
    mut call: Call,
    head: &Head,
    verb: &str,
    bytes: &Bytes,
) -> Result<Response<Body>, Status> {
    let form = negotiate::form(&head.headers, head.query.get("includeObject"))?;
    let query = &head.query;
    if matches!(verb, "get" | "list" | "watch") {
        return read_resource(call, head, verb, form);
    }
    let done = match verb {
        "create" => create(&mut call, head, bytes, form)?,
        "update" => write::put(&mut call, &head.headers, bytes, form)?,
        "patch" => write::patch(&mut call, &head.headers, query, bytes, form)?,
        "delete" => write::delete(&mut call, &head.headers, query, bytes)?,
        _ => write::delete_collection(&mut call, &head.headers, query, bytes)?,
    };
    if let Some(revision) = done.revision {
        let wait = call.cluster.store.durable(revision).await;
        wait.map_err(|error| Status::of_store(&error, &call.resource.group_resource, &call.name))?;
    }
    let mut response = done.response;
    body::warn(&mut response, &call.warnings);
    Ok(response)
}

/// Reads, with the warning that a deprecated version deserves.
fn read_resource(
    call: Call,
    head: &Head,
    verb: &str,
    form: negotiate::Form,
) -> Result<Response<Body>, Status> {
    let query = &head.query;
    let custom = call.resource.custom.as_ref();
    let warning = custom.and_then(|custom| custom.deprecation.clone());
    let mut response = if verb == "get" {
        read::get(&call, form, query.get("resourceVersion"))?
    } else {
        let selection = Selection::parse(
            &call.resource,
            query.get("labelSelector"),
            query.get("fieldSelector"),
        )?;
        if verb == "watch" {
            watch::watch(call, watch::Options::read(query, form, selection)?)?
        } else {
            let options = ListOptions::read(query)?;
            let gzip = negotiate::takes_gzip(&head.headers);
            read::list(&call, form, &options, &selection, gzip)?
        }
    };
    body::warn(&mut response, warning.as_slice());
    Ok(response)
}

/// `POST`: objects, subresources that are asked by POST, and reviews, which are not stored.
fn create(
    call: &mut Call,
    head: &Head,
    bytes: &Bytes,
    form: negotiate::Form,
) -> Result<Done, Status> {
    let decode = || write::decode_plain(&head.headers, bytes);
    let value = match (call.resource.plural.as_str(), call.subresource.as_str()) {
        ("serviceaccounts", "token") => Some(service_accounts::request_token(call, decode()?)?),
        ("pods", "eviction") => Some(eviction::evict(call, &decode()?)?),
        (_, "") if reviews::is_review(&call.resource) => Some(reviews::answer(call, decode()?)?),
        (_, "") => None,
        (plural, sub) => {
            return Err(Status::not_implemented(&format!(
                "the subresource {plural}/{sub}"
            )));
        }
    };
    match value {
        Some(value) => Ok(Done {
            response: body::value(StatusCode::CREATED, &value),
            revision: None,
        }),
        None => write::post(call, &head.headers, bytes, form),
    }
}

/// Requests on anything but resources.
fn other(
    cluster: &Arc<ClusterState>,
    head: &Head,
    user: &User,
    path: &str,
) -> Result<Response<Body>, Status> {
    let verb = match head.method {
        Method::GET => "get",
        Method::HEAD => "head",
        _ => return Err(Status::method_not_allowed()),
    };
    let path = if path.len() > 1 {
        path.trim_end_matches('/')
    } else {
        path
    };
    let wanted = Attributes {
        verb: verb.to_owned(),
        path: path.to_owned(),
        ..Attributes::default()
    };
    authorize(cluster, user, &wanted)?;
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let registry = &cluster.registry;
    let found = match parts[..] {
        ["api" | "apis"] if negotiate::aggregated_discovery(&head.headers) => {
            return Ok(aggregated(registry, parts[0] == "api"));
        }
        ["api"] => Some(discovery::core_versions(&cluster.address())),
        ["apis"] => Some(discovery::groups(registry)),
        ["api", version] => discovery::resources(registry, "", version),
        ["apis", group] => discovery::group(registry, group),
        ["apis", group, version] => {
            let found = discovery::resources(registry, group, version);
            if found.is_none() && discovery::group(registry, group).is_some() {
                return Err(Status::no_such_resource());
            }
            found
        }
        ["version"] => Some(version()),
        ["healthz" | "readyz" | "livez", ..] => return Ok(health(path, &head.query)),
        ["metrics"] => return Ok(body::text(StatusCode::OK, cluster.metrics.text())),
        [""] => Some(
            json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez",
            "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]}),
        ),
        ["openapi", "v2"] => {
            let protobuf = head.header("accept").contains("proto-openapi.spec.v2");
            let mut response =
                body::json(StatusCode::OK, crate::openapi::version2(protobuf), false);
            if protobuf {
                let kind = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
                let kind = http::HeaderValue::from_static(kind);
                response
                    .headers_mut()
                    .insert(http::header::CONTENT_TYPE, kind);
            }
            return Ok(response);
        }
        ["openapi", ..] => {
            let gzip = negotiate::takes_gzip(&head.headers);
            return crate::openapi::answer(cluster, &parts[1..])
                .map(|bytes| body::json(StatusCode::OK, bytes, gzip));
        }
        _ => None,
    };
    found
        .map(|value| body::value(StatusCode::OK, &value))
        .ok_or_else(Status::no_such_path)
}

fn aggregated(registry: &crate::registry::Registry, core: bool) -> Response<Body> {
    let mut response = body::value(StatusCode::OK, &discovery::aggregated(registry, core));
    let kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(kind),
    );
    response
}

/// The version of Kubernetes whose API is spoken.
fn version() -> Value {
    json!({"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
           "gitVersion": "v1.36.2+sandbox", "gitCommit": "", "gitTreeState": "clean",
           "buildDate": "2026-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
           "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)})
}

fn health(path: &str, query: &Query) -> Response<Body> {
    let name = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    if !query.has("verbose") {
        return body::text(StatusCode::OK, "ok");
    }
    body::text(
        StatusCode::OK,
        format!("[+]ping ok\n[+]store ok\n{name} check passed\n"),
    )
}
