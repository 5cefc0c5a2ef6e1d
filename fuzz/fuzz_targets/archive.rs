//! Chart archives: bytes as they come, and tar files put into gzip first.

#![no_main]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use flotilla_fuzz::CHART_LIMITS;
use helm::Chart;
use libfuzzer_sys::fuzz_target;

fn compressed(tar: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(tar)?;
    encoder.finish()
}

fn load(archive: &[u8]) {
    match Chart::from_archive(archive, &CHART_LIMITS) {
        Ok(chart) => {
            let names = chart.files.iter().chain(&chart.templates);
            for file in names {
                let climbs = file.name.split('/').any(|part| part == "..");
                assert!(!climbs && !file.name.starts_with('/'), "{:?}", file.name);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"\x1f\x8b") {
        load(bytes);
    } else if let Ok(archive) = compressed(bytes) {
        load(&archive);
    }
});
