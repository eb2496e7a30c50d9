//! All architectures, from a signed mirror to one index.

use std::{fs, path::Path};

use archive::{Codec, tar};
use factory::{release::Architecture, specification::Specification};
use oci::{ImageConfig, Manifest};
use testkit::{DebBuilder, TestArchive, TestDeb};

use crate::{
    end_to_end::{Wish, lock_and_build},
    shop::{blob_path, manifest, run, verified},
};

/// For each architecture: OCI's name and variant, Debian's name, ELF's machine, class and flags, and the place of libraries.
const PLATFORMS: [Expected; 6] = [
    expected("amd64", None, "amd64", (62, 2, 0), "x86_64-linux-gnu"),
    expected("arm64", Some("v8"), "arm64", (183, 2, 0), "aarch64-linux-gnu"),
    expected(
        "arm",
        Some("v7"),
        "armhf",
        (40, 1, 0x0500_0400),
        "arm-linux-gnueabihf",
    ),
    expected("s390x", None, "s390x", (22, 2, 0), "s390x-linux-gnu"),
    expected("ppc64le", None, "ppc64el", (21, 2, 2), "powerpc64le-linux-gnu"),
    expected("riscv64", None, "riscv64", (243, 2, 5), "riscv64-linux-gnu"),
];

struct Expected {
    name: &'static str,
    variant: Option<&'static str>,
    debian_name: &'static str,
    elf: (u16, u8, u32),
    triplet: &'static str,
}

const fn expected(
    name: &'static str,
    variant: Option<&'static str>,
    debian_name: &'static str,
    elf: (u16, u8, u32),
    triplet: &'static str,
) -> Expected {
    Expected {
        name,
        variant,
        debian_name,
        elf,
        triplet,
    }
}

const SPECIFICATION: &str = "lightship: 1\nname: wide\nrelease: debian13\npackages: [libtiny, data]\n";

/// Numbers of an ELF file, in its byte order.
struct Numbers {
    bytes: Vec<u8>,
    is_big: bool,
    is_wide: bool,
}

impl Numbers {
    fn put(&mut self, value: u64, size: usize) {
        let bytes = value.to_be_bytes();
        let mut bytes = bytes[8 - size..].to_vec();
        if !self.is_big {
            bytes.reverse();
        }
        self.bytes.extend(bytes);
    }

    /// As wide as an address.
    fn word(&mut self, value: u64) {
        self.put(value, if self.is_wide { 8 } else { 4 });
    }
}

/// A shared library that has nothing but the name `libtiny.so.1`.
fn library(expected: &Expected) -> Vec<u8> {
    let (machine, class, flags) = expected.elf;
    let (is_big, is_wide) = (expected.name == "s390x", class == 2);
    let mut out = Numbers {
        bytes: vec![0x7f, b'E', b'L', b'F', class, if is_big { 2 } else { 1 }, 1],
        is_big,
        is_wide,
    };
    out.bytes.resize(16, 0);
    let (header, segment, word) = if is_wide { (64, 56, 8) } else { (52, 32, 4) };
    let dynamic = header + 2 * segment;
    let strings = dynamic + 4 * 2 * word;
    let names = b"\0libtiny.so.1\0";
    let end = strings + names.len() as u64;
    for (value, size) in [(3, 2), (machine.into(), 2), (1, 4)] {
        out.put(value, size);
    }
    for value in [0, header, 0] {
        out.word(value);
    }
    out.put(flags.into(), 4);
    for value in [header, segment, 2, 0, 0, 0] {
        out.put(value, 2);
    }
    // One segment to load everything at its offset, and the dynamic one within.
    for (kind, offset, size) in [(1, 0, end), (2, dynamic, 4 * 2 * word)] {
        out.put(kind, 4);
        if is_wide {
            out.put(4, 4);
        }
        for value in [offset, offset, offset, size, size] {
            out.word(value);
        }
        if !is_wide {
            out.put(4, 4);
        }
        out.word(8);
    }
    // DT_STRTAB, DT_STRSZ, DT_SONAME, DT_NULL.
    for value in [5, strings, 10, names.len() as u64, 14, 1, 0, 0] {
        out.word(value);
    }
    out.bytes.extend(names);
    out.bytes
}

fn libtiny(expected: &Expected) -> TestDeb {
    DebBuilder::new("libtiny", "1.0-1")
        .architecture(expected.debian_name)
        .file(
            &format!("usr/lib/{}/libtiny.so.1", expected.triplet),
            0o644,
            &library(expected),
        )
        .file(
            "etc/ld.so.conf.d/tiny.conf",
            0o644,
            format!("/usr/lib/{}\n", expected.triplet).as_bytes(),
        )
        .build()
}

fn mirror() -> TestArchive {
    let mut builder = TestArchive::builder().deb(
        "trixie",
        DebBuilder::new("data", "1")
            .architecture("all")
            .file("usr/share/data", 0o644, b"x")
            .build(),
    );
    for expected in &PLATFORMS {
        builder = builder
            .suite("trixie", expected.debian_name)
            .suite("trixie-updates", expected.debian_name)
            .deb("trixie-security", libtiny(expected));
    }
    builder.build()
}

/// The bytes of a file in the layers of an image, the last one that has it.
fn file(layout: &Path, image: &oci::ImageManifest, path: &str) -> Option<Vec<u8>> {
    let mut found = None;
    for layer in &image.layers {
        let bytes = fs::read(blob_path(layout, &layer.digest)).unwrap();
        let mut reader = tar::Reader::new(
            archive::decode(Codec::Gzip, &bytes[..], 1 << 20),
            tar::Limits::default(),
        );
        while let Some(entry) = reader.next_entry().unwrap() {
            if entry.path.to_string() == path {
                let mut content = Vec::new();
                std::io::Read::read_to_end(&mut reader.content(), &mut content).unwrap();
                found = Some(content);
            }
        }
    }
    found
}

#[test]
fn one_index_holds_the_platforms_of_all_architectures_each_with_a_loader_cache_in_its_byte_order() {
    let place = tempfile::tempdir().unwrap();
    let layout = place.path().join("layout");
    let archive = mirror();
    let server = archive.serve();
    let wish = Wish {
        plans: Specification::parse("wide.yaml", SPECIFICATION, Path::new(""))
            .unwrap()
            .plans,
        architectures: Architecture::ALL.to_vec(),
        cache: place.path().join("cache"),
        layout: layout.clone(),
    };
    let outcome = run(lock_and_build(wish, &server)).unwrap();
    assert_eq!(verified(&layout)[0].1, outcome.report.images[0].digest);
    let locked = outcome.lock.image("wide", "latest").unwrap();
    assert!(locked.platforms.values().all(|packages| packages.len() == 2));

    let index = manifest(&layout, "latest");
    let manifests = &index.index().unwrap().manifests;
    assert_eq!(manifests.len(), PLATFORMS.len());
    for expected in &PLATFORMS {
        let fits = |descriptor: &&oci::Descriptor| {
            let platform = descriptor.platform.as_ref().unwrap();
            platform.architecture == expected.name && platform.variant.as_deref() == expected.variant
        };
        let descriptor = manifests.iter().find(fits).expect(expected.name);
        let bytes = fs::read(blob_path(&layout, &descriptor.digest)).unwrap();
        let image = Manifest::parse(bytes, None).unwrap();
        let image = image.image().unwrap();
        let config = fs::read(blob_path(&layout, &image.config.digest)).unwrap();
        let config = ImageConfig::parse(&config).unwrap();
        assert_eq!(&config.platform(), descriptor.platform.as_ref().unwrap());
        let cache = file(&layout, image, "/etc/ld.so.cache").expect(expected.name);
        // The number of libraries, and the byte that tells the order: 2 little, 3 big.
        let (one, order) = match expected.name {
            "s390x" => ([0, 0, 0, 1], 3),
            _ => ([1, 0, 0, 0], 2),
        };
        assert_eq!(
            (&cache[20..24], cache[28]),
            (&one[..], order),
            "{}",
            expected.name
        );
        let path = format!("/usr/lib/{}/libtiny.so.1\0", expected.triplet);
        assert!(
            cache.windows(path.len()).any(|bytes| bytes == path.as_bytes()),
            "{}",
            expected.name
        );
    }
}
