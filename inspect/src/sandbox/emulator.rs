//! Executables of other architectures: which program runs them, and how the kernel recognises them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::protocol::Emulator;

/// How images of an architecture are run on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Execution {
    /// The processor understands them.
    Native,
    /// By an emulator.
    Emulated(Emulator),
}

/// Decides how to run an image of `architecture` (OCI name) on a machine of `host` (Rust's name).
///
/// # Errors
/// In words, when no emulator is found in `directories`.
pub(super) fn execution(
    architecture: &str,
    host: &str,
    directories: &[PathBuf],
) -> Result<Execution, String> {
    let Some(machine) = MACHINES.iter().find(|machine| machine.oci == architecture) else {
        return Err(format!("nothing is known of the architecture {architecture:?}"));
    };
    if machine.native_on.contains(&host) {
        return Ok(Execution::Native);
    }
    // The statically linked program is needed: its loader would be looked for in the image.
    let names = [
        format!("qemu-{}-static", machine.qemu),
        format!("qemu-{}", machine.qemu),
    ];
    let found = directories
        .iter()
        .flat_map(|directory| names.iter().map(move |name| directory.join(name)))
        .find(|path| is_static(path));
    match found {
        Some(program) => Ok(Execution::Emulated(Emulator {
            program,
            recognition: machine.recognition(),
        })),
        None => Err(format!(
            "the image is for {architecture}, and qemu-{0}-static is not installed (Debian's package qemu-user-static has it)",
            machine.qemu
        )),
    }
}

/// Whether `path` is an executable that needs no loader. Debian 13 calls the static ones plain `qemu-ARCH`, older
/// releases have dynamic ones of that name.
fn is_static(path: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    let elf = read.is_ok() && head.starts_with(b"\x7fELF");
    elf && !head.windows(LOADER.len()).any(|window| window == LOADER)
}

struct Machine {
    /// OCI's name.
    oci: &'static str,
    /// QEMU's name.
    qemu: &'static str,
    /// Rust's names of the machines whose processors run it.
    native_on: &'static [&'static str],
    /// ELF class: 1 is 32 bits, 2 is 64.
    class: u8,
    big_endian: bool,
    /// ELF machine number.
    number: u16,
}

impl Machine {
    /// The beginning of its executables: class and byte order, executable or shared object, machine number. The
    /// ABI bytes do not count.
    fn recognition(&self) -> String {
        let order = if self.big_endian { 2 } else { 1 };
        let mut magic = [0_u8; 20];
        let mut mask = [0_u8; 20];
        magic[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', self.class, order, 1]);
        mask[..7].fill(0xff);
        let (kind, kind_mask, number) = if self.big_endian {
            ([0, 2], [0xff, 0xfe], self.number.to_be_bytes())
        } else {
            ([2, 0], [0xfe, 0xff], self.number.to_le_bytes())
        };
        magic[16..18].copy_from_slice(&kind);
        mask[16..18].copy_from_slice(&kind_mask);
        magic[18..].copy_from_slice(&number);
        mask[18..].fill(0xff);
        format!("{}:{}", escaped(&magic), escaped(&mask))
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "\\x{byte:02x}");
        out
    })
}

const MACHINES: [Machine; 8] = [
    Machine {
        oci: "amd64",
        qemu: "x86_64",
        native_on: &["x86_64"],
        class: 2,
        big_endian: false,
        number: 62,
    },
    Machine {
        oci: "386",
        qemu: "i386",
        native_on: &["x86", "x86_64"],
        class: 1,
        big_endian: false,
        number: 3,
    },
    Machine {
        oci: "arm64",
        qemu: "aarch64",
        native_on: &["aarch64"],
        class: 2,
        big_endian: false,
        number: 183,
    },
    Machine {
        oci: "arm",
        qemu: "arm",
        native_on: &["arm"],
        class: 1,
        big_endian: false,
        number: 40,
    },
    Machine {
        oci: "ppc64le",
        qemu: "ppc64le",
        native_on: &["powerpc64le"],
        class: 2,
        big_endian: false,
        number: 21,
    },
    Machine {
        oci: "s390x",
        qemu: "s390x",
        native_on: &["s390x"],
        class: 2,
        big_endian: true,
        number: 22,
    },
    Machine {
        oci: "riscv64",
        qemu: "riscv64",
        native_on: &["riscv64"],
        class: 2,
        big_endian: false,
        number: 243,
    },
    Machine {
        oci: "loong64",
        qemu: "loongarch64",
        native_on: &["loongarch64"],
        class: 2,
        big_endian: false,
        number: 258,
    },
];

/// The name of a dynamic program's loader stands this near to its beginning.
const HEAD_BYTES: u64 = 8192;
const LOADER: &[u8] = b"/ld-linux";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_architecture_needs_nothing() {
        assert_eq!(execution("amd64", "x86_64", &[]), Ok(Execution::Native));
        assert_eq!(execution("386", "x86_64", &[]), Ok(Execution::Native));
    }

    #[test]
    fn a_missing_emulator_is_named() {
        let error = execution("arm64", "x86_64", &[PathBuf::from("/nowhere")]).unwrap_err();
        assert!(error.contains("qemu-aarch64-static"), "{error}");
        assert!(execution("vax", "x86_64", &[]).is_err());
    }

    #[test]
    fn only_a_static_emulator_will_do() {
        let directory = tempfile::tempdir().unwrap();
        let directories = [directory.path().to_owned()];
        std::fs::write(
            directory.path().join("qemu-aarch64"),
            b"\x7fELF....../lib64/ld-linux-x86-64.so.2",
        )
        .unwrap();
        assert!(execution("arm64", "x86_64", &directories).is_err());
        std::fs::write(directory.path().join("qemu-aarch64-static"), b"\x7fELF......").unwrap();
        let Ok(Execution::Emulated(emulator)) = execution("arm64", "x86_64", &directories) else {
            panic!("not found")
        };
        assert_eq!(emulator.program, directory.path().join("qemu-aarch64-static"));
    }

    #[test]
    fn executables_are_recognised_as_qemu_registers_them() {
        let of = |name: &str| {
            MACHINES
                .iter()
                .find(|machine| machine.oci == name)
                .unwrap()
                .recognition()
        };
        let zeros = r"\x00".repeat(9);
        assert!(of("arm64").starts_with(&format!(r"\x7f\x45\x4c\x46\x02\x01\x01{zeros}\x02\x00\xb7\x00:")));
        assert!(of("s390x").starts_with(&format!(r"\x7f\x45\x4c\x46\x02\x02\x01{zeros}\x00\x02\x00\x16:")));
        assert!(of("s390x").ends_with(r"\xff\xfe\xff\xff"));
    }
}
