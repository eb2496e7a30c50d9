//! Decompression: every member, damage, and the limits of output and memory.

use std::io::{self, ErrorKind, Read};

use archive::{Codec, LimitExceeded, decode};

fn raw(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn decoded(codec: Codec, bytes: &[u8], limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    decode(codec, bytes, limit_bytes).read_to_end(&mut out)?;
    Ok(out)
}

const COMPRESSED: [(Codec, &str); 4] = [
    (Codec::Gzip, "two.gz"),
    (Codec::Xz, "two.xz"),
    (Codec::Zstd, "two.zst"),
    (Codec::Bzip2, "two.bz2"),
];

#[test]
fn reads_every_member_of_every_format() {
    for (codec, name) in COMPRESSED {
        let bytes = raw(name);
        assert_eq!(Codec::sniff(&bytes), codec, "{name}");
        assert_eq!(decoded(codec, &bytes, 100).unwrap(), b"first, second\n", "{name}");
    }
    assert_eq!(decoded(Codec::None, b"as it is", 100).unwrap(), b"as it is");
}

#[test]
fn accepts_output_of_the_limit_and_refuses_one_byte_more() {
    let length = b"first, second\n".len() as u64;
    for (codec, name) in COMPRESSED {
        let bytes = raw(name);
        assert!(decoded(codec, &bytes, length).is_ok(), "{name}");
        let error = decoded(codec, &bytes, length - 1).unwrap_err();
        assert_eq!(
            LimitExceeded::within(&error),
            Some(LimitExceeded {
                limit_bytes: length - 1
            }),
            "{name}"
        );
    }
    assert!(decoded(Codec::None, b"1234", 4).is_ok());
    assert!(LimitExceeded::within(&decoded(Codec::None, b"12345", 4).unwrap_err()).is_some());
}

#[test]
fn refuses_input_that_ends_early_wherever_it_does() {
    for (codec, name) in COMPRESSED {
        let bytes = raw(name);
        for length in 0..bytes.len() {
            // Between two members a stream may end.
            match decoded(codec, &bytes[..length], 100) {
                Ok(out) => assert_eq!(out, b"first, ", "{name} cut to {length} bytes"),
                Err(error) => {
                    assert_eq!(
                        error.kind(),
                        ErrorKind::UnexpectedEof,
                        "{name} cut to {length} bytes: {error}"
                    );
                }
            }
        }
        assert!(decoded(codec, b"", 100).is_err(), "{name}");
    }
}

#[test]
fn refuses_damaged_content() {
    for (codec, name) in COMPRESSED {
        // The zstd fixture's checksum and the others' are what notices most of this.
        let bytes = raw(name);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            if let Ok(out) = decoded(codec, &damaged, 100) {
                assert_eq!(out, b"first, second\n", "{name} with byte {at} changed");
            }
        }
    }
}

#[test]
fn refuses_garbage_behind_the_last_member() {
    for (codec, name) in COMPRESSED {
        let bytes = [raw(name), b"garbage".to_vec()].concat();
        assert!(decoded(codec, &bytes, 100).is_err(), "{name}");
    }
}

#[test]
fn bounds_the_memory_of_xz_dictionaries() {
    assert_eq!(decoded(Codec::Xz, &raw("preset-9.xz"), 1000).unwrap(), [0; 1000]);
    let error = decoded(Codec::Xz, &raw("large-dictionary.xz"), 1000).unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
}

#[test]
fn bounds_the_window_of_zstd_frames() {
    // Frame header without content size; window descriptor: exponent above 2^10 in the upper 5 bits.
    let frame = |log: u8| [0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 0x09, 0, 0, b'x'];
    assert_eq!(decoded(Codec::Zstd, &frame(27), 10).unwrap(), b"x");
    assert!(decoded(Codec::Zstd, &frame(28), 10).is_err());
}

#[test]
fn finds_codecs_by_suffix() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_suffix(codec.suffix()), Some(codec));
    }
    assert_eq!(Codec::from_suffix(".lzma"), None);
    assert_eq!(Codec::sniff(b"\x5a\x2a\x4d\x18"), Codec::Zstd);
    assert_eq!(Codec::sniff(b""), Codec::None);
}
