//! The file tree of an image: one truth about every path, before anything becomes a layer.
//!
//! Packages, generated pieces and the user's files are merged here once. A path has exactly one
//! [`Node`], so duplicate entries, conflicting directory times and overwritten usr-merge links cannot
//! arise later, however the tree is cut into layers.
//!
//! - A directory that several packages have is one node; mode and owner are those of the first
//!   package, as dpkg leaves a directory that is there. Its time is [`DIRECTORY_MTIME`], always.
//! - Where one package has a symbolic link and another a directory, the link stays and the directory's
//!   entries go to where it points: both names of every file keep working, in any order.
//! - A file that two packages have must be identical, or one package must say that it `Replaces` the
//!   other.
//! - A hard link always points to the bytewise first of its names, which holds the content: a tar in
//!   the order of paths is then readable in one pass.
//!
//! [`assemble`] makes the tree of packages and user files; [`crate::emulation`] completes it.

mod assemble;
mod conflicts;
mod disk;
mod drops;
mod links;
mod nodes;
#[cfg(test)]
mod tests;
mod user;

use std::path::Path;
use std::sync::Arc;

use archive::EntryPath;
use sha2::{Digest as _, Sha256};

pub use assemble::{ArchiveContents, Assembled, Inputs, assemble};
pub(crate) use assemble::{ROOTFS, RUN_LINKS};
pub use disk::DiskLimits;
pub(crate) use drops::apply as drop_again;
pub use nodes::{Last, Tree};

/// Time of every directory, in seconds since 1970: the start of 1980, the first that a ZIP file can hold.
///
/// A constant, so that packages which share a directory still give equal layers in every image.
pub const DIRECTORY_MTIME: i64 = 315_532_800;

/// What is at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Directory, file or link.
    pub kind: NodeKind,
    /// Permission bits with set-id and sticky bits, at most 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change, in seconds since 1970.
    pub mtime: i64,
    /// The one piece that this path belongs to.
    pub piece: PieceId,
}

/// The types of node; devices never come into an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link with its target as written.
    Symlink(Box<[u8]>),
    /// Another name of the file at this path, which comes before this one in the order of paths.
    Hardlink(EntryPath),
}

/// The bytes of a file: what they are and where to find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// SHA-256.
    pub digest: [u8; 32],
    /// Length in bytes.
    pub size: u64,
    /// Where they are.
    pub source: ContentSource,
}

impl Content {
    /// Content that is held in memory.
    pub fn memory(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Sha256::digest(&bytes).into(),
            size: bytes.len() as u64,
            source: ContentSource::Memory(bytes),
        }
    }
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentSource {
    /// In a package.
    Package {
        /// Index of the package among those of the image.
        package: usize,
        /// Where the content begins in the package's spool, in bytes.
        offset: u64,
    },
    /// In an archive that the user adds.
    Archive {
        /// Index of the archive among those of the plan that are for the architecture.
        archive: usize,
        /// Where the content begins in the archive's spool, in bytes.
        offset: u64,
    },
    /// In memory.
    Memory(Arc<[u8]>),
    /// In a file on disk, as it was when it was hashed: whoever reads it again compares the digest.
    Disk(Arc<Path>),
}

/// Gives the bytes of a [`Content`].
pub trait ContentReader: Sync {
    /// All bytes of `content`, checked against its digest.
    ///
    /// # Errors
    /// When they cannot be read, differ from the digest, or are more than `limit_bytes`.
    fn read(&self, content: &Content, limit_bytes: u64) -> std::io::Result<Vec<u8>>;
}

/// Number of a [`Piece`] in [`Tree::pieces`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceId(pub usize);

/// A part of the tree that has one origin; under the default policy, a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its number.
    pub id: PieceId,
    /// Name of the package, or of what was generated or added.
    pub name: String,
    /// Where it comes from.
    pub kind: PieceKind,
}

/// Origins of a [`Piece`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PieceKind {
    /// A package: its index among those of the image.
    Package(usize),
    /// Made by [`crate::emulation`].
    Generated,
    /// Added by the specification.
    User,
}

/// Why a tree cannot be assembled or changed.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Two packages have different things at one path.
    #[error(
        "{path} is in both {first} and {second}, with different content, and neither says that it replaces the other"
    )]
    FileConflict {
        /// The path in the image.
        path: EntryPath,
        /// Name of one package.
        first: String,
        /// Name of the other.
        second: String,
    },
    /// A file or link would have to take the place of a directory that is not empty.
    #[error("{path} is a directory with content; {piece} has something else there")]
    DirectoryInTheWay {
        /// The path in the image.
        path: EntryPath,
        /// Who wanted to put something else there.
        piece: String,
    },
    /// Something lies below a path that is not a directory.
    #[error("{path} cannot exist, since {ancestor} is not a directory")]
    NotADirectory {
        /// The path in the image.
        path: EntryPath,
        /// The part of it that is a file.
        ancestor: EntryPath,
    },
    /// Symbolic links lead in a circle, or through more than the system follows.
    #[error("{path} leads through too many symbolic links")]
    LinkLoop {
        /// The path in the image.
        path: EntryPath,
    },
    /// A hard link names something that is not in the image.
    #[error("hard link {path} of {piece} names {target}, which is not a file of the image")]
    HardlinkTarget {
        /// The path of the link.
        path: EntryPath,
        /// What it names.
        target: EntryPath,
        /// Whose link it is.
        piece: String,
    },
    /// A package has a device or FIFO.
    #[error("{path} of {piece} is a device or FIFO")]
    SpecialFile {
        /// The path in the package.
        path: EntryPath,
        /// The package.
        piece: String,
    },
    /// A name that means, in a layer, that something below is gone.
    #[error("{path} of {piece} begins with .wh., which in a layer takes other files away")]
    Whiteout {
        /// The path in the image.
        path: EntryPath,
        /// Whose file it is.
        piece: String,
    },
    /// A number of the owner is larger than an image can hold.
    #[error("owner {id} of {path} is larger than {max}", max = u32::MAX)]
    OwnerTooLarge {
        /// The path in the package.
        path: EntryPath,
        /// The number.
        id: u64,
    },
    /// A path became too long by joining.
    #[error("path is not usable")]
    Path(#[from] archive::PathError),
    /// A glob is not valid.
    #[error("pattern {pattern:?} is not a valid path pattern")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// A pattern that does not begin with a slash.
    #[error("pattern {pattern:?} is not an absolute path")]
    RelativePattern {
        /// The pattern as written.
        pattern: String,
    },
    /// What a move names is not in the image.
    #[error("{from} cannot be moved to {to}: it is not in any package of the image")]
    NothingToMove {
        /// What should move.
        from: EntryPath,
        /// Where to.
        to: EntryPath,
    },
    /// Relations of a package's control file cannot be read.
    #[error("control file of {package} is damaged")]
    Control {
        /// The package.
        package: String,
    },
    /// A file or directory of the user cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Disk {
        /// The path on disk.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A tree on disk is larger than a limit.
    #[error("{path} has more than {limit} {what}", path = path.display())]
    DiskLimit {
        /// The path on disk.
        path: std::path::PathBuf,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A link in a tree on disk points out of that tree.
    #[error("symbolic link {path} points out of the tree that is added", path = path.display())]
    LinkOutOfTree {
        /// The link on disk.
        path: std::path::PathBuf,
    },
    /// A tree on disk has something that is neither file, directory nor link.
    #[error("{path} is neither a file, a directory nor a symbolic link", path = path.display())]
    DiskType {
        /// The path on disk.
        path: std::path::PathBuf,
    },
    /// The entries of an archive were not given.
    #[error("archive {url} has not been read")]
    ArchiveMissing {
        /// Its address in the plan.
        url: String,
    },
}
