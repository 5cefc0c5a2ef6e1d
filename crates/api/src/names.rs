//! Names that are derived from other names. All must equal upstream's byte for byte: a different name
//! is a second Helm release or an orphaned namespace.
//!
//! Hashes are taken over bytes. Cutting may hit the middle of a character; what is left of it becomes
//! U+FFFD, and the API server refuses such a name.

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// Longest name of a Helm release, and of a bundle, in bytes.
pub const HELM_RELEASE_NAME_MAX: usize = 53;
/// Longest name that `safe_concat` makes, in bytes.
pub const SAFE_CONCAT_MAX: usize = 63;

fn cut(text: &str, bytes: usize) -> String {
    match text.as_bytes().get(..bytes) {
        Some(head) => String::from_utf8_lossy(head).into_owned(),
        None => text.to_owned(),
    }
}

/// Hex sha256.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes.as_ref()))
}

/// The first `digits` hex digits of md5; all 32 for more.
pub fn hex(text: &str, digits: usize) -> String {
    cut(&hex::encode(Md5::digest(text.as_bytes())), digits)
}

/// The first 12 hex digits of sha256 over the first 100 bytes.
pub fn key_hash(text: &str) -> String {
    let bytes = text.as_bytes();
    cut(&sha256_hex(bytes.get(..100).unwrap_or(bytes)), 12)
}

/// Parts joined by `-`, with the end replaced by a hash when that is longer than 63 bytes.
///
/// # Source
/// wrangler, `name.SafeConcatName`.
pub fn safe_concat<S: AsRef<str>>(parts: &[S]) -> String {
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let full = parts.join("-");
    if full.len() <= SAFE_CONCAT_MAX {
        return full;
    }
    let digest = sha256_hex(&full);
    let ends_well = full
        .as_bytes()
        .get(56)
        .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let (head, digits) = if ends_well { (57, 5) } else { (56, 6) };
    format!("{}-{}", cut(&full, head), cut(&digest, digits))
}

/// At most `max` bytes; a longer text ends in a hash of the whole.
pub fn limit(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    if max <= 6 {
        return cut(text, max);
    }
    let head = cut(text, max - 6);
    let dash = if head.ends_with('-') { "" } else { "-" };
    format!("{head}{dash}{}", hex(text, 5))
}

/// Name of a Helm release, and of a bundle, made from any text such as a path.
///
/// Texts that differ only in what the name cannot hold get different hashes, so they do not collide.
///
/// # Source
/// fleet, `internal/names.HelmReleaseName`.
pub fn helm_release_name(text: &str) -> String {
    let mut name = text.replace('/', "-");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.chars().all(plain) {
        name = format!("{name}-{}", hex(&name, 8));
    }
    let mut clean = String::with_capacity(name.len());
    for c in name.chars() {
        // Go lower-cases rune by rune; no lower case form that matters here is longer than a rune.
        let c = c.to_lowercase().next().unwrap_or(c);
        let c = if plain(c) { c } else { '-' };
        if c != '-' || !clean.ends_with('-') {
            clean.push(c);
        }
    }
    let clean = clean.trim_matches('-');
    if clean.is_empty() {
        hex(text, 24)
    } else {
        limit(clean, HELM_RELEASE_NAME_MAX)
    }
}

/// Name of the bundle in a directory of a repository: made from the name of the GitRepo, the directory
/// and, where the bundle is made with an options file of its own, that file's name without extension.
pub fn bundle_name(repo: &str, directory: &str, maybe_options_file: Option<&str>) -> String {
    let stem = maybe_options_file
        .map(without_extension)
        .unwrap_or_default();
    helm_release_name(&join_path(&[repo, directory, stem]))
}

/// Everything before the last dot of the last path element, as Go's `filepath.Ext` sees it.
fn without_extension(file: &str) -> &str {
    let base = file.rfind('/').map_or(0, |at| at + 1);
    match file[base..].rfind('.') {
        Some(dot) => &file[..base + dot],
        None => file,
    }
}

/// Joins and cleans a path as Go's `path.Join`.
fn join_path(parts: &[&str]) -> String {
    let joined = parts
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join("/");
    let rooted = joined.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if rooted => {}
            other => kept.push(other),
        }
    }
    let clean = kept.join("/");
    match (rooted, joined.is_empty(), clean.is_empty()) {
        (true, ..) => format!("/{clean}"),
        (false, false, true) => ".".to_owned(),
        _ => clean,
    }
}

/// Namespace on the hub that holds the BundleDeployments of a Cluster.
pub fn cluster_namespace(namespace: &str, cluster: &str) -> String {
    let hash = key_hash(&format!("{namespace}::{cluster}"));
    safe_concat(&["cluster", namespace, cluster, &hash])
}

/// Name of the Cluster that is created for an agent which nobody announced.
pub fn registered_cluster_name(client_id: &str) -> String {
    safe_concat(&["cluster", &key_hash(client_id)])
}

/// Name of the Secret with an agent's credential.
pub fn registration_secret_name(client_id: &str, client_random: &str) -> String {
    cut(
        &format!("c-{}", sha256_hex(format!("{client_id}{client_random}"))),
        SAFE_CONCAT_MAX,
    )
}

/// Characters of random tokens: none that makes words or is mistaken for another.
const TOKEN_CHARACTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const TOKEN_LENGTH: usize = 54;

/// A random text such as a cluster's `clientID` or a registration's `clientRandom`. `draw` gives a number from a
/// range, each with the same chance.
pub fn random_token(mut draw: impl FnMut(std::ops::Range<usize>) -> usize) -> String {
    let draws = std::iter::repeat_with(|| draw(0..TOKEN_CHARACTERS.len()));
    let characters = draws.map(|at| char::from(TOKEN_CHARACTERS[at]));
    characters.take(TOKEN_LENGTH).collect()
}

/// Namespace that holds the credentials of agents, next to the system namespace.
pub fn system_registration_namespace(system_namespace: &str) -> String {
    let replaced = system_namespace.replace("-system", "-clusters-system");
    if replaced == system_namespace {
        return format!("{system_namespace}-clusters-system");
    }
    replaced
}

/// Name of the bundle that deploys the agent of a Cluster.
pub fn agent_bundle_name(cluster: &str) -> String {
    safe_concat(&["fleet-agent", cluster])
}

/// Name of the Job that upstream would sync a commit with.
pub fn git_job_name(git_repo: &str, repo: &str, commit: &str) -> String {
    safe_concat(&[git_repo, &hex(&format!("{repo}{commit}"), 5)])
}

/// Name of the ConfigMap with the targets of a GitRepo; `targets` is their JSON.
pub fn targets_config_name(git_repo: &str, targets: &str) -> String {
    safe_concat(&[git_repo, "config", &key_hash(targets)])
}

/// Name of an ImageScan of a bundle, by its place in `fleet.yaml`.
pub fn image_scan_name(bundle: &str, index: usize) -> String {
    safe_concat(&["imagescan", bundle, &index.to_string()])
}

/// Name of a target that has none, by its place in the list.
pub fn default_target_name(index: usize) -> String {
    format!("target{index:03}")
}

/// Directory in a bundle that a fetched chart is stored in.
pub fn chart_prefix(chart: &str, repo: &str, version: &str) -> String {
    format!(".chart/{}", sha256_hex(format!("{chart}:{repo}:{version}")))
}
