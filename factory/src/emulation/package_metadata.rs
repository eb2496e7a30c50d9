//! What dpkg would know of the packages, where scanners look for it in images without dpkg.
//!
//! `/var/lib/dpkg/status.d/NAME` is the package's control file and `NAME.md5sums` its list of files,
//! both verbatim and in the package's own piece, so that they come and go with its layer. There is no
//! `/var/lib/dpkg/status`. The form is that of distroless (its `PACKAGE_METADATA.md`).

use archive::tar::EntryKind;

use super::generated::at;
use super::{Context, EmulationError};
use crate::contents::PackageContents;
use crate::tree::{Content, Node, NodeKind, PieceId, PieceKind, Tree};

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let pieces: Vec<(PieceId, usize)> = tree
        .pieces()
        .iter()
        .filter_map(|piece| match piece.kind {
            PieceKind::Package(index) => Some((piece.id, index)),
            _ => None,
        })
        .collect();
    for (piece, index) in pieces {
        let Some(package) = context.packages.get(index) else {
            continue;
        };
        let mtime = newest(package).unwrap_or(context.date);
        let mut put = |name: &str, bytes: &[u8]| -> Result<(), EmulationError> {
            let kind = NodeKind::File(Content::memory(bytes));
            let node = Node {
                kind,
                mode: 0o644,
                uid: 0,
                gid: 0,
                mtime,
                piece,
            };
            tree.place_if_absent(&at(&format!("/var/lib/dpkg/status.d/{name}"))?, node)?;
            Ok(())
        };
        put(&package.name, &package.control)?;
        if let Some(md5sums) = &package.md5sums {
            put(&format!("{}.md5sums", package.name), md5sums)?;
        }
    }
    Ok(())
}

/// The time of the package itself rather than of the lock: the layer of a package that did not change
/// must not change with the lock.
fn newest(package: &PackageContents) -> Option<i64> {
    let files = package
        .entries
        .iter()
        .filter(|entry| matches!(entry.entry.kind, EntryKind::File));
    files.map(|entry| entry.entry.mtime).max()
}
