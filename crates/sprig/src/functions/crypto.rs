//! Hashes, random texts, passwords.
//!
//! In: texts. Out: texts. Randomness comes from the host of the render; without one it is an error.
//! Source: sprig `crypto.go`, `strings.go`.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _};
use gotemplate::{CallError, Context, Functions, Int, Str};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use super::Host;
use super::support::{fail, lossy};

/// Cost of bcrypt, as Go's default.
const BCRYPT_COST: u32 = 10;
/// Steps charged for a hash that is slow on purpose.
const SLOW_HASH_STEPS: u64 = 1_000_000;

pub(super) fn add(functions: &mut Functions) {
    add_hashes(functions);
    add_random(functions);
    add_passwords(functions);
}

fn add_hashes(functions: &mut Functions) {
    functions
        .add("sha1sum", |text: Str| {
            hex::encode(sha1::Sha1::digest(&text))
        })
        .add("sha256sum", |text: Str| hex::encode(Sha256::digest(&text)))
        .add("sha512sum", |text: Str| hex::encode(Sha512::digest(&text)))
        .add("adler32sum", |text: Str| adler32(&text).to_string());
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

fn add_random(functions: &mut Functions) {
    let letters = || (b'A'..=b'Z').chain(b'a'..=b'z');
    let sets: [(&str, Vec<u8>); 4] = [
        ("randAlphaNum", letters().chain(b'0'..=b'9').collect()),
        ("randAlpha", letters().collect()),
        ("randNumeric", (b'0'..=b'9').collect()),
        ("randAscii", (32..=126).collect()),
    ];
    for (name, set) in sets {
        functions.add_with_context(name, move |ctx: &mut Context<'_>, Int(count): Int| {
            // A negative count gives nothing, as in sprig.
            let count = usize::try_from(count).unwrap_or_default();
            ctx.expect_text(count)?;
            (0..count)
                .map(|_| Ok(set[below(ctx, set.len())?]))
                .collect::<Result<Vec<u8>, CallError>>()
        });
    }
    functions
        .add_with_context(
            "randInt",
            |ctx: &mut Context<'_>, Int(low): Int, Int(high): Int| match high
                .checked_sub(low)
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| *n > 0)
            {
                Some(range) => Ok(Int(low + below(ctx, range)? as i64)),
                None => fail("invalid argument to Intn"),
            },
        )
        .add_with_context("randBytes", |ctx: &mut Context<'_>, Int(count): Int| {
            let Ok(count) = usize::try_from(count) else {
                return fail("runtime error: makeslice: len out of range");
            };
            ctx.expect_text(count)?;
            let mut bytes = vec![0; count];
            fill(ctx, &mut bytes)?;
            Ok(super::base::encode64(&bytes))
        })
        .add_with_context("uuidv4", |ctx: &mut Context<'_>| {
            let mut bytes = [0; 16];
            fill(ctx, &mut bytes)?;
            Ok::<_, CallError>(
                uuid::Builder::from_random_bytes(bytes)
                    .into_uuid()
                    .to_string(),
            )
        })
        .add_with_context("shuffle", |ctx: &mut Context<'_>, text: Str| {
            let mut characters: Vec<char> = lossy(&text).chars().collect();
            for i in (1..characters.len()).rev() {
                let other = below(ctx, i + 1)?;
                characters.swap(i, other);
            }
            Ok::<_, CallError>(characters.into_iter().collect::<String>())
        });
}

/// Fills `bytes` from the host's source.
pub(super) fn fill(ctx: &mut Context<'_>, bytes: &mut [u8]) -> Result<(), CallError> {
    match ctx.host::<Host>() {
        Some(host) => {
            host.random.fill(bytes);
            Ok(())
        }
        None => fail("random numbers are not available here"),
    }
}

/// An even choice among `range` numbers.
fn below(ctx: &mut Context<'_>, range: usize) -> Result<usize, CallError> {
    let range = range as u64;
    let fair = u64::MAX - u64::MAX % range;
    loop {
        let mut bytes = [0; 8];
        fill(ctx, &mut bytes)?;
        let number = u64::from_le_bytes(bytes);
        if number < fair {
            return Ok((number % range) as usize);
        }
    }
}

fn add_passwords(functions: &mut Functions) {
    functions
        .add_with_context("bcrypt", |ctx: &mut Context<'_>, text: Str| {
            bcrypt_text(ctx, &text)
        })
        .add_with_context(
            "htpasswd",
            |ctx: &mut Context<'_>, user: Str, password: Str| {
                if user.contains(&b':') {
                    return Ok(format!("invalid username: {user}"));
                }
                Ok(format!("{user}:{}", bcrypt_text(ctx, &password)?))
            },
        )
        .insert(derive_password())
        .add_with_context(
            "encryptAES",
            |ctx: &mut Context<'_>, password: Str, text: Str| encrypt(ctx, &password, &text),
        )
        .add("decryptAES", |password: Str, text: Str| {
            decrypt(&password, &text)
        });
}

/// The first 32 bytes of the password, filled up with zeros.
fn cipher(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    let used = password.len().min(32);
    key[..used].copy_from_slice(&password[..used]);
    Aes256::new(&key.into())
}

const BLOCK: usize = 16;

/// AES-256 in CBC mode with PKCS #7 padding; the start vector comes first, all in base64.
fn encrypt(ctx: &mut Context<'_>, password: &[u8], text: &[u8]) -> Result<String, CallError> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let cipher = cipher(password);
    let padding = BLOCK - text.len() % BLOCK;
    let mut out = vec![0; BLOCK];
    fill(ctx, &mut out)?;
    let padded = [text, &vec![padding as u8; padding]].concat();
    for chunk in padded.chunks_exact(BLOCK) {
        let previous = &out[out.len() - BLOCK..];
        let mut block = [0; BLOCK];
        for (i, byte) in block.iter_mut().enumerate() {
            *byte = chunk[i] ^ previous[i];
        }
        let mut block = block.into();
        cipher.encrypt_block(&mut block);
        out.extend_from_slice(&block);
    }
    Ok(super::base::encode64(&out))
}

fn decrypt(password: &[u8], text: &[u8]) -> Result<Vec<u8>, CallError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let bytes = super::base::decode64(text).map_err(CallError::text)?;
    if bytes.len() < BLOCK {
        // The library decodes into a buffer that is long enough for what is no padding, too.
        let capacity = text.len() / 4 * 3;
        return fail(format!(
            "runtime error: slice bounds out of range [:{BLOCK}] with capacity {capacity}"
        ));
    }
    if bytes.len() % BLOCK != 0 {
        return fail("crypto/cipher: input not full blocks");
    }
    let cipher = cipher(password);
    let mut out = Vec::with_capacity(bytes.len());
    for start in (BLOCK..bytes.len()).step_by(BLOCK) {
        let mut block = [0; BLOCK];
        block.copy_from_slice(&bytes[start..start + BLOCK]);
        let mut block = block.into();
        cipher.decrypt_block(&mut block);
        let previous = &bytes[start - BLOCK..start];
        out.extend(block.iter().zip(previous).map(|(a, b)| a ^ b));
    }
    let padding = usize::from(out.last().copied().unwrap_or_default());
    if out.is_empty() {
        return fail("runtime error: index out of range [-1]");
    }
    match out.len().checked_sub(padding) {
        Some(length) => {
            out.truncate(length);
            Ok(out)
        }
        None => fail(format!(
            "runtime error: slice bounds out of range [:-{}]",
            padding - out.len()
        )),
    }
}

fn bcrypt_text(ctx: &mut Context<'_>, text: &[u8]) -> Result<String, CallError> {
    ctx.spend_steps(SLOW_HASH_STEPS)?;
    if text.len() > 72 {
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes"
                .to_owned(),
        );
    }
    let mut salt = [0; 16];
    fill(ctx, &mut salt)?;
    match bcrypt::hash_with_salt(text, BCRYPT_COST, salt) {
        Ok(parts) => Ok(parts.format_for_version(bcrypt::Version::TwoA)),
        Err(error) => Ok(format!("failed to encrypt string with bcrypt: {error}")),
    }
}

/// `derivePassword`: the Master Password algorithm.
fn derive_password() -> gotemplate::Function {
    use gotemplate::{IntKind, Signature, Type, Value};
    let signature = Signature {
        params: &[
            Type::Int(IntKind::Uint32),
            Type::String,
            Type::String,
            Type::String,
            Type::String,
        ],
        variadic: None,
        result: Type::String,
    };
    gotemplate::Function::new(
        "derivePassword",
        signature,
        Box::new(|ctx, args| {
            ctx.spend_steps(3 * SLOW_HASH_STEPS)?;
            let counter = match args.take::<Value>() {
                Value::Int(_, counter) => counter as u32,
                _ => 0,
            };
            let (kind, password, user, site): (Str, Str, Str, Str) =
                (args.take(), args.take(), args.take(), args.take());
            derived(counter, &lossy(&kind), &password, &user, &site).map(Value::from)
        }),
    )
}

const SEED: &[u8] = b"com.lyndir.masterpassword";

fn templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

fn derived(
    counter: u32,
    kind: &str,
    password: &[u8],
    user: &[u8],
    site: &[u8],
) -> Result<String, CallError> {
    let Some(templates) = templates(kind) else {
        return Ok(format!("cannot find password template {kind}"));
    };
    let salt = [SEED, &(user.len() as u32).to_be_bytes(), user].concat();
    let mut key = [0; 64];
    let params =
        scrypt::Params::new(15, 8, 2).map_err(|_| CallError::text("failed to derive password"))?;
    scrypt::scrypt(password, &salt, &params, &mut key)
        .map_err(|_| CallError::text("failed to derive password"))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)
        .map_err(|_| CallError::text("failed to derive password"))?;
    mac.update(
        &[
            SEED,
            &(site.len() as u32).to_be_bytes(),
            site,
            &counter.to_be_bytes(),
        ]
        .concat(),
    );
    let seed = mac.finalize().into_bytes();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let text = template.bytes().zip(&seed[1..]).map(|(class, byte)| {
        let set = characters(class);
        char::from(set[usize::from(*byte) % set.len()])
    });
    Ok(text.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_derived_as_in_sprig() {
        let got = derived(1, "long", b"password", b"user", b"example.com").expect("derives");
        assert_eq!(got, "ZedaFaxcZaso9*");
        let got = derived(1, "nope", b"p", b"u", b"s").expect("answers");
        assert_eq!(got, "cannot find password template nope");
    }

    #[test]
    fn texts_that_were_not_encrypted_are_refused() {
        for (text, want) in [
            ("!", "illegal base64 data at input byte 0"),
            (
                "QUJD",
                "runtime error: slice bounds out of range [:16] with capacity 3",
            ),
            (
                "QUJDREVGR0hJSktMTU5PUFE=",
                "crypto/cipher: input not full blocks",
            ),
            (
                "QUJDREVGR0hJSktMTU5PUA==",
                "runtime error: index out of range [-1]",
            ),
        ] {
            let got = decrypt(b"k", text.as_bytes()).map_err(|e| e.to_string());
            assert_eq!(got, Err(want.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn checksums_are_those_of_go() {
        assert_eq!(adler32(b"Hello World!"), 474_547_262);
        assert_eq!(adler32(b""), 1);
    }
}
