//! Credentials of registries as Helm and docker keep them: `config.json`.
//!
//! In: files in that form. Out: what to log in with at a host. Programs that keep credentials
//! (`credHelpers`, `credsStore`) are asked as docker asks them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::Value;

use crate::credentials::{Basic, Secret};

/// What a registry wants to know of who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A user with a password.
    Basic(Basic),
    /// A refresh token for the token server.
    Refresh(Secret),
}

/// The logins of some files, the first file being asked first.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    files: Vec<Value>,
}

/// Why logins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A file is not in docker's form. The text names the file, not what is in it.
    #[error("invalid config format: {0} is no JSON object")]
    Format(String),
    /// A program that keeps credentials does not give them.
    #[error("credentials of {host} from docker-credential-{helper}: {reason}")]
    Helper {
        /// The registry.
        host: String,
        /// Name of the program's kind.
        helper: String,
        /// What went wrong.
        reason: String,
    },
}

/// Docker's name for its own registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

impl Logins {
    /// Takes the contents of files with their names, the first being asked first.
    pub fn new(files: Vec<(String, Vec<u8>)>) -> Result<Self, LoginError> {
        let files = files.into_iter().map(|(name, data)| {
            let value = serde_json::from_slice::<Value>(&data).ok();
            let object = value.filter(Value::is_object);
            object.ok_or(LoginError::Format(name))
        });
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
        })
    }

    /// The login at a host, if there is one. May run a program.
    pub fn find(&self, host: &str) -> Result<Option<Login>, LoginError> {
        let address = match host {
            "docker.io" | "registry-1.docker.io" | "index.docker.io" => DOCKER_HUB,
            other => other,
        };
        for file in &self.files {
            let helper = file["credHelpers"][address]
                .as_str()
                .or_else(|| file["credsStore"].as_str());
            if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
                if let Some(login) = ask(helper, address)? {
                    return Ok(Some(login));
                }
                continue;
            }
            if let Some(login) = in_file(file, address) {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }
}

fn in_file(file: &Value, address: &str) -> Option<Login> {
    let entries = file["auths"].as_object()?;
    let host = |key: &str| {
        let key = key.strip_prefix("https://").unwrap_or(key);
        let key = key.strip_prefix("http://").unwrap_or(key);
        key.split('/').next().unwrap_or_default().to_owned()
    };
    let entry = entries.get(address).or_else(|| {
        let same = entries.iter().find(|(key, _)| host(key) == address);
        same.map(|(_, entry)| entry)
    })?;
    if let Some(token) = entry["identitytoken"]
        .as_str()
        .filter(|token| !token.is_empty())
    {
        return Some(Login::Refresh(Secret::new(token)));
    }
    let decoded = entry["auth"].as_str().and_then(|auth| {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(auth.trim())
            .ok()?;
        String::from_utf8(bytes).ok()
    });
    let (username, password) = match &decoded {
        Some(pair) if !pair.is_empty() => pair.split_once(':')?,
        _ => (entry["username"].as_str()?, entry["password"].as_str()?),
    };
    Some(Login::Basic(Basic {
        username: username.to_owned(),
        password: Secret::new(password.trim_end_matches('\0')),
    }))
}

/// Asks a program by docker's protocol: the address on standard input, JSON on standard output.
fn ask(helper: &str, address: &str) -> Result<Option<Login>, LoginError> {
    let failed = |reason: String| LoginError::Helper {
        host: address.to_owned(),
        helper: helper.to_owned(),
        reason,
    };
    let plain = helper
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !plain {
        return Err(failed("the name is no plain word".to_owned()));
    }
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(address.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        // What it says beside this may hold secrets.
        return if text.contains("credentials not found") {
            Ok(None)
        } else {
            Err(failed(output.status.to_string()))
        };
    }
    let Ok(answer) = serde_json::from_str::<Value>(&text) else {
        return Err(failed("the answer is no JSON".to_owned()));
    };
    let (username, secret) = (answer["Username"].as_str(), answer["Secret"].as_str());
    Ok(match (username, secret) {
        (Some("<token>"), Some(secret)) => Some(Login::Refresh(Secret::new(secret))),
        (Some(username), Some(secret)) => Some(Login::Basic(Basic {
            username: username.to_owned(),
            password: Secret::new(secret),
        })),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins(text: &str) -> Logins {
        Logins::new(vec![("config.json".to_owned(), text.into())]).unwrap()
    }

    #[test]
    fn entries_are_found_by_host() {
        let logins = logins(
            r#"{"auths": {
                "a.example:5000": {"auth": "dTpwOmE="},
                "https://b.example/v2/": {"username": "u", "password": "p"},
                "https://index.docker.io/v1/": {"identitytoken": "t"},
                "c.example": {"auth": "!!"}, "d.example": 7
            }}"#,
        );
        let basic = |password: &str| {
            Some(Login::Basic(Basic {
                username: "u".to_owned(),
                password: Secret::new(password),
            }))
        };
        for (host, want) in [
            ("a.example:5000", basic("p:a")),
            ("b.example", basic("p")),
            ("docker.io", Some(Login::Refresh(Secret::new("t")))),
            ("a.example", None),
            ("c.example", None),
            ("d.example", None),
        ] {
            assert_eq!(logins.find(host).unwrap(), want, "{host}");
        }
    }

    #[test]
    fn bad_files_and_helpers_are_refused_without_what_they_hold() {
        for text in ["", "[\"secret\"]", "{\"auths\": secret"] {
            let error = Logins::new(vec![("c".to_owned(), text.into())]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "invalid config format: c is no JSON object"
            );
        }
        let absent = logins(r#"{"credsStore": "no-such-helper-here"}"#);
        assert!(
            absent
                .find("a.example")
                .unwrap_err()
                .to_string()
                .starts_with(
                    "credentials of a.example from docker-credential-no-such-helper-here: "
                )
        );
        let path = logins(r#"{"credHelpers": {"a.example": "../sh"}}"#);
        assert!(path.find("a.example").is_err());
        assert_eq!(path.find("b.example").unwrap(), None);
    }
}
