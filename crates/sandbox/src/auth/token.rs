//! Bearer tokens: JSON web tokens signed by the logical cluster's own secret (HS256).
//!
//! Clients treat them as opaque; the claims are those of a kube-apiserver, so that what prints a
//! token's claims works. Verification here checks signature and times; whether the service account
//! still exists is the caller's to check.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// `iss` and default `aud` of all tokens.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const HEADER: &str = r#"{"alg":"HS256","kid":"sandbox","typ":"JWT"}"#;
/// SHA-256 works on blocks of this size.
const BLOCK_BYTES: usize = 64;

/// Claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Audiences.
    #[serde(default)]
    pub(crate) aud: Vec<String>,
    /// End of validity in seconds; absent for tokens kept in secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<i64>,
    /// Begin of validity in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) iat: Option<i64>,
    /// Issuer.
    pub(crate) iss: String,
    /// Token id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) jti: String,
    /// Whose token it is.
    #[serde(rename = "kubernetes.io")]
    pub(crate) kubernetes: Bound,
    /// User name.
    pub(crate) sub: String,
}

/// The objects a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    /// Namespace of all of them.
    pub(crate) namespace: String,
    /// The service account.
    pub(crate) serviceaccount: Reference,
    /// The secret that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Reference>,
    /// The pod it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Reference>,
}

/// An object by name and uid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reference {
    /// Its name.
    pub(crate) name: String,
    /// Its uid.
    pub(crate) uid: String,
}

/// Signs claims. Equal claims give equal tokens.
pub(crate) fn sign(secret: &[u8], claims: &Claims) -> Result<String, serde_json::Error> {
    let payload = serde_json::to_vec(claims)?;
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(HEADER),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = URL_SAFE_NO_PAD.encode(hmac(secret, signed.as_bytes()));
    Ok(format!("{signed}.{signature}"))
}

/// The claims of a token that this secret signed and that is valid at `now` (Unix seconds).
pub(crate) fn verify(secret: &[u8], token: &str, now: i64) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let given = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !equal(&given, &hmac(secret, signed.as_bytes())) {
        return None;
    }
    let (_, payload) = signed.split_once('.')?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    (claims.iss == ISSUER && claims.exp.is_none_or(|end| now < end)).then_some(claims)
}

/// The admin token of a cluster with this secret.
pub(crate) fn admin(secret: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hmac(secret, b"admin token"))
}

/// Compares without telling by its duration where the difference is.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (a, b)| acc | (a ^ b)) == 0
}

/// HMAC-SHA-256, RFC 2104. Keys are at most one block long here.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new()
        .chain_update(block.map(|b| b ^ 0x36))
        .chain_update(message);
    let outer = Sha256::new().chain_update(block.map(|b| b ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(exp: Option<i64>) -> Claims {
        Claims {
            aud: vec![ISSUER.to_owned()],
            exp,
            iat: Some(10),
            iss: ISSUER.to_owned(),
            jti: String::new(),
            kubernetes: Bound {
                namespace: "team".to_owned(),
                serviceaccount: Reference {
                    name: "bot".to_owned(),
                    uid: "u-1".to_owned(),
                },
                secret: None,
                pod: None,
            },
            sub: "system:serviceaccount:team:bot".to_owned(),
        }
    }

    #[test]
    fn hmac_equals_the_standards_vector() {
        // RFC 4231, test case 2.
        let mac = hmac(b"Jefe", b"what do ya want for nothing?");
        let want = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let bytes = |at: usize| u8::from_str_radix(&want[at..at + 2], 16).unwrap();
        assert!((0..32).all(|index| mac[index] == bytes(2 * index)));
    }

    #[test]
    fn a_token_is_valid_for_its_secret_until_it_expires() {
        let token = sign(b"secret", &claims(Some(100))).unwrap();
        assert_eq!(verify(b"secret", &token, 99), Some(claims(Some(100))));
        assert_eq!(verify(b"secret", &token, 100), None);
        assert_eq!(verify(b"other", &token, 99), None);
    }

    #[test]
    fn a_changed_or_malformed_token_is_refused() {
        let token = sign(b"secret", &claims(None)).unwrap();
        let other = sign(b"other", &claims(None)).unwrap();
        let spliced = format!("{}.{}", &token[..token.rfind('.').unwrap()], "AAAA");
        let unsigned = &token[..=token.rfind('.').unwrap()];
        for bad in ["", ".", "..", "a.b.c", "ü.ü.ü", &other, &spliced, unsigned] {
            assert_eq!(verify(b"secret", bad, 0), None, "{bad}");
        }
    }
}
