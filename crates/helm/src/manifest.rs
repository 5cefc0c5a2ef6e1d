//! From rendered files to manifests and hooks: splitting at `---`, reading each head, sorting by kind.
//!
//! In: rendered texts by path. Out: [`Manifest`]s in install order and [`Hook`]s. Source: Helm
//! `pkg/release/v1/util`. Does not look at objects beyond kind, name and annotations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decode::Fields;
use crate::log::Log;
use goyaml::Target;
use sprig::gopath;

/// Annotation that makes an object a hook; comma separated events.
pub const HOOK_ANNOTATION: &str = "helm.sh/hook";
/// Annotation with the weight of a hook; 0 when absent or no number.
pub const HOOK_WEIGHT_ANNOTATION: &str = "helm.sh/hook-weight";
/// Annotation with the delete policies of a hook.
pub const HOOK_DELETE_ANNOTATION: &str = "helm.sh/hook-delete-policy";
/// Annotation with the log policies of a hook.
pub const HOOK_OUTPUT_LOG_ANNOTATION: &str = "helm.sh/hook-output-log-policy";

/// One object of a release as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Path of the template it comes from: `web/templates/deployment.yaml`.
    pub path: String,
    /// `apiVersion`, empty when absent.
    pub api_version: String,
    /// `kind`, empty when absent.
    pub kind: String,
    /// `metadata.name`, empty when absent.
    pub name: String,
    /// The YAML text, without the separator, as rendered.
    pub text: String,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// Before an install.
    PreInstall,
    /// After an install.
    PostInstall,
    /// Before an uninstall.
    PreDelete,
    /// After an uninstall.
    PostDelete,
    /// Before an upgrade.
    PreUpgrade,
    /// After an upgrade.
    PostUpgrade,
    /// Before a rollback.
    PreRollback,
    /// After a rollback.
    PostRollback,
    /// On `helm test`.
    Test,
}

impl HookEvent {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "pre-install" => Self::PreInstall,
            "post-install" => Self::PostInstall,
            "pre-delete" => Self::PreDelete,
            "post-delete" => Self::PostDelete,
            "pre-upgrade" => Self::PreUpgrade,
            "post-upgrade" => Self::PostUpgrade,
            "pre-rollback" => Self::PreRollback,
            "post-rollback" => Self::PostRollback,
            "test" | "test-success" => Self::Test,
            _ => return None,
        })
    }
}

/// An object that runs at an event instead of being installed. The fields are those of release
/// records; policies are kept as written, lower case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// `metadata.name`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `kind`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Path of the template it comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The YAML text as rendered.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// When it runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<HookEvent>,
    /// How it ran last.
    pub last_run: HookExecution,
    /// Order among hooks of one event.
    #[serde(skip_serializing_if = "is_zero")]
    pub weight: i64,
    /// `before-hook-creation`, `hook-succeeded`, `hook-failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete_policies: Vec<String>,
    /// `hook-succeeded`, `hook-failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_log_policies: Vec<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn is_zero(weight: &i64) -> bool {
    *weight == 0
}

/// How a hook ran last. Times are RFC 3339 texts, absent before the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookExecution {
    /// Start.
    #[serde(skip_serializing_if = "crate::release::no_time")]
    pub started_at: Option<String>,
    /// End.
    #[serde(skip_serializing_if = "crate::release::no_time")]
    pub completed_at: Option<String>,
    /// `Unknown`, `Running`, `Succeeded`, `Failed`, or empty.
    pub phase: String,
}

impl Hook {
    /// Whether it runs at that event.
    pub fn runs_at(&self, event: HookEvent) -> bool {
        self.events.contains(&event)
    }
}

/// The hooks of one event in the order in which they run: by weight, then by name.
pub fn hooks_at(hooks: &[Hook], event: HookEvent) -> Vec<&Hook> {
    let mut chosen: Vec<&Hook> = hooks.iter().filter(|hook| hook.runs_at(event)).collect();
    chosen.sort_by(|a, b| a.weight.cmp(&b.weight).then_with(|| a.name.cmp(&b.name)));
    chosen
}

/// A rendered document that is no YAML or no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("YAML parse error on {path}: {reason}")]
pub struct ManifestError {
    /// Path of the template.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

impl ManifestError {
    fn new(path: &str, error: &goyaml::Error) -> Self {
        Self {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}

/// Kinds in the order in which they are installed; others follow by name.
pub const INSTALL_ORDER: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Kinds in the order in which they are removed; others follow by name.
pub const UNINSTALL_ORDER: [&str; 38] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "Ingress",
    "IngressClass",
    "Service",
    "CronJob",
    "Job",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "DaemonSet",
    "RoleBindingList",
    "RoleBinding",
    "RoleList",
    "Role",
    "ClusterRoleBindingList",
    "ClusterRoleBinding",
    "ClusterRoleList",
    "ClusterRole",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "ConfigMap",
    "SecretList",
    "Secret",
    "ServiceAccount",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "LimitRange",
    "ResourceQuota",
    "NetworkPolicy",
    "Namespace",
    "PriorityClass",
];

/// A key that sorts kinds by one of the orders above; a stable sort keeps equal kinds as they were.
pub fn kind_rank<'a>(order: &[&str], kind: &'a str) -> (usize, &'a str) {
    match order.iter().position(|known| *known == kind) {
        Some(rank) => (rank, ""),
        None => (order.len(), kind),
    }
}

/// The documents of a rendered file: cut at `---` at the start of a line and the blanks behind it, leading
/// white space removed, empty ones dropped. Source: Helm cuts at `(?m)^---[ \t]*`.
///
/// Quirk: `---apiVersion: v1` on one line is cut as well.
pub fn split(file: &str) -> Vec<&str> {
    let file = file.trim_start();
    let starts_line = |at: usize| at == 0 || file.as_bytes()[at - 1] == b'\n';
    let mut documents = Vec::new();
    let mut rest = 0;
    for (at, mark) in file.match_indices("---") {
        if starts_line(at) {
            documents.push(&file[rest..at]);
            let behind = &file[at + mark.len()..];
            rest = file.len() - behind.trim_start_matches([' ', '\t']).len();
        }
    }
    documents.push(&file[rest..]);
    let documents = documents.into_iter().map(str::trim_start);
    documents.filter(|document| !document.is_empty()).collect()
}

struct Head {
    api_version: String,
    kind: String,
    name: String,
    annotations: BTreeMap<String, String>,
}

impl Head {
    fn read(document: &[u8]) -> Result<Self, goyaml::Error> {
        let value = goyaml::parse_into(document, &HEAD)?;
        let fields = Fields::of(&value);
        let metadata = fields.object("metadata");
        Ok(Self {
            api_version: fields.text("apiVersion").unwrap_or_default(),
            kind: fields.text("kind").unwrap_or_default(),
            name: metadata.text("name").unwrap_or_default(),
            annotations: metadata.text_map("annotations").unwrap_or_default(),
        })
    }

    fn list(&self, annotation: &str) -> Vec<String> {
        let values = self
            .annotations
            .get(annotation)
            .map(|values| values.split(','));
        values
            .into_iter()
            .flatten()
            .map(|v| v.trim().to_lowercase())
            .collect()
    }
}

const HEAD: Target = Target::Struct {
    go_type: "util.SimpleHead",
    name: "SimpleHead",
    fields: &[
        // "version" is how Helm's struct spells it in JSON.
        ("apiVersion", Target::Text),
        ("kind", Target::Text),
        (
            "metadata",
            Target::Struct {
                go_type: "struct { Name string \"json:\\\"name\\\"\"; Annotations map[string]string \"json:\\\"annotations\\\"\" }",
                name: "",
                fields: &[
                    ("name", Target::Text),
                    (
                        "annotations",
                        Target::Map {
                            go_type: "map[string]string",
                            value: &Target::Text,
                        },
                    ),
                ],
            },
        ),
    ],
};

/// Rendered files by their paths.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Their texts, with replacement characters for what is no UTF-8.
    pub(crate) texts: BTreeMap<String, String>,
    /// The bytes of those that are no UTF-8.
    pub(crate) not_text: BTreeMap<String, Vec<u8>>,
}

impl Files {
    pub(crate) fn insert(&mut self, path: String, output: Vec<u8>) {
        let text = String::from_utf8(output).unwrap_or_else(|error| {
            let bytes = error.into_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            self.not_text.insert(path.clone(), bytes);
            text
        });
        self.texts.insert(path, text);
    }
}

/// The first document of a file that is no YAML because it is no text.
fn refuse(path: &str, file: &[u8]) -> Result<(), ManifestError> {
    let documents = file.split_inclusive(|byte| *byte == b'\n');
    let mut document: Vec<u8> = Vec::new();
    for line in documents.chain([&b"---"[..]]) {
        let Some(rest) = line.strip_prefix(b"---") else {
            document.extend_from_slice(line);
            continue;
        };
        Head::read(&document).map_err(|error| ManifestError::new(path, &error))?;
        document = rest.trim_ascii_start().to_vec();
    }
    Err(ManifestError {
        path: path.to_owned(),
        reason: "not UTF-8".to_owned(),
    })
}

/// A bad document, and the hooks found before it, as they came.
pub(crate) struct SortFailure {
    pub(crate) error: ManifestError,
    pub(crate) hooks: Vec<Hook>,
}

/// Splits and sorts rendered files. Partials and empty files are left out.
pub(crate) fn sort(
    files: &Files,
    log: &mut Log,
) -> Result<(Vec<Hook>, Vec<Manifest>), SortFailure> {
    let (mut hooks, mut manifests) = (Vec::new(), Vec::new());
    if let Err(error) = collect(files, log, &mut hooks, &mut manifests) {
        return Err(SortFailure { error, hooks });
    }
    hooks.sort_by(|a, b| {
        kind_rank(&INSTALL_ORDER, &a.kind).cmp(&kind_rank(&INSTALL_ORDER, &b.kind))
    });
    manifests.sort_by(|a, b| {
        kind_rank(&INSTALL_ORDER, &a.kind).cmp(&kind_rank(&INSTALL_ORDER, &b.kind))
    });
    Ok((hooks, manifests))
}

fn collect(
    files: &Files,
    log: &mut Log,
    hooks: &mut Vec<Hook>,
    manifests: &mut Vec<Manifest>,
) -> Result<(), ManifestError> {
    for (path, content) in &files.texts {
        if gopath::base_str(path).starts_with('_') {
            continue;
        }
        if let Some(bytes) = files.not_text.get(path) {
            refuse(path, bytes)?;
        }
        for document in split(content) {
            let head = Head::read(document.as_bytes())
                .map_err(|error| ManifestError::new(path, &error))?;
            match head.annotations.get(HOOK_ANNOTATION) {
                None => manifests.push(Manifest {
                    path: path.clone(),
                    api_version: head.api_version,
                    kind: head.kind,
                    name: head.name,
                    text: document.to_owned(),
                }),
                Some(events) => hooks.extend(hook(path, document, &head, events, log)),
            }
        }
    }
    Ok(())
}

/// The hook, or nothing when one of its events is unknown.
fn hook(path: &str, document: &str, head: &Head, events: &str, log: &mut Log) -> Option<Hook> {
    let parsed: Option<Vec<HookEvent>> = events
        .split(',')
        .map(|e| HookEvent::parse(&e.trim().to_lowercase()))
        .collect();
    let Some(parsed) = parsed else {
        log.info(
            "skipping unknown hooks",
            vec![("hookTypes", events.to_owned())],
        );
        return None;
    };
    let weight = head.annotations.get(HOOK_WEIGHT_ANNOTATION);
    Some(Hook {
        name: head.name.clone(),
        kind: head.kind.clone(),
        path: path.to_owned(),
        manifest: document.to_owned(),
        events: parsed,
        last_run: HookExecution::default(),
        weight: weight.and_then(|w| w.parse().ok()).unwrap_or_default(),
        delete_policies: head.list(HOOK_DELETE_ANNOTATION),
        output_log_policies: head.list(HOOK_OUTPUT_LOG_ANNOTATION),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(files: &[(&str, &str)]) -> Result<(Vec<Hook>, Vec<Manifest>), ManifestError> {
        let mut all = Files::default();
        for (path, text) in files {
            all.insert((*path).to_owned(), text.as_bytes().to_vec());
        }
        sort(&all, &mut Log::default()).map_err(|failure| failure.error)
    }

    #[test]
    fn files_are_cut_at_separators() {
        for (file, want) in [
            ("a: 1\n", vec!["a: 1\n"]),
            ("\n---\n\na: 1\n---\nb: 2\n\n", vec!["a: 1\n", "b: 2\n\n"]),
            ("---a: 1\n--- # note\nb: 2", vec!["a: 1\n", "# note\nb: 2"]),
            ("a: |\n  ---\n  x\n", vec!["a: |\n  ---\n  x\n"]),
            ("---\n---   \n \n", vec![]),
        ] {
            assert_eq!(split(file), want, "{file:?}");
        }
    }

    #[test]
    fn objects_come_in_install_order_and_keep_theirs_within_a_kind() {
        let (_, manifests) = sorted(&[
            (
                "c/templates/a.yaml",
                "kind: Widget\n---\nkind: Service\nmetadata: {name: b}\n",
            ),
            (
                "c/templates/b.yaml",
                "kind: Service\nmetadata: {name: a}\n---\nkind: Gadget\n",
            ),
            ("c/templates/_p.yaml", "kind: Namespace\n"),
            ("c/templates/z.yaml", "kind: Namespace\n"),
        ])
        .expect("sorts");
        let got: Vec<_> = manifests
            .iter()
            .map(|m| (m.kind.as_str(), m.name.as_str()))
            .collect();
        let want = [
            ("Namespace", ""),
            ("Service", "b"),
            ("Service", "a"),
            ("Gadget", ""),
            ("Widget", ""),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn hooks_carry_their_annotations() {
        let text = "kind: Job\nmetadata:\n  name: j\n  annotations:\n    helm.sh/hook: pre-install, Post-Upgrade\n    helm.sh/hook-weight: '-5'\n    helm.sh/hook-delete-policy: hook-succeeded,Before-Hook-Creation\n";
        let (hooks, _) = sorted(&[("a", text)]).expect("sorts");
        assert_eq!(
            hooks[0].events,
            [HookEvent::PreInstall, HookEvent::PostUpgrade]
        );
        assert_eq!(hooks[0].weight, -5);
        assert_eq!(
            hooks[0].delete_policies,
            ["hook-succeeded", "before-hook-creation"]
        );
        assert!(hooks_at(&hooks, HookEvent::Test).is_empty());
        assert_eq!(hooks_at(&hooks, HookEvent::PostUpgrade).len(), 1);
    }

    #[test]
    fn hooks_of_unknown_events_are_left_out_with_a_word() {
        let text = "metadata:\n  annotations: {helm.sh/hook: 'test, never'}\n";
        let mut log = Log::default();
        let mut files = Files::default();
        files.insert("a".to_owned(), text.as_bytes().to_vec());
        let (hooks, manifests) = sort(&files, &mut log).map_err(|f| f.error).expect("sorts");
        assert!(hooks.is_empty() && manifests.is_empty());
        assert_eq!(
            log.records[0].to_string(),
            "level=INFO msg=\"skipping unknown hooks\" hookTypes=\"test, never\""
        );
    }

    #[test]
    fn documents_that_are_no_objects_are_refused_by_path() {
        for (text, want) in [
            (
                "- a\n",
                "YAML parse error on a: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type util.SimpleHead",
            ),
            (
                "a: [",
                "YAML parse error on a: error converting YAML to JSON: yaml: line 1: did not find expected node content",
            ),
        ] {
            assert_eq!(sorted(&[("a", text)]).expect_err(text).to_string(), want);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_as_bad_yaml() {
        for (bytes, want) in [
            (
                &b"a: 1\n---\nb: \xff\n"[..],
                "error converting YAML to JSON: yaml: invalid leading UTF-8 octet",
            ),
            (
                b"- |\n    # x\n  less\n\xc3",
                "error converting YAML to JSON: yaml: line 2: did not find expected '-' indicator",
            ),
            (
                b"--- [\n---\n\xff",
                "error converting YAML to JSON: yaml: line 1: did not find expected node content",
            ),
            (b"\xff\xfea\0:\0 \0b\0", "not UTF-8"),
        ] {
            let mut files = Files::default();
            files.insert("a".to_owned(), bytes.to_vec());
            let error = sort(&files, &mut Log::default()).map_err(|f| f.error.to_string());
            let want = format!("YAML parse error on a: {want}");
            assert_eq!(error.err(), Some(want), "{bytes:?}");
        }
    }

    #[test]
    fn both_orders_hold_the_same_kinds() {
        let mut install = INSTALL_ORDER.to_vec();
        let mut uninstall = UNINSTALL_ORDER.to_vec();
        install.sort_unstable();
        uninstall.sort_unstable();
        assert_eq!(install, uninstall);
    }
}
