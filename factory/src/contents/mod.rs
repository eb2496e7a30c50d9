//! What is inside the packages: read once, remembered.
//!
//! A `.deb` is decompressed at most once in a run. While it streams past, its own SHA-256 is checked,
//! every file's SHA-256 is taken and the files' bytes go to a [`Spool`], from which layers are made.
//! The list of entries is kept in the cache under the package's digest, so that a later run knows the
//! whole tree of an image without opening one package.

mod elf;
mod package_reader;
mod reading;
mod set;
mod spool;
mod stored;

use archive::tar;

pub use elf::{Class, ElfFacts};
pub use package_reader::{ContentsError, PackageToRead};
pub use reading::ImageContents;
pub use set::{ArchiveToRead, PackageSet};
pub use spool::Spool;

/// Everything that is known about one package without its files' bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageContents {
    /// Name, e.g. `libc6`.
    pub name: String,
    /// Version with epoch and revision.
    pub version: String,
    /// Architecture in Debian's spelling; `all` for those that fit every one.
    pub architecture: String,
    /// Name of the source package (the package's own when it names none).
    pub source_name: String,
    /// Version of the source package (the package's own when it names none).
    pub source_version: String,
    /// SHA-256 of the `.deb`.
    pub sha256: [u8; 32],
    /// The control paragraph, verbatim.
    pub control: Vec<u8>,
    /// The control member `md5sums`, verbatim.
    pub md5sums: Option<Vec<u8>>,
    /// The control member `conffiles`, verbatim.
    pub conffiles: Option<Vec<u8>>,
    /// Files, directories and links in the order of the package.
    pub entries: Vec<PackageEntry>,
}

/// One entry of a package's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageEntry {
    /// Path, kind, mode, owner, time and size.
    pub entry: tar::Entry,
    /// SHA-256 of the content; `None` for what is not a regular file.
    pub digest: Option<[u8; 32]>,
    /// Where the content begins in the package's [`Spool`], in bytes; 0 for what is not a regular file.
    pub offset: u64,
    /// What the ELF header says, for regular files that have one.
    pub elf: Option<ElfFacts>,
}
