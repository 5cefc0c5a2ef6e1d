//! Kubeconfigs that hold nothing but a server, an authority and a bearer token; and those of strangers.

use kube::config::Kubeconfig;
use serde_json::json;

use crate::connect::ConnectError;

/// How an API server is reached with a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// URL of the API server.
    pub server: String,
    /// Authorities that its certificate has to come from, as PEM; empty for those of the system.
    pub ca_pem: String,
    /// Bearer token; empty for none.
    pub token: String,
    /// Namespace that requests without one are about.
    pub namespace: String,
}

impl Access {
    /// The kubeconfig, as JSON, which is YAML too. With upstream's names: cluster `cluster`, user `user`,
    /// context `default`.
    pub fn kubeconfig(&self) -> String {
        let mut cluster = json!({ "server": self.server });
        if !self.ca_pem.trim().is_empty() {
            let encoded = k8s_openapi::ByteString(self.ca_pem.clone().into_bytes());
            cluster["certificate-authority-data"] = json!(encoded);
        }
        let user = if self.token.is_empty() {
            json!({})
        } else {
            json!({ "token": self.token })
        };
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "default",
            "clusters": [{ "name": "cluster", "cluster": cluster }],
            "users": [{ "name": "user", "user": user }],
            "contexts": [{ "name": "default", "context": {
                "cluster": "cluster", "user": "user", "namespace": self.namespace,
            } }],
        })
        .to_string()
    }

    /// Connects.
    ///
    /// # Errors
    /// When the URL or the authorities are of no use.
    pub async fn connect(&self, from: &str) -> Result<kube::Client, ConnectError> {
        crate::connect::from_kubeconfig_text(&self.kubeconfig(), from).await
    }
}

/// Tells nothing of the token.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("server", &self.server)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// The server that a kubeconfig's current context names, if it can be read.
pub fn server_of(kubeconfig: &str) -> Option<String> {
    let config = Kubeconfig::from_yaml(kubeconfig).ok()?;
    let (cluster, _) = current(&config);
    cluster?.server.clone()
}

/// What in a kubeconfig of somebody else would run programs or read files of this process, by name.
///
/// A kubeconfig is trusted code where it comes from its user's own disk. One that comes from a Secret
/// which tenants write must hold everything it needs in itself.
pub fn reaches_out(kubeconfig: &str) -> Option<&'static str> {
    let config = Kubeconfig::from_yaml(kubeconfig).ok()?;
    let (cluster, user) = current(&config);
    let file = cluster.and_then(|cluster| cluster.certificate_authority.as_ref());
    let user = user.cloned().unwrap_or_default();
    let found = [
        (file.is_some(), "certificate-authority"),
        (user.exec.is_some(), "exec"),
        (user.auth_provider.is_some(), "auth-provider"),
        (user.token_file.is_some(), "tokenFile"),
        (user.client_certificate.is_some(), "client-certificate"),
        (user.client_key.is_some(), "client-key"),
    ];
    found
        .iter()
        .find(|(is_there, _)| *is_there)
        .map(|(_, name)| *name)
}

fn current(
    config: &Kubeconfig,
) -> (
    Option<&kube::config::Cluster>,
    Option<&kube::config::AuthInfo>,
) {
    let name = config.current_context.as_deref().unwrap_or_default();
    let context = config.contexts.iter().find(|context| context.name == name);
    let Some(context) = context.and_then(|context| context.context.as_ref()) else {
        return (None, None);
    };
    let cluster = config.clusters.iter().find(|c| c.name == context.cluster);
    let user = config
        .auth_infos
        .iter()
        .find(|user| Some(&user.name) == context.user.as_ref());
    (
        cluster.and_then(|cluster| cluster.cluster.as_ref()),
        user.and_then(|user| user.auth_info.as_ref()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            server: "https://hub.example:6443".to_owned(),
            ca_pem: "PEM".to_owned(),
            token: "secret-value".to_owned(),
            namespace: "ns".to_owned(),
        }
    }

    #[test]
    fn a_kubeconfig_of_a_token_is_read_as_it_was_written() {
        let text = access().kubeconfig();
        assert_eq!(
            server_of(&text).as_deref(),
            Some("https://hub.example:6443")
        );
        assert_eq!(reaches_out(&text), None);
        assert!(
            text.contains(r#""certificate-authority-data":"UEVN""#),
            "{text}"
        );
        let system = Access {
            ca_pem: "\n".to_owned(),
            ..access()
        };
        assert!(!system.kubeconfig().contains("authority"));
        assert!(!format!("{:?}", access()).contains("secret-value"));
        assert_eq!(server_of("- no kubeconfig"), None);
    }

    #[test]
    fn what_would_run_programs_or_read_files_is_named() {
        let with = |cluster: &str, user: &str| {
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
                 clusters: [{{name: c, cluster: {{server: 'https://x', {cluster}}}}}]\n\
                 users: [{{name: u, user: {{{user}}}}}, {{name: other, user: {{tokenFile: /x}}}}]\n\
                 contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
            )
        };
        for (cluster, user, want) in [
            ("", "token: t", None),
            (
                "",
                "client-certificate-data: eA==, client-key-data: eA==",
                None,
            ),
            (
                "certificate-authority: /x",
                "token: t",
                Some("certificate-authority"),
            ),
            ("", "exec: {command: sh}", Some("exec")),
            (
                "",
                "auth-provider: {name: gcp, config: {}}",
                Some("auth-provider"),
            ),
            ("", "tokenFile: /var/run/token", Some("tokenFile")),
            ("", "client-certificate: /x", Some("client-certificate")),
            ("", "client-key: /x", Some("client-key")),
        ] {
            assert_eq!(reaches_out(&with(cluster, user)), want, "{cluster} {user}");
        }
    }
}
