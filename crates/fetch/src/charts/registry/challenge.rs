//! Logging in where a registry asks for it.
//!
//! In: the challenge of an answer and what is known of logins. Out: an `Authorization` header. Source: the
//! token authentication of the distribution project.

use std::collections::BTreeMap;

use reqwest::{Method, Response, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::super::http::{self, body, send};
use super::super::logins::Login;
use super::super::reference::OciReference;
use super::{Registries, RegistryError, answer, refused};
use crate::credentials::Secret;

const TOKEN_BYTES_MAX: u64 = 1 << 20;

impl Registries {
    /// The `Authorization` header for what the registry asks for; nothing if we have nothing.
    pub(super) async fn log_in(
        &self,
        reference: &OciReference,
        url: &Url,
        response: &Response,
        actions: &str,
    ) -> Result<Option<Secret>, RegistryError> {
        let login = match &self.basic {
            Some(basic) => Some(Login::Basic(basic.clone())),
            None => self.logins.find(&reference.registry)?,
        };
        let challenge = http::text(response, header::WWW_AUTHENTICATE).unwrap_or_default();
        let (scheme, parameters) = challenge.split_once(' ').unwrap_or((&challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return match login {
                Some(Login::Basic(basic)) => Ok(Some(basic_header(&basic))),
                _ => Err(RegistryError::NoBasic),
            };
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Ok(None);
        }
        let parameters = parse_parameters(parameters);
        let realm = parameters.get("realm").map_or("", String::as_str);
        let realm = http::parse(realm)?;
        if url.scheme() == "https" && realm.scheme() != "https" {
            return Err(answer(url, &"the token server has no TLS"));
        }
        let scope = format!("repository:{}:{actions}", reference.repository);
        let service = parameters.get("service").map_or("", String::as_str);
        let token = self.token(&realm, service, &scope, login).await?;
        Ok(Some(Secret::new(format!("Bearer {}", token.expose()))))
    }

    async fn token(
        &self,
        realm: &Url,
        service: &str,
        scope: &str,
        login: Option<Login>,
    ) -> Result<Secret, RegistryError> {
        #[derive(Default, Deserialize)]
        struct Token {
            #[serde(default)]
            token: String,
            #[serde(default)]
            access_token: String,
        }
        let (method, request) = match login {
            Some(Login::Refresh(refresh)) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token")
                    .append_pair("service", service)
                    .append_pair("client_id", "flotilla")
                    .append_pair("scope", scope)
                    .append_pair("refresh_token", refresh.expose());
                let kind = "application/x-www-form-urlencoded";
                let request = self.http.request(Method::POST, realm);
                let request = request
                    .header(header::CONTENT_TYPE, kind)
                    .body(form.finish());
                (Method::POST, request)
            }
            other => {
                let mut url = realm.clone();
                if !service.is_empty() {
                    url.query_pairs_mut().append_pair("service", service);
                }
                url.query_pairs_mut().append_pair("scope", scope);
                let mut request = self.http.request(Method::GET, &url);
                if let Some(Login::Basic(basic)) = other {
                    request = request.basic_auth(&basic.username, Some(basic.password.expose()));
                }
                (Method::GET, request)
            }
        };
        let response = send(request, realm).await?;
        if response.status() != StatusCode::OK {
            return Err(refused(method, realm, response).await);
        }
        let data = body(response, realm, TOKEN_BYTES_MAX).await?;
        // The reason would quote the answer.
        let token: Token = serde_json::from_slice(&data).unwrap_or_default();
        let token = [token.access_token, token.token];
        match token.into_iter().find(|token| !token.is_empty()) {
            Some(token) => Ok(Secret::new(token)),
            None => Err(answer(realm, &"the answer has no token")),
        }
    }
}

fn basic_header(basic: &crate::Basic) -> Secret {
    use base64::Engine as _;
    let pair = format!("{}:{}", basic.username, basic.password.expose());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    Secret::new(format!("Basic {encoded}"))
}

/// `realm="...",service="..."`; quoted values may hold commas.
fn parse_parameters(text: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after
                .split_once(',')
                .map_or((after, ""), |(value, rest)| (value.trim(), rest)),
        };
        let name = name.trim_matches([',', ' ']).to_ascii_lowercase();
        parameters.insert(name, value.to_owned());
        rest = after;
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let read = parse_parameters(
            "realm=\"https://t.example/token?a=b\",service=\"r, x\", scope=repository:a:pull",
        );
        let pairs: Vec<_> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("realm", "https://t.example/token?a=b"),
                ("scope", "repository:a:pull"),
                ("service", "r, x"),
            ]
        );
        assert!(parse_parameters("").is_empty());
        assert!(parse_parameters("nothing").is_empty());
        assert_eq!(parse_parameters("realm=\"open")["realm"], "open");
    }
}
