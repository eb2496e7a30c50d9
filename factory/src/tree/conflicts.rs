//! Files that several packages have.

use std::sync::Arc;

use archive::EntryPath;
use debian::control::Paragraph;
use debian::relation::Relations;
use debian::version::Version;

use super::{Node, NodeKind, PieceKind, Tree, TreeError};
use crate::contents::PackageContents;

/// Whether what is at `path` stays, rather than `node` of another package.
///
/// It stays when both are the same, or when its package replaces the other; it goes when the other
/// replaces its package.
///
/// Spec: Debian policy 7.6.1, "Overwriting files in other packages".
///
/// # Errors
/// [`TreeError::FileConflict`] when they differ and neither package replaces the other.
pub(super) fn keeps_first(
    tree: &Tree,
    packages: &[Arc<PackageContents>],
    path: &EntryPath,
    node: &Node,
) -> Result<bool, TreeError> {
    let Some(present) = tree.node(path) else {
        return Ok(false);
    };
    if present.piece == node.piece {
        // The same package under two names that usr-merge makes one.
        return same(tree, path, present, node)
            .then_some(true)
            .ok_or_else(|| conflict(tree, path, node));
    }
    if matches!(present.kind, NodeKind::Directory) {
        return match node.kind {
            // A link of this package for which another has a directory was followed; a file is an error.
            NodeKind::Symlink(_) if tree.below(path).next().is_none() => Ok(false),
            _ => Err(conflict(tree, path, node)),
        };
    }
    if same(tree, path, present, node) {
        return Ok(true);
    }
    let (Some(first), Some(second)) = (package(tree, packages, present), package(tree, packages, node))
    else {
        return Ok(false);
    };
    if replaces(first, second)? {
        return Ok(true);
    }
    if replaces(second, first)? {
        return Ok(false);
    }
    Err(conflict(tree, path, node))
}

fn same(tree: &Tree, path: &EntryPath, present: &Node, node: &Node) -> bool {
    let owner = |node: &Node| (node.mode, node.uid, node.gid);
    match (&present.kind, &node.kind) {
        (NodeKind::Symlink(first), NodeKind::Symlink(second)) => first == second,
        (NodeKind::Directory, NodeKind::Directory) => true,
        (NodeKind::File(_) | NodeKind::Hardlink(_), NodeKind::File(second)) => {
            owner(present) == owner(node)
                && tree.file(path).is_some_and(|first| first.digest == second.digest)
        }
        (NodeKind::File(_) | NodeKind::Hardlink(_), NodeKind::Hardlink(target)) => {
            let first = tree.file(path).map(|content| content.digest);
            first.is_some() && first == tree.file(target).map(|content| content.digest)
        }
        _ => false,
    }
}

fn package<'p>(
    tree: &Tree,
    packages: &'p [Arc<PackageContents>],
    node: &Node,
) -> Option<&'p PackageContents> {
    match tree.piece(node.piece)?.kind {
        PieceKind::Package(index) => packages.get(index).map(AsRef::as_ref),
        _ => None,
    }
}

/// Whether the control file of `one` says that it replaces files of `other`.
fn replaces(one: &PackageContents, other: &PackageContents) -> Result<bool, TreeError> {
    let damaged = |package: &PackageContents| TreeError::Control {
        package: package.name.clone(),
    };
    let paragraph = Paragraph::parse(&one.control).map_err(|_| damaged(one))?;
    let Some(text) = paragraph.field("Replaces") else {
        return Ok(false);
    };
    let relations: Relations = text.parse().map_err(|_| damaged(one))?;
    let version: Version = other.version.parse().map_err(|_| damaged(other))?;
    Ok(relations
        .0
        .iter()
        .flat_map(|dependency| &dependency.alternatives)
        .any(|relation| relation.name.as_str() == other.name && relation.accepts_version(&version)))
}

fn conflict(tree: &Tree, path: &EntryPath, node: &Node) -> TreeError {
    TreeError::FileConflict {
        path: path.clone(),
        first: tree
            .node(path)
            .map(|present| tree.piece_name(present.piece))
            .unwrap_or_default(),
        second: tree.piece_name(node.piece),
    }
}
