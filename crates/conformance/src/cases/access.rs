//! Who may do what: tokens, roles, escalation, reviews.

use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::suite::Ctx;

/// Rules are read from caches: how long a grant may take to be seen.
const GRANT_SECS: u64 = 20;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

cases!["access":
    requests_without_token_are_anonymous,
    a_wrong_token_is_unauthorized,
    a_requested_token_names_its_account,
    a_token_ends_with_its_account,
    a_token_request_is_checked,
    a_token_secret_is_filled_and_goes_with_its_account,
    a_role_grants_what_it_names_and_no_more,
    resource_names_limit_a_rule,
    subresources_are_granted_by_themselves,
    a_cluster_role_is_granted_in_one_namespace,
    a_cluster_role_binding_grants_everywhere,
    the_group_of_all_accounts_of_a_namespace,
    cluster_roles_are_aggregated,
    nobody_grants_what_they_lack,
    nobody_binds_what_they_lack,
    escalate_and_bind_allow_it,
    a_missing_role_grants_nothing,
    paths_without_resources_are_granted,
    reviews_answer_as_requests_do,
    refusals_name_user_verb_and_place,
    all_users_may_discover,
    impersonation_is_granted_or_refused,
];

/// An account of the case's namespace, with a token for it.
async fn account(ctx: &Ctx, name: &str) -> Api {
    let path = format!("/api/v1/namespaces/{}/serviceaccounts", ctx.ns);
    let body = json!({"metadata": {"name": name}});
    ctx.api.post(&*path, &body).await.expect(201);
    let request = json!({"spec": {"expirationSeconds": 3600}});
    let token = ctx
        .api
        .post(format!("{path}/{name}/token"), &request)
        .await
        .expect(201);
    ctx.api.with_token(token.text("/status/token"))
}

/// Creates a role with the rules and binds it to an account of the same name.
async fn grant(ctx: &Ctx, account: &str, rules: Value) {
    let base = format!("{RBAC}/namespaces/{}", ctx.ns);
    let role = json!({"metadata": {"name": account}, "rules": rules});
    ctx.api
        .post(format!("{base}/roles"), &role)
        .await
        .expect(201);
    let binding = binding(account, "Role", account, &ctx.ns);
    ctx.api
        .post(format!("{base}/rolebindings"), &binding)
        .await
        .expect(201);
}

/// A binding of a role to an account of the same name as the binding.
fn binding(account: &str, kind: &str, role: &str, ns: &str) -> Value {
    json!({
        "metadata": {"name": account},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": ns}],
    })
}

async fn granted(api: &Api, path: &str) -> Answer {
    let seen = |answer: &Answer| answer.code != 403;
    api.until(path, GRANT_SECS, "granted", seen).await
}

fn user(ctx: &Ctx, account: &str) -> String {
    format!("system:serviceaccount:{}:{account}", ctx.ns)
}

async fn requests_without_token_are_anonymous(ctx: Ctx) {
    let path = ctx.namespace().await;
    let refused = ctx.api.anonymous().get(format!("{path}/secrets")).await;
    let message = format!(
        "secrets is forbidden: User \"system:anonymous\" cannot list resource \"secrets\" in API \
         group \"\" in the namespace \"{}\"",
        ctx.ns
    );
    let refused = refused.expect_refusal(403, "Forbidden", &message);
    assert_eq!(refused.at("/details"), &json!({"kind": "secrets"}));
    let open = ctx.api.anonymous().get("/version").await.expect(200);
    assert_eq!(open.text("/major"), "1");
}

async fn a_wrong_token_is_unauthorized(ctx: Ctx) {
    for token in ["wrong", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        let refused = ctx.api.with_token(token).get("/api/v1/namespaces").await;
        let refused = refused.expect_refusal(401, "Unauthorized", "Unauthorized");
        assert_eq!(refused.message(), "Unauthorized");
    }
}

async fn a_requested_token_names_its_account(ctx: Ctx) {
    ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let review = api.post(path, &review).await.expect(201);
    let info = review.at("/status/userInfo");
    assert_eq!(info["username"], user(&ctx, "a"));
    let groups = json!([
        "system:serviceaccounts",
        format!("system:serviceaccounts:{}", ctx.ns),
        "system:authenticated",
    ]);
    assert_eq!(info["groups"], groups);
    assert!(info["uid"].is_string());
}

async fn a_token_ends_with_its_account(ctx: Ctx) {
    let path = ctx.namespace().await;
    let api = account(&ctx, "a").await;
    api.get("/api").await.expect(200);
    ctx.api
        .delete(format!("{path}/serviceaccounts/a"))
        .await
        .expect(200);
    let refused = |answer: &Answer| answer.code == 401;
    // A real server remembers tokens for ten seconds.
    api.until("/api", GRANT_SECS, "refused", refused).await;
    // The same name is another account.
    account(&ctx, "a").await.get("/api").await.expect(200);
    api.get("/api").await.expect(401);
}

async fn a_token_request_is_checked(ctx: Ctx) {
    let path = ctx.namespace().await;
    account(&ctx, "a").await;
    let short = json!({"spec": {"expirationSeconds": 5}});
    let refused = ctx
        .api
        .post(format!("{path}/serviceaccounts/a/token"), &short)
        .await;
    let message = "may not specify a duration less than 10 minutes";
    refused.expect_refusal(422, "Invalid", message);
    let missing = ctx
        .api
        .post(format!("{path}/serviceaccounts/none/token"), &json!({}))
        .await;
    missing.expect_refusal(404, "NotFound", "serviceaccounts \"none\" not found");
    ctx.api
        .get(format!("{path}/serviceaccounts/a/token"))
        .await
        .expect(405);
    let made = ctx
        .api
        .post(format!("{path}/serviceaccounts/a/token"), &json!({}))
        .await;
    let made = made.expect(201);
    assert_eq!(made.at("/spec/expirationSeconds"), 3600);
    assert!(!made.text("/status/expirationTimestamp").is_empty());
}

async fn a_token_secret_is_filled_and_goes_with_its_account(ctx: Ctx) {
    let path = ctx.namespace().await;
    account(&ctx, "a").await;
    let annotations = json!({"kubernetes.io/service-account.name": "a"});
    let body = json!({
        "metadata": {"name": "t", "annotations": annotations},
        "type": "kubernetes.io/service-account-token",
    });
    ctx.api
        .post(format!("{path}/secrets"), &body)
        .await
        .expect(201);
    let filled = |answer: &Answer| !answer.text("/data/token").is_empty();
    let secret = format!("{path}/secrets/t");
    let answer = ctx.api.until(&secret, GRANT_SECS, "filled", filled).await;
    assert!(!answer.text("/data/ca.crt").is_empty());
    let uid = "/metadata/annotations/kubernetes.io~1service-account.uid";
    assert!(!answer.text(uid).is_empty());
    ctx.api
        .delete(format!("{path}/serviceaccounts/a"))
        .await
        .expect(200);
    let gone = |answer: &Answer| answer.code == 404;
    ctx.api.until(&secret, GRANT_SECS, "gone", gone).await;
}

async fn a_role_grants_what_it_names_and_no_more(ctx: Ctx) {
    let path = ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let maps = format!("{path}/configmaps");
    api.get(&*maps).await.expect(403);
    let rules =
        json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "create"]}]);
    grant(&ctx, "a", rules).await;
    granted(&api, &maps).await.expect(200);
    let body = json!({"metadata": {"name": "a"}});
    api.post(&*maps, &body).await.expect(201);
    api.get(format!("{maps}/a")).await.expect(403);
    api.put(format!("{maps}/a"), &body).await.expect(403);
    api.merge(format!("{maps}/a"), &json!({})).await.expect(403);
    api.delete(format!("{maps}/a")).await.expect(403);
    api.delete(&*maps).await.expect(403);
    api.get(format!("{maps}?watch=1")).await.expect(403);
    api.get(format!("{path}/secrets")).await.expect(403);
    api.get("/api/v1/configmaps").await.expect(403);
    api.get("/api/v1/namespaces/default/configmaps")
        .await
        .expect(403);
}

async fn resource_names_limit_a_rule(ctx: Ctx) {
    let path = ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let maps = format!("{path}/configmaps");
    for name in ["mine", "other"] {
        ctx.api
            .post(&*maps, &json!({"metadata": {"name": name}}))
            .await
            .expect(201);
    }
    let verbs = ["get", "list", "create", "delete"];
    let rule = json!({"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"],
                      "verbs": verbs});
    grant(&ctx, "a", json!([rule])).await;
    granted(&api, &format!("{maps}/mine")).await.expect(200);
    api.get(format!("{maps}/other")).await.expect(403);
    api.get(&*maps).await.expect(403);
    let one = format!("{maps}?fieldSelector=metadata.name%3Dmine");
    assert_eq!(api.get(one).await.expect(200).names(), ["mine"]);
    // A request to create has no name when it is decided.
    api.post(&*maps, &json!({"metadata": {"name": "mine"}}))
        .await
        .expect(403);
    api.delete(format!("{maps}/other")).await.expect(403);
    api.delete(format!("{maps}/mine")).await.expect(200);
}

async fn subresources_are_granted_by_themselves(ctx: Ctx) {
    ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let budgets = format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", ctx.ns);
    let body = json!({"metadata": {"name": "a"}, "spec": {"maxUnavailable": 1}});
    ctx.api.post(&*budgets, &body).await.expect(201);
    let resources = ["poddisruptionbudgets/status"];
    let rule = json!({"apiGroups": ["policy"], "resources": resources, "verbs": ["*"]});
    grant(&ctx, "a", json!([rule])).await;
    granted(&api, &format!("{budgets}/a/status"))
        .await
        .expect(200);
    api.get(format!("{budgets}/a")).await.expect(403);
    let status = json!({"status": {"currentHealthy": 3}});
    api.merge(format!("{budgets}/a/status"), &status)
        .await
        .expect(200);
    api.merge(format!("{budgets}/a"), &status).await.expect(403);
}

async fn a_cluster_role_is_granted_in_one_namespace(ctx: Ctx) {
    let path = ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let base = format!("{RBAC}/namespaces/{}", ctx.ns);
    let body = binding("a", "ClusterRole", "view", &ctx.ns);
    ctx.api
        .post(format!("{base}/rolebindings"), &body)
        .await
        .expect(201);
    granted(&api, &format!("{path}/configmaps"))
        .await
        .expect(200);
    granted(
        &api,
        &format!("/apis/apps/v1/namespaces/{}/deployments", ctx.ns),
    )
    .await
    .expect(200);
    api.get(format!("{path}/secrets")).await.expect(403);
    api.get("/api/v1/configmaps").await.expect(403);
    api.get("/api/v1/nodes").await.expect(403);
    api.get(&*path).await.expect(200);
    api.post(
        format!("{path}/configmaps"),
        &json!({"metadata": {"name": "x"}}),
    )
    .await
    .expect(403);
}

async fn a_cluster_role_binding_grants_everywhere(ctx: Ctx) {
    ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let rule = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]});
    let role = json!({"metadata": {"name": &ctx.ns}, "rules": [rule]});
    ctx.api
        .post(format!("{RBAC}/clusterroles"), &role)
        .await
        .expect(201);
    let mut body = binding("a", "ClusterRole", &ctx.ns, &ctx.ns);
    body["metadata"]["name"] = json!(ctx.ns);
    ctx.api
        .post(format!("{RBAC}/clusterrolebindings"), &body)
        .await
        .expect(201);
    granted(&api, "/api/v1/namespaces").await.expect(200);
    api.get("/api/v1/namespaces/default").await.expect(200);
    api.get(format!("{RBAC}/clusterroles/admin"))
        .await
        .expect(200);
    api.get("/api/v1/namespaces?watch=1").await.expect(403);
    ctx.api
        .delete(format!("{RBAC}/clusterrolebindings/{}", ctx.ns))
        .await
        .expect(200);
    let refused = |answer: &Answer| answer.code == 403;
    api.until("/api/v1/namespaces", GRANT_SECS, "taken away", refused)
        .await;
}

async fn the_group_of_all_accounts_of_a_namespace(ctx: Ctx) {
    let path = ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let group = format!("system:serviceaccounts:{}", ctx.ns);
    let body = json!({
        "metadata": {"name": "all"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "Group", "name": group}],
    });
    let bindings = format!("{RBAC}/namespaces/{}/rolebindings", ctx.ns);
    let made = ctx.api.post(bindings, &body).await.expect(201);
    assert_eq!(
        made.text("/subjects/0/apiGroup"),
        "rbac.authorization.k8s.io"
    );
    granted(&api, &format!("{path}/secrets")).await.expect(200);
    api.post(
        format!("{path}/configmaps"),
        &json!({"metadata": {"name": "x"}}),
    )
    .await
    .expect(201);
    api.get(format!("{RBAC}/namespaces/{}/roles", ctx.ns))
        .await
        .expect(403);
}

async fn cluster_roles_are_aggregated(ctx: Ctx) {
    let roles = format!("{RBAC}/clusterroles");
    let label = format!("example.com/{}", ctx.ns);
    let whole = json!({
        "metadata": {"name": &ctx.ns},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {&*label: "true"}}]},
        "rules": [],
    });
    ctx.api.post(&*roles, &whole).await.expect(201);
    let rule = json!({"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]});
    let part = json!({
        "metadata": {"name": format!("{}-part", ctx.ns), "labels": {&*label: "true"}},
        "rules": [&rule],
    });
    ctx.api.post(&*roles, &part).await.expect(201);
    let path = format!("{roles}/{}", ctx.ns);
    let rules = json!([rule]);
    let filled = |answer: &Answer| answer.at("/rules") == &rules;
    ctx.api.until(&path, GRANT_SECS, "aggregated", filled).await;
    ctx.api
        .delete(format!("{roles}/{}-part", ctx.ns))
        .await
        .expect(200);
    let emptied = |answer: &Answer| answer.at("/rules").as_array().is_none_or(Vec::is_empty);
    ctx.api.until(&path, GRANT_SECS, "emptied", emptied).await;
}

/// An account that may write roles and bindings and read config maps.
async fn administrator_of_roles(ctx: &Ctx, more: Value) -> Api {
    ctx.namespace().await;
    let api = account(ctx, "a").await;
    let resources = ["roles", "rolebindings"];
    let own = json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": resources,
                     "verbs": ["get", "list", "create", "update"]});
    let read = json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]});
    let mut rules = vec![own, read];
    rules.extend(more.as_array().cloned().unwrap_or_default());
    grant(ctx, "a", json!(rules)).await;
    granted(&api, &format!("{RBAC}/namespaces/{}/roles", ctx.ns))
        .await
        .expect(200);
    api
}

fn role(name: &str, resource: &str, verb: &str) -> Value {
    let rule = json!({"apiGroups": [""], "resources": [resource], "verbs": [verb]});
    json!({"metadata": {"name": name}, "rules": [rule]})
}

async fn nobody_grants_what_they_lack(ctx: Ctx) {
    let api = administrator_of_roles(&ctx, json!([])).await;
    let roles = format!("{RBAC}/namespaces/{}/roles", ctx.ns);
    api.post(&*roles, &role("less", "configmaps", "get"))
        .await
        .expect(201);
    let refused = api.post(&*roles, &role("more", "secrets", "get")).await;
    let user = user(&ctx, "a");
    let message = format!(
        "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"{user}\" (groups=[\
         \"system:serviceaccounts\" \"system:serviceaccounts:{}\" \"system:authenticated\"]) is \
         attempting to grant RBAC permissions not currently held:\n\
         {{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}}",
        ctx.ns
    );
    refused.expect_refusal(403, "Forbidden", &message);
    let refused = api
        .put(
            format!("{roles}/less"),
            &role("less", "configmaps", "delete"),
        )
        .await;
    refused.expect_refusal(403, "Forbidden", "not currently held");
}

async fn nobody_binds_what_they_lack(ctx: Ctx) {
    let api = administrator_of_roles(&ctx, json!([])).await;
    let base = format!("{RBAC}/namespaces/{}", ctx.ns);
    ctx.api
        .post(format!("{base}/roles"), &role("secret", "secrets", "get"))
        .await
        .expect(201);
    ctx.api
        .post(format!("{base}/roles"), &role("map", "configmaps", "get"))
        .await
        .expect(201);
    let bind = |name: &str| {
        let mut body = binding("a", "Role", name, &ctx.ns);
        body["metadata"]["name"] = json!(name);
        body
    };
    let bindings = format!("{base}/rolebindings");
    let seen = |answer: &Answer| answer.code == 200;
    ctx.api
        .until(&format!("{base}/roles/map"), GRANT_SECS, "there", seen)
        .await;
    api.post(&*bindings, &bind("secret")).await.expect(403);
    api.post(&*bindings, &bind("map")).await.expect(201);
    let refused = api.post(&*bindings, &bind("missing")).await;
    let message = "rolebindings.rbac.authorization.k8s.io \"missing\" not found";
    refused.expect_refusal(404, "NotFound", message);
}

async fn escalate_and_bind_allow_it(ctx: Ctx) {
    let more = json!([{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"],
                       "verbs": ["escalate", "bind"]}]);
    let api = administrator_of_roles(&ctx, more).await;
    let base = format!("{RBAC}/namespaces/{}", ctx.ns);
    api.post(format!("{base}/roles"), &role("more", "secrets", "get"))
        .await
        .expect(201);
    let mut body = binding("a", "Role", "more", &ctx.ns);
    body["metadata"]["name"] = json!("more");
    api.post(format!("{base}/rolebindings"), &body)
        .await
        .expect(201);
}

async fn a_missing_role_grants_nothing(ctx: Ctx) {
    let path = ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let base = format!("{RBAC}/namespaces/{}", ctx.ns);
    let body = binding("a", "Role", "later", &ctx.ns);
    ctx.api
        .post(format!("{base}/rolebindings"), &body)
        .await
        .expect(201);
    api.get(format!("{path}/configmaps")).await.expect(403);
    ctx.api
        .post(
            format!("{base}/roles"),
            &role("later", "configmaps", "list"),
        )
        .await
        .expect(201);
    granted(&api, &format!("{path}/configmaps"))
        .await
        .expect(200);
}

async fn paths_without_resources_are_granted(ctx: Ctx) {
    ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let refused = api.get("/metrics").await;
    let message = format!(
        "forbidden: User \"{}\" cannot get path \"/metrics\"",
        user(&ctx, "a")
    );
    refused.expect_refusal(403, "Forbidden", &message);
    api.get("/healthz").await.expect(200);
    api.get("/version").await.expect(200);
}

async fn reviews_answer_as_requests_do(ctx: Ctx) {
    ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let rule = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    grant(&ctx, "a", rule).await;
    let maps = format!("/api/v1/namespaces/{}/configmaps", ctx.ns);
    granted(&api, &format!("{maps}/none")).await.expect(404);
    let review = async |by: &Api, kind: &str, verb: &str, user: Option<String>| {
        let attributes = json!({"namespace": ctx.ns, "verb": verb, "resource": "configmaps"});
        let body = json!({"spec": {"resourceAttributes": attributes, "user": user}});
        let path = format!("/apis/authorization.k8s.io/v1/{kind}");
        by.post(path, &body).await
    };
    let own = review(&api, "selfsubjectaccessreviews", "get", None)
        .await
        .expect(201);
    assert_eq!(own.at("/status/allowed"), true);
    let reason = format!(
        "RBAC: allowed by RoleBinding \"a/{}\" of Role \"a\" to ServiceAccount \
                          \"a/{}\"",
        ctx.ns, ctx.ns
    );
    assert_eq!(own.text("/status/reason"), reason);
    let own = review(&api, "selfsubjectaccessreviews", "list", None)
        .await
        .expect(201);
    assert_eq!(own.at("/status"), &json!({"allowed": false}));
    let other = review(
        &ctx.api,
        "subjectaccessreviews",
        "get",
        Some(user(&ctx, "a")),
    )
    .await;
    assert_eq!(other.expect(201).at("/status/allowed"), true);
    let refused = review(&api, "subjectaccessreviews", "get", Some(user(&ctx, "a"))).await;
    refused.expect(403);
    let nobody = review(&ctx.api, "subjectaccessreviews", "get", None).await;
    nobody.expect_refusal(
        422,
        "Invalid",
        "at least one of user or group must be specified",
    );
}

async fn refusals_name_user_verb_and_place(ctx: Ctx) {
    ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let user = user(&ctx, "a");
    let refused = api.get("/api/v1/nodes/n").await;
    let message = format!(
        "nodes \"n\" is forbidden: User \"{user}\" cannot get resource \"nodes\" in API group \"\" \
         at the cluster scope"
    );
    refused.expect_refusal(403, "Forbidden", &message);
    let path = format!("/apis/apps/v1/namespaces/{}/deployments/d/status", ctx.ns);
    let refused = api.merge(path, &json!({})).await;
    let message = format!(
        "deployments.apps \"d\" is forbidden: User \"{user}\" cannot patch resource \
         \"deployments/status\" in API group \"apps\" in the namespace \"{}\"",
        ctx.ns
    );
    refused.expect_refusal(403, "Forbidden", &message);
    // What is not granted is not said to be missing.
    let refused = api.get("/apis/none.example.com/v1/things").await;
    refused.expect_refusal(403, "Forbidden", "things.none.example.com is forbidden");
}

async fn all_users_may_discover(ctx: Ctx) {
    ctx.namespace().await;
    let api = account(&ctx, "a").await;
    for path in [
        "/api",
        "/apis",
        "/apis/apps/v1",
        "/openapi/v3",
        "/readyz",
        "/livez",
    ] {
        api.get(path).await.expect(200);
    }
    ctx.api.anonymous().get("/apis").await.expect(403);
}

async fn impersonation_is_granted_or_refused(ctx: Ctx) {
    ctx.namespace().await;
    let api = account(&ctx, "a").await;
    let path = format!("/api/v1/namespaces/{}/configmaps", ctx.ns);
    let as_user = crate::api::Request::new("GET", &*path).header("impersonate-user", "someone");
    let refused = api.send(as_user.clone()).await;
    // Newer servers ask for the right to impersonate for each verb, and say so.
    refused.expect_refusal(403, "Forbidden", "cannot impersonate");
    let refused = ctx.api.send(as_user).await;
    refused.expect_refusal(403, "Forbidden", "User \"someone\" cannot list resource");
}
