//! Compressed files of a bundle, byte for byte as Go's `compress/gzip` writes them at its default level.
//!
//! The compressed text of a binary file is part of its bundle's content, and the name of that content is
//! a hash: another compressor, as good as it may be, would give every such bundle another name and deploy
//! it again everywhere. Bytes go in, a gzip stream comes out. Nothing is read here, and what is not part
//! of an identity is compressed by ordinary means.
//!
//! Source: Go `compress/gzip` and `compress/flate` (level 6), whose choices are described where they are
//! made; RFC 1951 and RFC 1952 for the formats.

mod blocks;
mod huffman;
mod matches;

use flate2::Crc;

/// Header without time, name and system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Compresses as Go does when everything is written at once.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut out = blocks::BlockWriter::new(HEADER.to_vec());
    matches::find(bytes, &mut out);
    let mut out = out.finish();
    let mut sum = Crc::new();
    sum.update(bytes);
    out.extend(sum.sum().to_le_bytes());
    out.extend(sum.amount().to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use flate2::read::MultiGzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn unpack(packed: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        MultiGzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn known_inputs_give_gos_bytes() {
        // Recorded from Go, in base64.
        let cases = include_str!("../../tests/data/gzip/recorded.txt");
        let mut n_cases = 0;
        for line in cases.lines().filter(|line| !line.starts_with('#')) {
            let (count, rest) = line.split_once(' ').unwrap();
            let (unit, wanted) = rest.split_once(' ').unwrap();
            let unit = STANDARD.decode(unit).unwrap();
            let input = unit.repeat(count.parse().unwrap());
            assert_eq!(STANDARD.encode(compress(&input)), wanted, "{line}");
            n_cases += 1;
        }
        assert!(n_cases >= 5);
    }

    #[test]
    fn inputs_around_the_window_come_back() {
        let text: Vec<u8> = (0..200_000_u32)
            .flat_map(|i| (i / 7 * 31).to_le_bytes())
            .collect();
        for size in [
            3, 4, 5, 261, 262, 263, 32_767, 32_768, 65_273, 65_274, 65_275, 65_535, 65_536, 65_537,
            98_304, 98_305, 400_000,
        ] {
            assert_eq!(unpack(&compress(&text[..size])), &text[..size], "{size}");
        }
        let long_runs = vec![b'x'; 300_000];
        assert_eq!(unpack(&compress(&long_runs)), long_runs);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn everything_comes_back(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 1..20),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..400),
        ) {
            let bytes: Vec<u8> = order.iter().flat_map(|i| i.get(&words).clone()).collect();
            prop_assert_eq!(unpack(&compress(&bytes)), bytes);
        }
    }
}
