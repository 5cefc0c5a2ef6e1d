//! Rules about `Chart.yaml`.
//!
//! Source: Helm `lint/rules/chartfile.go`.

use goyaml::Target;
use serde_json::Value;
use sprig::gourl::Url;
use sprig::semver::Version;

use super::Severity::{Error, Info, Warning};
use super::{Entry, Linter, addresses, quote};
use crate::chart::{Item as _, Metadata};

const PATH: &str = "Chart.yaml";

/// Applies the rules.
pub(super) fn check(linter: &mut Linter<'_>) {
    let folder = linter.folder;
    let directory = match folder.chart_yaml {
        Entry::Directory => Err("should be a file, not a directory".to_owned()),
        _ => Ok(()),
    };
    linter.rule(Error, PATH, directory);
    let text = folder.read(&folder.chart_yaml, PATH);
    let metadata = text.clone().and_then(|text| {
        let metadata = Metadata::parse(text).map_err(|error| error.to_string())?;
        Ok((text, metadata))
    });
    let metadata = metadata.map_err(|error| format!("unable to parse YAML\n\t{error}"));
    let Some((text, metadata)) = linter.rule(Error, PATH, metadata) else {
        return;
    };
    let strict = Metadata::check_strictly(text)
        .map_err(|error| format!("failed to strictly parse chart metadata file\n\t{error}"));
    linter.rule(Warning, PATH, strict);
    let raw = raw(text);
    for result in [
        name(&metadata),
        api_version(&metadata),
        is_text(&raw, "version"),
        version(&metadata),
        is_text(&raw, "appVersion"),
        maintainers(&metadata),
        sources(&metadata),
    ] {
        linter.rule(Error, PATH, result);
    }
    let icon = match metadata.icon.as_str() {
        "" => Err("icon is recommended".to_owned()),
        _ => Ok(()),
    };
    linter.rule(Info, PATH, icon);
    for result in [
        icon_address(&metadata),
        kind(&metadata),
        dependencies(&metadata),
    ] {
        linter.rule(Error, PATH, result);
    }
    let strict = if Version::is_strict(&metadata.version) {
        Ok(())
    } else {
        Err(format!(
            "version '{}' is not a valid SemVerV2",
            metadata.version
        ))
    };
    linter.rule(Warning, PATH, strict);
}

/// The file as a map of anything; empty if it is none.
fn raw(text: &[u8]) -> Value {
    goyaml::parse_into(text, &Target::Any).unwrap_or_default()
}

fn is_text(raw: &Value, key: &str) -> Result<(), String> {
    let found = match raw.get(key) {
        None | Some(Value::String(_)) => return Ok(()),
        Some(Value::Null) => "<nil>",
        Some(Value::Bool(_)) => "bool",
        Some(Value::Number(_)) => "float64",
        Some(Value::Array(_)) => "[]interface {}",
        Some(Value::Object(_)) => "map[string]interface {}",
    };
    Err(format!(
        "{key} should be of type string but it's of type {found}"
    ))
}

fn name(metadata: &Metadata) -> Result<(), String> {
    let name = &metadata.name;
    if name.is_empty() {
        return Err("name is required".to_owned());
    }
    if name != sprig::gopath::base_str(name) {
        return Err(format!("chart name {} is invalid", quote(name)));
    }
    Ok(())
}

fn api_version(metadata: &Metadata) -> Result<(), String> {
    const MUST: &str = "The value must be either \"v1\" or \"v2\"";
    match metadata.api_version.as_str() {
        "v1" | "v2" => Ok(()),
        "" => Err(format!("apiVersion is required. {MUST}")),
        other => Err(format!("apiVersion '{other}' is not valid. {MUST}")),
    }
}

fn version(metadata: &Metadata) -> Result<(), String> {
    /// Below every version but itself.
    const LEAST: &str = "0.0.0-0";
    let text = &metadata.version;
    if text.is_empty() {
        return Err("version is required".to_owned());
    }
    let invalid = |_| format!("version '{text}' is not a valid SemVer");
    let version = Version::parse(text).map_err(invalid)?;
    let least = Version::parse(LEAST).map_err(invalid)?;
    if version.compare(&least).is_gt() {
        return Ok(());
    }
    Err(format!(
        "version {} is less than or equal to {}",
        quote(&version.to_string()),
        quote(LEAST)
    ))
}

fn maintainers(metadata: &Metadata) -> Result<(), String> {
    for maintainer in &metadata.maintainers {
        let (name, email, url) = (&maintainer.name, &maintainer.email, &maintainer.url);
        if maintainer.is_null() {
            return Err("a maintainer entry is empty".to_owned());
        }
        if name.is_empty() {
            return Err("each maintainer requires a name".to_owned());
        }
        if !email.is_empty() && !addresses::is_email(email) {
            return Err(format!("invalid email '{email}' for maintainer '{name}'"));
        }
        if !url.is_empty() && !addresses::is_url(url) {
            return Err(format!("invalid url '{url}' for maintainer '{name}'"));
        }
    }
    Ok(())
}

fn sources(metadata: &Metadata) -> Result<(), String> {
    let bad = metadata
        .sources
        .iter()
        .find(|source| !Url::is_absolute(source.as_bytes()));
    bad.map_or(Ok(()), |source| {
        Err(format!("invalid source URL '{source}'"))
    })
}

fn icon_address(metadata: &Metadata) -> Result<(), String> {
    let icon = &metadata.icon;
    if icon.is_empty() || Url::is_absolute(icon.as_bytes()) {
        return Ok(());
    }
    Err(format!("invalid icon URL '{icon}'"))
}

fn kind(metadata: &Metadata) -> Result<(), String> {
    let version = &metadata.api_version;
    if metadata.kind.is_empty() || version == "v2" {
        return Ok(());
    }
    Err(format!(
        "chart type is not valid in apiVersion '{version}'. It is valid in apiVersion 'v2'"
    ))
}

fn dependencies(metadata: &Metadata) -> Result<(), String> {
    let version = &metadata.api_version;
    if metadata.dependencies.iter().flatten().next().is_none() || version == "v2" {
        return Ok(());
    }
    Err(format!(
        "dependencies are not valid in the Chart file with apiVersion '{version}'. They are valid in apiVersion 'v2'"
    ))
}
