//! The members of a package in the order that deb(5) prescribes.

use std::collections::BTreeSet;
use std::io::{self, Read};

use archive::{Codec, ar};

use super::error::DebError;

/// Walks the members of a package, and notices one that is out of place or comes twice.
pub(super) struct Members<R> {
    archive: ar::Reader<R>,
    seen: BTreeSet<String>,
}

impl<R: Read> Members<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            archive: ar::Reader::new(reader),
            seen: BTreeSet::new(),
        }
    }

    /// Reads `debian-binary`, which must come first and say `2.` something.
    pub(super) fn read_format(&mut self) -> Result<(), DebError> {
        let Some(member) = self.next()? else {
            return Err(DebError::MissingMember {
                expected: FORMAT_MEMBER,
            });
        };
        if member.name != FORMAT_MEMBER {
            return Err(DebError::Format {
                found: format!("it begins with a member {:?}", member.name),
            });
        }
        let mut version = Vec::new();
        let read = self.content().take(FORMAT_BYTES_MAX).read_to_end(&mut version);
        read.map_err(|source| DebError::Content {
            member: FORMAT_MEMBER.to_owned(),
            source,
        })?;
        if version.starts_with(b"2.") && version.contains(&b'\n') {
            return Ok(());
        }
        let version = String::from_utf8_lossy(&version);
        Err(DebError::Format {
            found: format!("debian-binary says {:?}", version.trim_end()),
        })
    }

    /// Goes to the member `stem`, plus a suffix for its compression. Members whose name begins with
    /// an underscore are passed over, as deb(5) demands; any other is out of place.
    pub(super) fn next_part(&mut self, stem: &'static str) -> Result<(String, Codec), DebError> {
        while let Some(member) = self.next()? {
            if member.name.starts_with('_') {
                continue;
            }
            let Some(suffix) = member.name.strip_prefix(stem) else {
                return Err(DebError::MemberOrder {
                    expected: stem,
                    found: member.name,
                });
            };
            return match Codec::from_suffix(suffix) {
                Some(codec) => Ok((member.name, codec)),
                None => Err(DebError::Compression { name: member.name }),
            };
        }
        Err(DebError::MissingMember { expected: stem })
    }

    /// The content of the current member.
    pub(super) fn content(&mut self) -> impl Read {
        self.archive.content()
    }

    fn next(&mut self) -> Result<Option<ar::Member>, DebError> {
        let Some(member) = self.archive.next_member()? else {
            return Ok(None);
        };
        // `data.tar.xz` and `data.tar.gz` in one package are two readings of it.
        let part = PARTS.into_iter().find(|part| member.name.starts_with(part));
        if !self.seen.insert(part.unwrap_or(&member.name).to_owned()) {
            return Err(DebError::DuplicateMember { name: member.name });
        }
        Ok(Some(member))
    }
}

/// The content of `data.tar`, and with its end the check of whatever follows it.
pub(super) struct DataInput<R> {
    members: Members<R>,
    checked: bool,
}

impl<R: Read> DataInput<R> {
    pub(super) fn new(members: Members<R>) -> Self {
        Self {
            members,
            checked: false,
        }
    }
}

impl<R: Read> Read for DataInput<R> {
    /// An error of [`Members`] travels inside the [`io::Error`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if self.checked {
            0
        } else {
            self.members.archive.read_content(buffer)?
        };
        if read == 0 && !buffer.is_empty() && !self.checked {
            self.checked = true;
            // More members may follow, for later versions of the format; a second reading may not.
            while self
                .members
                .next()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
                .is_some()
            {}
        }
        Ok(read)
    }
}

const FORMAT_MEMBER: &str = "debian-binary";
const PARTS: [&str; 2] = ["control.tar", "data.tar"];

/// The file holds `2.0` and a line end; later minor versions may add lines.
const FORMAT_BYTES_MAX: u64 = 256;
