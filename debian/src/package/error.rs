//! What can be wrong with a package, and how errors from below become that.

use std::io;

use archive::{EntryPath, LimitExceeded, ar, tar};

use super::data::UnsafeEntry;
use crate::control::ControlError;

/// Why a package could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It is not an `ar` archive, or a damaged one.
    #[error("cannot read the package's members")]
    Members(#[from] ar::ReadError),
    /// Its first member is not `debian-binary`, or that says something else than format 2.
    #[error("not a Debian package of format 2: {found}")]
    Format {
        /// What is there instead.
        found: String,
    },
    /// A member is missing.
    #[error("the package has no member {expected}")]
    MissingMember {
        /// Its name, without a suffix.
        expected: &'static str,
    },
    /// A member is not where deb(5) has it.
    #[error("member {found:?} where {expected} is expected")]
    MemberOrder {
        /// The name it should have, without a suffix.
        expected: &'static str,
        /// Its name.
        found: String,
    },
    /// A member comes twice, perhaps with another compression.
    #[error("member {name:?} comes twice")]
    DuplicateMember {
        /// The name of the second one.
        name: String,
    },
    /// A member's compression is not supported.
    #[error("member {name:?} has an unknown compression")]
    Compression {
        /// The member.
        name: String,
    },
    /// A member is too long once decompressed.
    #[error("{member} has more than {limit_bytes} bytes after decompression")]
    TooLarge {
        /// The member.
        member: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// A member is not a proper archive, or cannot be decompressed.
    #[error("cannot read {member}")]
    Archive {
        /// The member.
        member: String,
        /// What is wrong, and where.
        #[source]
        source: tar::ReadError,
    },
    /// A file in a member could not be read.
    #[error("cannot read a file in {member}")]
    Content {
        /// The member.
        member: String,
        /// The failure.
        #[source]
        source: io::Error,
    },
    /// Something in `control.tar` that is not a plain file with a plain name.
    #[error("control.tar has a {kind} {path}; only files without a directory are allowed")]
    ControlEntry {
        /// Its path.
        path: EntryPath,
        /// What it is.
        kind: &'static str,
    },
    /// A file comes twice in `control.tar`.
    #[error("control.tar has the file {name:?} twice")]
    DuplicateControlFile {
        /// Its name.
        name: String,
    },
    /// `control.tar` has no file `control`.
    #[error("control.tar has no file \"control\"")]
    NoControlFile,
    /// The file `control` is damaged.
    #[error("the package's control file is damaged")]
    Control(#[source] ControlError),
    /// `data.tar` has an entry that no package may have.
    #[error("entry {entry} of {member}")]
    Unsafe {
        /// The member.
        member: String,
        /// Number of the entry, from 1.
        entry: u64,
        /// What is wrong with it.
        #[source]
        problem: UnsafeEntry,
    },
}

/// The error for a tar archive in `member`: the cause when that lies in the package around it.
pub(super) fn archive_error(member: &str, error: tar::ReadError) -> DebError {
    let tar::ReadError {
        entry,
        offset,
        problem,
    } = error;
    let problem = match problem {
        tar::ReadProblem::Io(error) => match own_error(member, error) {
            Ok(own) => return own,
            Err(error) => tar::ReadProblem::Io(error),
        },
        other => other,
    };
    DebError::Archive {
        member: member.to_owned(),
        source: tar::ReadError {
            entry,
            offset,
            problem,
        },
    }
}

/// The error for the content of a file in `member`.
pub(super) fn content_error(member: &str, error: io::Error) -> DebError {
    own_error(member, error).unwrap_or_else(|source| DebError::Content {
        member: member.to_owned(),
        source,
    })
}

/// Finds an error of ours again that had to travel through a decoder.
fn own_error(member: &str, error: io::Error) -> Result<DebError, io::Error> {
    if let Some(LimitExceeded { limit_bytes }) = LimitExceeded::within(&error) {
        return Ok(DebError::TooLarge {
            member: member.to_owned(),
            limit_bytes,
        });
    }
    error.downcast::<DebError>()
}
