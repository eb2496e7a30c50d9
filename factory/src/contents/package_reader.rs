//! Reads a package or a user's archive from front to back, once.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use archive::{Codec, Hashing, HashingReader, decode, tar};
use cache::{Cache, CacheError};
use debian::package::{Control, DebError, Limits};

use super::{ElfFacts, PackageContents, PackageEntry, Spool, elf, spool::SpoolWriter};

/// Why a package or archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not the one that was asked for.
    #[error("the file of {name} has SHA-256 {actual}, not {expected}")]
    Damaged {
        /// Name of the package or address of the archive.
        name: String,
        /// SHA-256 that the lock says, in hex.
        expected: String,
        /// SHA-256 that it has, in hex.
        actual: String,
    },
    /// The file in the cache was damaged, or has gone.
    #[error("{name}: its file in the cache was damaged and has been dropped; run the build again")]
    Dropped {
        /// Name of the package or address of the archive.
        name: String,
    },
    /// The file is as the lock says, and still no package.
    #[error("cannot read package {name}")]
    Package {
        /// The package.
        name: String,
        /// Why.
        #[source]
        source: DebError,
    },
    /// The package's own control file says another name, version or architecture than the lock.
    #[error("the lock says {expected}, the package's control file says {actual}")]
    OtherPackage {
        /// Name, version and architecture of the lock.
        expected: String,
        /// Those of the control file.
        actual: String,
    },
    /// An archive of the user is damaged, or of a kind that cannot be read.
    #[error("cannot read archive {url}")]
    Archive {
        /// Its address.
        url: String,
        /// Why.
        #[source]
        source: tar::ReadError,
    },
    /// There is no room for the uncompressed files.
    #[error("cannot keep the uncompressed files of {name}")]
    Spool {
        /// The package or archive.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The cache does not work.
    #[error("cannot use the cache of package contents")]
    Cache(#[from] CacheError),
    /// The remembered entries of a package are not those that it has.
    #[error("{name}: the cache remembered other entries than the package has; run the build again")]
    Stale {
        /// The package.
        name: String,
    },
}

impl ContentsError {
    /// Whether something in the cache was not what it should be; it has been dropped.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Dropped { .. } | Self::Stale { .. })
    }
}

/// What a lock says about a package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageToRead {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture in Debian's spelling, or `all`.
    pub architecture: String,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Length of the file in bytes.
    pub size: u64,
    /// Where the file lies.
    pub path: PathBuf,
}

/// Reads a package: its entries and, in the spool, the bytes of its files.
///
/// Nothing is returned unless the whole file has the SHA-256 that the lock says.
pub(super) fn read_package(
    package: &PackageToRead,
    cache: &Cache,
) -> Result<(PackageContents, Spool), ContentsError> {
    let mut file = Checked::open(&package.path)?;
    let read = read_deb(package, &mut file, cache);
    // A damaged file is told as that, whatever it looked like to the reader.
    file.finish(&package.name, &package.sha256)?;
    read
}

fn read_deb(
    package: &PackageToRead,
    file: &mut Checked,
    cache: &Cache,
) -> Result<(PackageContents, Spool), ContentsError> {
    let name = &package.name;
    let wrong = |source| ContentsError::Package {
        name: name.clone(),
        source,
    };
    let input = BufReader::with_capacity(READ_BYTES, &mut file.reader);
    let deb = debian::package::open(input, &Limits::default()).map_err(wrong)?;
    let mut contents = describe(package, &deb.control)?;
    let mut data = deb.data();
    let mut spool = SpoolWriter::new(cache);
    while let Some(entry) = data.next_entry().map_err(wrong)? {
        let mut content = data.content();
        match spool_entry(entry, &mut content, &mut spool) {
            Ok(entry) => contents.entries.push(entry),
            Err(Copy::Read(source)) => {
                drop(content);
                return Err(wrong(data.content_error(source)));
            }
            Err(Copy::Write(source)) => {
                return Err(ContentsError::Spool {
                    name: name.clone(),
                    source,
                });
            }
        }
    }
    let spool = spool.finish().map_err(|source| ContentsError::Spool {
        name: name.clone(),
        source,
    })?;
    Ok((contents, spool))
}

fn describe(package: &PackageToRead, control: &Control) -> Result<PackageContents, ContentsError> {
    let field = |name| control.paragraph.field(name).unwrap_or_default().to_owned();
    let (name, version, architecture) = (field("Package"), field("Version"), field("Architecture"));
    if (&name, &version, &architecture) != (&package.name, &package.version, &package.architecture) {
        return Err(ContentsError::OtherPackage {
            expected: format!("{} {} {}", package.name, package.version, package.architecture),
            actual: format!("{name} {version} {architecture}"),
        });
    }
    let (source_name, source_version) = source_of(&field("Source"), &name, &version);
    let file = |name| control.files.get(name).cloned();
    Ok(PackageContents {
        source_name,
        source_version,
        sha256: package.sha256,
        control: file("control").unwrap_or_default(),
        md5sums: file("md5sums"),
        conffiles: file("conffiles"),
        entries: Vec::new(),
        name,
        version,
        architecture,
    })
}

/// A `Source` field is empty, `name` or `name (version)`; what it lacks is as for the package.
fn source_of(field: &str, name: &str, version: &str) -> (String, String) {
    let (source, rest) = field.split_once('(').unwrap_or((field, ""));
    let source = source.trim();
    let source_version = rest.trim_end().trim_end_matches(')').trim();
    let or = |text: &str, other: &str| {
        if text.is_empty() {
            other.to_owned()
        } else {
            text.to_owned()
        }
    };
    (or(source, name), or(source_version, version))
}

/// Reads an archive of the user: a tar in any compression that [`Codec`] knows.
pub(super) fn read_archive(
    url: &str,
    path: &Path,
    sha256: &[u8; 32],
    cache: &Cache,
) -> Result<(Vec<PackageEntry>, Spool), ContentsError> {
    let mut file = Checked::open(path)?;
    let read = read_tar(url, &mut file, cache);
    file.finish(url, sha256)?;
    read
}

fn read_tar(
    url: &str,
    file: &mut Checked,
    cache: &Cache,
) -> Result<(Vec<PackageEntry>, Spool), ContentsError> {
    let unreadable = |source| ContentsError::Read {
        path: file.path.clone(),
        source,
    };
    let full = |source| ContentsError::Spool {
        name: url.to_owned(),
        source,
    };
    let mut start = Vec::new();
    (&mut file.reader)
        .take(SNIFF_BYTES)
        .read_to_end(&mut start)
        .map_err(unreadable)?;
    let codec = Codec::sniff(&start);
    let input = io::Cursor::new(start).chain(BufReader::with_capacity(READ_BYTES, &mut file.reader));
    let mut reader = tar::Reader::new(decode(codec, input, ARCHIVE_BYTES_MAX), tar::Limits::default());
    let mut spool = SpoolWriter::new(cache);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry().map_err(|source| ContentsError::Archive {
        url: url.to_owned(),
        source,
    })? {
        match spool_entry(entry, &mut reader.content(), &mut spool) {
            Ok(entry) => entries.push(entry),
            Err(Copy::Read(source)) => return Err(unreadable(source)),
            Err(Copy::Write(source)) => return Err(full(source)),
        }
    }
    Ok((entries, spool.finish().map_err(full)?))
}

/// The file, hashed as it is read.
struct Checked {
    path: PathBuf,
    reader: HashingReader<File>,
}

impl Checked {
    fn open(path: &Path) -> Result<Self, ContentsError> {
        let file = File::open(path).map_err(|source| ContentsError::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            reader: HashingReader::new(file),
        })
    }

    fn finish(mut self, name: &str, expected: &[u8; 32]) -> Result<(), ContentsError> {
        io::copy(&mut self.reader, &mut io::sink()).map_err(|source| ContentsError::Read {
            path: self.path.clone(),
            source,
        })?;
        let (_, actual, _) = self.reader.finish();
        if &actual == expected {
            return Ok(());
        }
        Err(ContentsError::Damaged {
            name: name.to_owned(),
            expected: hex(expected),
            actual: hex(&actual),
        })
    }
}

/// Which side of a copy failed.
enum Copy {
    Read(io::Error),
    Write(io::Error),
}

fn spool_entry(
    entry: tar::Entry,
    content: &mut dyn Read,
    spool: &mut SpoolWriter<'_>,
) -> Result<PackageEntry, Copy> {
    if !matches!(entry.kind, tar::EntryKind::File) {
        return Ok(PackageEntry {
            entry,
            digest: None,
            offset: 0,
            elf: None,
        });
    }
    let offset = spool.position();
    let (digest, magic) = copy(content, spool)?;
    let elf = if &magic == elf::MAGIC {
        ElfFacts::read(spool.written().map_err(Copy::Write)?, offset, entry.size)
    } else {
        None
    };
    Ok(PackageEntry {
        entry,
        digest: Some(digest),
        offset,
        elf,
    })
}

/// Copies to the end and returns the SHA-256 and the first bytes.
fn copy(content: &mut dyn Read, spool: &mut SpoolWriter<'_>) -> Result<([u8; 32], [u8; 4]), Copy> {
    let mut out = Hashing::new(spool);
    let mut magic = [0; 4];
    let mut buffer = [0; COPY_BYTES];
    loop {
        let length = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Copy::Read(error)),
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        if out.bytes_passed() == 0
            && let Some(start) = bytes.first_chunk()
        {
            magic = *start;
        }
        out.write_all(bytes).map_err(Copy::Write)?;
    }
    let (_, digest, _) = out.finish();
    Ok((digest, magic))
}

pub(super) fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

const READ_BYTES: usize = 128 << 10;
const COPY_BYTES: usize = 32 << 10;
const SNIFF_BYTES: u64 = 16;

/// What an archive of the user may hold uncompressed.
const ARCHIVE_BYTES_MAX: u64 = 16 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_field_may_lack_the_version_or_be_missing() {
        let check = |field, name: &str, version: &str| {
            assert_eq!(
                source_of(field, "libc6", "2.41-12"),
                (name.to_owned(), version.to_owned())
            );
        };
        check("", "libc6", "2.41-12");
        check("glibc", "glibc", "2.41-12");
        check("gcc-14 (14.2.0-19)", "gcc-14", "14.2.0-19");
    }
}
