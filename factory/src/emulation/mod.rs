//! What maintainer scripts would have made, made here: directories, links and generated files.
//!
//! No script of a package is ever run. Each module emulates one of them, or the program that they all
//! call, as a function of the tree; what the specification's user put into the tree is never
//! overwritten. Not emulated: byte-compilation of Python modules, the font cache, and `udev`, `systemd`
//! and `debconf` (there is nothing in an image for them to talk to).

mod accounts;
mod alternatives;
mod base_files;
mod busybox;
mod ca_certificates;
mod fontconfig;
mod generated;
mod java;
mod java_tools;
mod libraries;
mod library_facts;
mod netbase;
mod nsswitch;
mod os_release;
mod package_metadata;
mod python;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod time_zone;

use std::sync::Arc;

use archive::EntryPath;

use crate::certificates::CertificateError;
use crate::contents::PackageContents;
use crate::release::Architecture;
use crate::specification::Plan;
use crate::tree::{self, ContentReader, Tree, TreeError};

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

impl Context<'_> {
    /// Whether a package of that name is among the packages.
    fn has_package(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }
}

/// What was found that people should know, though an image can be made.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Patterns of `drop` that matched nothing, neither in packages nor in what was generated.
    pub unmatched_drops: Vec<String>,
    /// Other things, in words.
    pub warnings: Vec<String>,
}

/// Why an emulation failed.
#[derive(Debug, thiserror::Error)]
pub enum EmulationError {
    /// The tree does not allow a change.
    #[error("cannot complete the file tree")]
    Tree(#[from] TreeError),
    /// A path was made too long.
    #[error("cannot name a generated file")]
    Path(#[from] archive::PathError),
    /// A file of the tree cannot be read.
    #[error("cannot read {path} of the image")]
    Read {
        /// The path in the image.
        path: EntryPath,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate file of the image is damaged.
    #[error("{path} of the image cannot be used as certificates")]
    Certificate {
        /// The path in the image.
        path: EntryPath,
        /// What is wrong with it.
        #[source]
        source: CertificateError,
    },
    /// A certificate file of the user cannot be read.
    #[error("cannot read certificate {name} from {path}", path = path.display())]
    UserCertificateFile {
        /// Name of the certificate in the specification.
        name: String,
        /// The path on disk.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate file of the user is damaged.
    #[error("certificate {name} cannot be used")]
    UserCertificate {
        /// Name of the certificate in the specification.
        name: String,
        /// What is wrong with it.
        #[source]
        source: CertificateError,
    },
    /// There are more shared libraries than a cache may have.
    #[error("the image has more than {max} shared libraries", max = libraries::LIBRARIES_MAX)]
    TooManyLibraries,
}

/// Completes a tree that [`tree::assemble`] made: `unmatched_drops` are the patterns that it returned,
/// which are tried again on what is generated.
///
/// # Errors
/// When a file that something is generated from cannot be read or is damaged, or the tree refuses.
pub fn apply(
    tree: &mut Tree,
    context: &Context<'_>,
    unmatched_drops: Vec<String>,
) -> Result<Report, EmulationError> {
    let mut report = Report::default();
    package_metadata::apply(tree, context)?;
    base_files::apply(tree, context)?;
    accounts::apply(tree, context)?;
    nsswitch::apply(tree, context)?;
    os_release::apply(tree, context)?;
    netbase::apply(tree, context)?;
    time_zone::apply(tree, context)?;
    let certificates = ca_certificates::apply(tree, context, &mut report)?;
    java::apply(tree, context, &certificates)?;
    java_tools::apply(tree, context)?;
    alternatives::apply(tree, context)?;
    python::apply(tree, context)?;
    fontconfig::apply(tree, context)?;
    busybox::apply(tree, context)?;
    libraries::apply(tree, context)?;
    let still_unmatched = tree::drop_again(tree, &context.plan.drop)?;
    report.unmatched_drops = unmatched_drops
        .into_iter()
        .filter(|pattern| still_unmatched.contains(pattern))
        .collect();
    Ok(report)
}
