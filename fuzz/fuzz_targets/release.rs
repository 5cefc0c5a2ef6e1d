//! Release records: payloads as they come, and JSON put into the encodings of a payload.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helm::release::{self, Release};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let payload = match bytes.split_first() {
        Some((b'{', _)) => STANDARD.encode(bytes),
        Some((0x1f, _)) => STANDARD.encode(bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    if let Ok(release) = release::decode(&payload) {
        // What is empty is left out, so only what was written once is read back as it was.
        let once = again(&release);
        let twice = once.as_ref().and_then(again);
        assert!(once.is_some() && once == twice, "{once:?} {twice:?}");
    }
});

fn again(release: &Release) -> Option<Release> {
    release::decode(&release::encode(release).ok()?).ok()
}
