//! Names and hashes against vectors recorded from upstream's rules: one case a line,
//! `{function, input, output}`.

use std::error::Error;
use std::fs;
use std::path::Path;

use api::v1alpha1::{BundleDeploymentOptions, BundleResource, BundleSpec};
use api::{ids, names};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    function: String,
    input: Value,
    output: String,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn text<'a>(input: &'a Value, field: &str) -> &'a str {
    input[field].as_str().unwrap_or_default()
}

fn number(input: &Value, field: &str) -> Result<usize> {
    Ok(usize::try_from(input[field].as_u64().ok_or("no number")?)?)
}

fn read<T: DeserializeOwned>(input: &Value) -> Result<T> {
    Ok(serde_json::from_value(input.clone())?)
}

fn identity(function: &str, input: &Value) -> Result<String> {
    let s = text(input, "s");
    let name = text(input, "name");
    let repo = text(input, "repo");
    Ok(match function {
        "helmReleaseName" => names::helm_release_name(s),
        "bundleName" => names::bundle_name(name, text(input, "path"), input["options"].as_str()),
        "safeConcat" => names::safe_concat(&read::<Vec<String>>(&input["parts"])?),
        "keyHash" => names::key_hash(s),
        "hex" => names::hex(s, number(input, "n")?),
        "limit" => names::limit(s, number(input, "n")?),
        "clusterNamespace" => names::cluster_namespace(text(input, "namespace"), name),
        "registeredClusterName" => names::registered_cluster_name(text(input, "clientID")),
        "registrationSecretName" => {
            names::registration_secret_name(text(input, "clientID"), text(input, "clientRandom"))
        }
        "systemRegistrationNamespace" => names::system_registration_namespace(s),
        "imageScanName" => names::image_scan_name(name, number(input, "index")?),
        "gitJobName" => names::git_job_name(name, repo, text(input, "commit")),
        "targetsConfigName" => names::targets_config_name(name, text(input, "targets")),
        "chartPrefix" => names::chart_prefix(text(input, "chart"), repo, text(input, "version")),
        "contentId" | "contentSha256" => {
            let sum =
                ids::content_sha256(&ids::manifest_json(&read::<Vec<BundleResource>>(input)?));
            if function == "contentId" {
                ids::content_id(&sum)
            } else {
                sum
            }
        }
        "optionsHash" => ids::options_hash(&read::<BundleDeploymentOptions>(input)?),
        "valuesHash" => ids::values_hash(&ids::values_secret_data(&read::<BundleSpec>(input)?)?),
        "optionsSecretHash" => ids::options_secret_hash(
            text(input, "values").as_bytes(),
            text(input, "staged").as_bytes(),
        ),
        other => return Err(format!("unknown function {other}").into()),
    })
}

#[test]
fn identities_equal_upstreams() -> Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/identities");
    let mut failed = Vec::new();
    let mut n_cases = 0;
    for entry in fs::read_dir(directory)? {
        for line in fs::read_to_string(entry?.path())?.lines() {
            let case: Case = serde_json::from_str(line)?;
            let got = identity(&case.function, &case.input)?;
            n_cases += 1;
            if got != case.output {
                failed.push(format!("{line}\n  got {got}"));
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {n_cases}:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(n_cases > 50, "only {n_cases} cases were read");
    Ok(())
}
