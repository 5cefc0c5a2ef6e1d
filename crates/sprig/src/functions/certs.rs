//! Keys and certificates.
//!
//! In: names, addresses, days, PEM texts. Out: PEM texts in Go's forms. Source: sprig `crypto.go`. RSA
//! keys take their randomness from the host of the render, elliptic ones from the system; DSA keys are
//! not made.

use std::any::Any;
use std::net::IpAddr;
use std::rc::Rc;

use gotemplate::{
    Arg, Args, CallError, Context, Function, Functions, Int, List, NamedType, Native, Signature,
    Str, Type, Value,
};
use rand::SeedableRng as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _, LineEnding};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};

use super::crypto::fill;
use super::support::{fail, lossy};
use super::{Host, base};
use crate::gotext;

/// Steps charged for making a key.
const KEY_STEPS: u64 = 1_000_000;
/// What `genPrivateKey "rsa"` makes.
const RSA_BITS: usize = 4096;
/// What certificates are made with.
const CERTIFICATE_BITS: usize = 2048;
/// Bytes of the PEM texts taken.
const PEM_BYTES_MAX: usize = 64 * 1024;

/// A `sprig.certificate`.
struct Certificate {
    cert: String,
    key: String,
}

static CERTIFICATE: NamedType = NamedType {
    name: "sprig.certificate",
    underlying: Type::Struct,
    methods: &[],
};

impl Native for Certificate {
    fn named_type(&self) -> &'static NamedType {
        &CERTIFICATE
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Cert", Value::str(&self.cert)),
            ("Key", Value::str(&self.key)),
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Certificate {
    fn into_value(self) -> Value {
        Value::Native(Rc::new(self))
    }
}

static CA: [Type; 2] = [Type::String, Type::INT];
static CA_KEY: [Type; 3] = [Type::String, Type::INT, Type::String];
static SELF: [Type; 4] = [Type::String, Type::LIST, Type::LIST, Type::INT];
static SELF_KEY: [Type; 5] = [
    Type::String,
    Type::LIST,
    Type::LIST,
    Type::INT,
    Type::String,
];
static SIGNED: [Type; 5] = [
    Type::String,
    Type::LIST,
    Type::LIST,
    Type::INT,
    Type::Named(&CERTIFICATE),
];
static SIGNED_KEY: [Type; 6] = [
    Type::String,
    Type::LIST,
    Type::LIST,
    Type::INT,
    Type::Named(&CERTIFICATE),
    Type::String,
];
static CUSTOM: [Type; 2] = [Type::String, Type::String];

pub(super) fn add(functions: &mut Functions) {
    functions.add_with_context("genPrivateKey", |ctx: &mut Context<'_>, kind: Str| {
        private_key(ctx, &lossy(&kind))
    });
    let function = |name, params, body: Body| {
        let result = Type::Named(&CERTIFICATE);
        Function::new(
            name,
            Signature {
                params,
                variadic: None,
                result,
            },
            Box::new(body),
        )
    };
    let table: [(&str, &'static [Type], Body); 7] = [
        ("genCA", &CA, |ctx, args| authority(ctx, args, false)),
        ("genCAWithKey", &CA_KEY, |ctx, args| {
            authority(ctx, args, true)
        }),
        ("genSelfSignedCert", &SELF, |ctx, args| {
            self_signed(ctx, args, false)
        }),
        ("genSelfSignedCertWithKey", &SELF_KEY, |ctx, args| {
            self_signed(ctx, args, true)
        }),
        ("genSignedCert", &SIGNED, |ctx, args| {
            signed(ctx, args, false)
        }),
        ("genSignedCertWithKey", &SIGNED_KEY, |ctx, args| {
            signed(ctx, args, true)
        }),
        ("buildCustomCert", &CUSTOM, |_, args| {
            custom(&args.take(), &args.take())
        }),
    ];
    for (name, params, body) in table {
        functions.insert(function(name, params, body));
    }
}

type Body = fn(&mut Context<'_>, &mut Args) -> Result<Value, CallError>;

/// A key, in the form rcgen signs with and in the form sprig prints.
struct Key {
    pair: KeyPair,
    pem: String,
}

fn rsa_key(ctx: &mut Context<'_>, bits: usize) -> Result<RsaPrivateKey, CallError> {
    ctx.spend_steps(KEY_STEPS)?;
    let mut seed = [0; 32];
    fill(ctx, &mut seed)?;
    let mut rng = rand::rngs::StdRng::from_seed(seed);
    RsaPrivateKey::new(&mut rng, bits)
        .map_err(|error| CallError::text(format!("error generating rsa key: {error}")))
}

fn rsa_pem(key: &RsaPrivateKey) -> Result<String, CallError> {
    match key.to_pkcs1_pem(LineEnding::LF) {
        Ok(pem) => Ok(pem.to_string()),
        Err(error) => fail(format!("error pem-encoding key: {error}")),
    }
}

impl Key {
    fn rsa(key: &RsaPrivateKey) -> Result<Self, CallError> {
        let pkcs8 = key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| CallError::text(format!("error pem-encoding key: {error}")))?;
        let pair = KeyPair::from_pkcs8_pem_and_sign_algo(&pkcs8, &rcgen::PKCS_RSA_SHA256)
            .map_err(|error| CallError::text(format!("error creating certificate: {error}")))?;
        Ok(Self {
            pair,
            pem: rsa_pem(key)?,
        })
    }

    /// Reads a key that a chart brings.
    fn parse(pem: &str) -> Result<Self, String> {
        let kind = pem_kind(pem).ok_or("no PEM data in input")?;
        let (pair, pem) = match kind.as_str() {
            "PRIVATE KEY" => {
                if let Ok(key) = RsaPrivateKey::from_pkcs8_pem(pem) {
                    return Self::rsa(&key).map_err(|error| error.to_string());
                }
                let pair = KeyPair::from_pem(pem)
                    .map_err(|error| format!("decoding PEM as PKCS#8: {error}"))?;
                (pair, pem.to_owned())
            }
            "RSA PRIVATE KEY" => {
                let key = RsaPrivateKey::from_pkcs1_pem(pem)
                    .map_err(|error| format!("parsing RSA private key from PEM: {error}"))?;
                return Self::rsa(&key).map_err(|error| error.to_string());
            }
            "EC PRIVATE KEY" => {
                let pair = ec_pair(pem).ok_or(
                    "parsing EC private key from PEM: only keys of the curve P-256 are read",
                )?;
                (pair, pem.to_owned())
            }
            kind => match kind.strip_suffix(" PRIVATE KEY") {
                Some(kind) => return Err(format!("invalid private key type {kind}")),
                None => return Err(format!("no private key data in PEM block of type {kind}")),
            },
        };
        Ok(Self { pair, pem })
    }
}

/// The label of the first PEM block.
fn pem_kind(text: &str) -> Option<String> {
    if text.len() > PEM_BYTES_MAX {
        return None;
    }
    let start = text.find("-----BEGIN ")? + "-----BEGIN ".len();
    let end = text[start..].find("-----")?;
    let kind = &text[start..start + end];
    text[start..]
        .contains(&format!("-----END {kind}-----"))
        .then(|| kind.to_owned())
}

/// The contents of the first PEM block.
fn pem_body(text: &str) -> Option<Vec<u8>> {
    let kind = pem_kind(text)?;
    let start = text.find(&format!("-----BEGIN {kind}-----"))? + kind.len() + 16;
    let end = text.find(&format!("-----END {kind}-----"))?;
    let body: String = text.get(start..end)?.split_whitespace().collect();
    base::decode64(body.as_bytes()).ok()
}

fn pem_text(kind: &str, der: &[u8]) -> String {
    let body = base::encode64(der);
    let mut out = format!("-----BEGIN {kind}-----\n");
    for line in body.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out + &format!("-----END {kind}-----\n")
}

/// DER around a P-256 key: what comes before the secret in SEC 1, between secret and point, and
/// before SEC 1 in PKCS #8.
const SEC1_HEAD: [u8; 7] = [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
const SEC1_MIDDLE: [u8; 17] = [
    0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03, 0x42,
    0x00,
];
const PKCS8_HEAD: [u8; 36] = [
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
    0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02,
    0x01, 0x01, 0x04, 0x20,
];
const PKCS8_MIDDLE: [u8; 5] = [0xa1, 0x44, 0x03, 0x42, 0x00];
/// DER before the seed of an Ed25519 key in PKCS #8.
const ED25519_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A P-256 key in SEC 1, as Go writes it.
fn ec_pair(pem: &str) -> Option<KeyPair> {
    let der = pem_body(pem)?;
    let rest = der.strip_prefix(SEC1_HEAD.as_slice())?;
    let (secret, rest) = rest.split_at_checked(32)?;
    let point = rest.strip_prefix(SEC1_MIDDLE.as_slice())?;
    let pkcs8 = [&PKCS8_HEAD, secret, &PKCS8_MIDDLE, point].concat();
    KeyPair::from_pem(&pem_text("PRIVATE KEY", &pkcs8)).ok()
}

fn private_key(ctx: &mut Context<'_>, kind: &str) -> Result<String, CallError> {
    match kind {
        "" | "rsa" => {
            ctx.spend_steps(KEY_STEPS * 8)?;
            let key = rsa_key(ctx, RSA_BITS)?;
            rsa_pem(&key)
        }
        "ecdsa" => {
            ctx.spend_steps(KEY_STEPS)?;
            let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|error| {
                CallError::text(format!("failed to generate private key: {error}"))
            })?;
            let der = pair.serialize_der();
            match (der.get(36..68), der.get(73..138)) {
                (Some(secret), Some(point)) => {
                    let sec1 = [&SEC1_HEAD, secret, &SEC1_MIDDLE, point].concat();
                    Ok(pem_text("EC PRIVATE KEY", &sec1))
                }
                _ => fail("failed to generate private key: unexpected form of the key"),
            }
        }
        "ed25519" => {
            let mut seed = [0; 32];
            fill(ctx, &mut seed)?;
            Ok(pem_text(
                "PRIVATE KEY",
                &[ED25519_HEAD.as_slice(), &seed].concat(),
            ))
        }
        "dsa" => fail("private keys of type dsa are not made"),
        other => Ok(format!("Unknown type {other}")),
    }
}

/// Names, addresses and days of a certificate to be.
struct Subject {
    name: Str,
    addresses: List,
    names: List,
    days: i64,
}

impl Subject {
    fn take(args: &mut Args) -> Self {
        let (name, addresses, names) = (args.take(), args.take(), args.take());
        Self {
            name,
            addresses,
            names,
            days: Int::take(args).0,
        }
    }

    fn params(&self, ctx: &mut Context<'_>) -> Result<CertificateParams, CallError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, lossy(&self.name).into_owned());
        for address in self.addresses.to_vec() {
            let text = text_or(&address, |shown| {
                format!("error parsing ip: {shown} is not a string")
            })?;
            let address: IpAddr = text
                .parse()
                .map_err(|_| CallError::text(format!("error parsing ip: {text}")))?;
            params.subject_alt_names.push(SanType::IpAddress(address));
        }
        for name in self.names.to_vec() {
            let text = text_or(&name, |shown| {
                format!("error processing alternate dns name: {shown} is not a string")
            })?;
            let name = text
                .as_str()
                .try_into()
                .map_err(|error| CallError::text(format!("error creating certificate: {error}")))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let mut serial = [0; 16];
        fill(ctx, &mut serial)?;
        // The sign bit stays clear and the first byte is not zero, so that DER needs no padding.
        serial[0] = serial[0] & 0x7f | 0x40;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let now = ctx.host::<Host>().map_or(0, |host| host.now.as_second());
        let at = |seconds: i64| {
            let epoch = rcgen::date_time_ymd(1970, 1, 1);
            epoch + std::time::Duration::from_secs(seconds.clamp(0, 253_402_300_799).unsigned_abs())
        };
        params.not_before = at(now);
        params.not_after = at(self.days.saturating_mul(86_400).saturating_add(now));
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.is_ca = IsCa::ExplicitNoCa;
        Ok(params)
    }
}

fn text_or(value: &Value, error: impl Fn(String) -> String) -> Result<String, CallError> {
    match value {
        Value::Str(text) => Ok(lossy(text).into_owned()),
        other => fail(error(gotext::format("%v", std::slice::from_ref(other)))),
    }
}

fn creating(error: &rcgen::Error) -> CallError {
    CallError::text(format!("error creating certificate: {error}"))
}

/// A new key, or the one in the next argument.
fn key(ctx: &mut Context<'_>, args: &mut Args, given: bool) -> Result<Key, CallError> {
    if !given {
        return Key::rsa(&rsa_key(ctx, CERTIFICATE_BITS)?);
    }
    let pem: Str = args.take();
    Key::parse(&lossy(&pem))
        .map_err(|error| CallError::text(format!("parsing private key: {error}")))
}

fn authority(ctx: &mut Context<'_>, args: &mut Args, given: bool) -> Result<Value, CallError> {
    let none = || List::nil(&Type::LIST);
    let name = args.take();
    let days = Int::take(args).0;
    let subject = Subject {
        name,
        addresses: none(),
        names: none(),
        days,
    };
    let key = key(ctx, args, given)?;
    let mut params = subject.params(ctx)?;
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cert = params
        .self_signed(&key.pair)
        .map_err(|e| creating(&e))?
        .pem()
        .replace('\r', "");
    Ok(Certificate { cert, key: key.pem }.into_value())
}

fn self_signed(ctx: &mut Context<'_>, args: &mut Args, given: bool) -> Result<Value, CallError> {
    let subject = Subject::take(args);
    let key = key(ctx, args, given)?;
    let params = subject.params(ctx)?;
    let cert = params
        .self_signed(&key.pair)
        .map_err(|e| creating(&e))?
        .pem()
        .replace('\r', "");
    Ok(Certificate { cert, key: key.pem }.into_value())
}

fn signed(ctx: &mut Context<'_>, args: &mut Args, given: bool) -> Result<Value, CallError> {
    let subject = Subject::take(args);
    let authority: Value = args.take();
    let key = key(ctx, args, given)?;
    let Some(authority) = authority.as_native::<Certificate>() else {
        return fail("unable to decode certificate");
    };
    if pem_kind(&authority.cert).is_none() {
        return fail("unable to decode certificate");
    }
    let signer = Key::parse(&authority.key)
        .map_err(|error| CallError::text(format!("error parsing private key: {error}")))?;
    let issuer = Issuer::from_ca_cert_pem(&authority.cert, signer.pair).map_err(|error| {
        CallError::text(format!(
            "error parsing certificate: decodedSignerCert.Bytes: {error}"
        ))
    })?;
    let mut params = subject.params(ctx)?;
    params.use_authority_key_identifier_extension = true;
    let cert = params
        .signed_by(&key.pair, &issuer)
        .map_err(|e| creating(&e))?
        .pem()
        .replace('\r', "");
    Ok(Certificate { cert, key: key.pem }.into_value())
}

fn custom(cert: &Str, key: &Str) -> Result<Value, CallError> {
    let text = |encoded: &Str, what: &str| match base::decode64(encoded) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => fail(format!("unable to decode base64 {what}")),
    };
    let cert = text(cert, "certificate")?;
    let key = text(key, "private key")?;
    let Some(der) = pem_body(&cert) else {
        return fail("unable to decode certificate");
    };
    if let Err(error) = x509_parser::parse_x509_certificate(&der) {
        return fail(format!(
            "error parsing certificate: decodedCert.Bytes: {error}"
        ));
    }
    Key::parse(&key)
        .map_err(|error| CallError::text(format!("error parsing private key: {error}")))?;
    Ok(Certificate { cert, key }.into_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_none_are_refused_by_kind() {
        for (pem, want) in [
            ("", "no PEM data in input"),
            (
                "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
                "no private key data in PEM block of type CERTIFICATE",
            ),
            (
                "-----BEGIN ODD PRIVATE KEY-----\n-----END ODD PRIVATE KEY-----\n",
                "invalid private key type ODD",
            ),
            (
                "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
                "parsing EC private key from PEM: only keys of the curve P-256 are read",
            ),
        ] {
            assert_eq!(Key::parse(pem).err().as_deref(), Some(want));
        }
    }

    #[test]
    fn keys_of_the_system_are_read_back() {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("generates");
        let der = pair.serialize_der();
        let sec1 = [&SEC1_HEAD, &der[36..68], &SEC1_MIDDLE, &der[73..138]].concat();
        let key = Key::parse(&pem_text("EC PRIVATE KEY", &sec1)).expect("reads");
        assert_eq!(key.pair.public_key_raw(), pair.public_key_raw());
    }
}
