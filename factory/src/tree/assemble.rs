//! From packages and a plan to a tree.

use std::sync::Arc;

use archive::{EntryPath, tar};

use super::links::{Links, WrittenLink};
use super::{
    Content, ContentSource, DIRECTORY_MTIME, DiskLimits, Node, NodeKind, PieceId, PieceKind, Tree, TreeError,
    conflicts, drops, user,
};
use crate::contents::{PackageContents, PackageEntry};
use crate::release::{Architecture, Release};
use crate::specification::Plan;

/// What a tree is made of.
#[derive(Clone, Copy)]
pub struct Inputs<'i> {
    /// The packages in the order of their layers; [`ContentSource::Package`] counts in it.
    pub packages: &'i [Arc<PackageContents>],
    /// What the specification says.
    pub plan: &'i Plan,
    /// The entries of those of the plan's archives that are for the architecture, in its order;
    /// [`ContentSource::Archive`] counts in it. `None`, which is an error, for one that was not read.
    pub archives: &'i [Option<Arc<ArchiveContents>>],
    /// For which architecture.
    pub architecture: Architecture,
    /// Time of files whose content the specification itself gives, in seconds since 1970.
    pub date: i64,
    /// Bounds of what is read from disk.
    pub limits: DiskLimits,
}

/// The entries of an archive that the user adds, before its `strip` and `select`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveContents {
    /// Files, directories and links in the order of the archive.
    pub entries: Vec<PackageEntry>,
}

/// A tree of packages and user files.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// The tree.
    pub tree: Tree,
    /// Patterns of `drop` that matched nothing in any package; they may match what is generated.
    pub unmatched_drops: Vec<String>,
}

/// Lays packages into a tree, takes out what is dropped, moves what is moved, and adds the user's
/// directories, links, files, trees and archives.
///
/// The order is that of the list above, so a drop or move names paths as packages have them (after
/// usr-merge), and whatever the user adds has the last word. User files are merged too: one that lands
/// on `/bin` lies in `/usr/bin` wherever `/bin` is a link.
///
/// # Errors
/// When packages contradict each other, or something of the user cannot be read or placed.
pub fn assemble(inputs: &Inputs<'_>) -> Result<Assembled, TreeError> {
    let merged = merged_directories(inputs);
    let mut links = Links::new(&written_links(inputs.packages, &merged)?)?;
    let mut tree = Tree::new();
    for (index, package) in inputs.packages.iter().enumerate() {
        let piece = tree.add_piece(package.name.clone(), PieceKind::Package(index));
        let mut placement = Placement {
            tree: &mut tree,
            links: &mut links,
            inputs,
            piece,
            index,
        };
        for entry in &package.entries {
            placement.entry(entry)?;
        }
    }
    let unmatched_drops = drops::apply(&mut tree, &inputs.plan.drop)?;
    for step in &inputs.plan.moves {
        tree.rename(&step.from, &step.to)?;
    }
    let rootfs = tree.add_piece(ROOTFS, PieceKind::Generated);
    let user = tree.add_piece("user", PieceKind::User);
    // What the user adds may be the first to lie in one of the merged directories.
    for (path, target) in &merged {
        let kind = NodeKind::Symlink(target.clone());
        let link = Node {
            kind,
            mode: 0o777,
            uid: 0,
            gid: 0,
            mtime: inputs.date,
            piece: rootfs,
        };
        tree.place_if_absent(path, link)?;
    }
    user::add(&mut tree, inputs, user)?;
    remove_unused(&mut tree, &merged, rootfs)?;
    Ok(Assembled {
        tree,
        unmatched_drops,
    })
}

/// The top-level directories that are links into `/usr`, with their targets.
///
/// Debian 13: all of them, whether or not base-files is there to ship the links. Debian 12: those that a
/// package ships, which is none in the catalogue. Debian 12's own base-files and libraries still have
/// real `/bin` and `/lib`, and distroless keeps them so; users who stack unmerged Debian 12 packages or
/// tars with `lib/` entries on such an image would otherwise overwrite `/lib` and lose the loader.
fn merged_directories(inputs: &Inputs<'_>) -> Vec<WrittenLink> {
    if inputs.plan.release == Release::Debian12 {
        return Vec::new();
    }
    MERGED_DIRECTORIES
        .iter()
        .filter_map(|name| {
            let path = EntryPath::parse(name.as_bytes()).ok()?;
            Some((path, format!("usr/{name}").into_bytes().into_boxed_slice()))
        })
        .collect()
}

/// Takes the links of merged directories away that nothing lies behind.
fn remove_unused(tree: &mut Tree, merged: &[WrittenLink], piece: PieceId) -> Result<(), TreeError> {
    for (path, target) in merged {
        let is_ours = tree.node(path).is_some_and(|node| node.piece == piece);
        if is_ours && !tree.is_directory(&EntryPath::parse(target)?) {
            tree.remove(path);
        }
    }
    Ok(())
}

/// The links of usr-merge, of base-files' maintainer script, and of all packages.
fn written_links(
    packages: &[Arc<PackageContents>],
    merged: &[WrittenLink],
) -> Result<Vec<WrittenLink>, TreeError> {
    let mut written = merged.to_vec();
    if packages.iter().any(|package| package.name == "base-files") {
        for (path, target) in RUN_LINKS {
            written.push((EntryPath::parse(path.as_bytes())?, target.as_bytes().into()));
        }
    }
    for entry in packages.iter().flat_map(|package| &package.entries) {
        if let tar::EntryKind::Symlink { target } = &entry.entry.kind {
            written.push((entry.entry.path.clone(), target.clone()));
        }
    }
    Ok(written)
}

/// Where the entries of one package go.
struct Placement<'p, 'i> {
    tree: &'p mut Tree,
    links: &'p mut Links,
    inputs: &'p Inputs<'i>,
    piece: PieceId,
    index: usize,
}

impl Placement<'_, '_> {
    fn entry(&mut self, entry: &PackageEntry) -> Result<(), TreeError> {
        let written = &entry.entry;
        let path = self.links.place_of(&written.path)?;
        if path.is_root() {
            return Ok(());
        }
        if matches!(written.kind, tar::EntryKind::Directory) {
            return self.directory(path, written);
        }
        let node = Node {
            kind: self.kind(entry)?,
            mode: written.mode & 0o7777,
            uid: owner(written.uid, &path)?,
            gid: owner(written.gid, &path)?,
            mtime: written.mtime,
            piece: self.piece,
        };
        if let Some(present) = self.tree.node(&path) {
            let first = present.piece;
            if conflicts::keeps_first(self.tree, self.inputs.packages, &path, &node)? {
                return Ok(());
            }
            if first == self.piece && matches!(node.kind, NodeKind::Hardlink(_)) {
                return Ok(());
            }
        }
        self.tree.place_real(path, node)
    }

    fn directory(&mut self, path: EntryPath, written: &tar::Entry) -> Result<(), TreeError> {
        if self.links.contains(&path) {
            let target = self.links.directory(&path)?;
            return self.tree.make_directory(&target, self.piece).map(drop);
        }
        match self.tree.node(&path) {
            Some(Node {
                kind: NodeKind::Directory,
                ..
            }) if !self.tree.is_implied(&path) => return Ok(()),
            Some(Node {
                kind: NodeKind::Directory,
                ..
            })
            | None => {}
            Some(_) => {
                return Err(TreeError::NotADirectory {
                    path: path.clone(),
                    ancestor: path,
                });
            }
        }
        let node = Node {
            kind: NodeKind::Directory,
            mode: written.mode & 0o7777,
            uid: owner(written.uid, &path)?,
            gid: owner(written.gid, &path)?,
            mtime: DIRECTORY_MTIME,
            piece: self.piece,
        };
        self.tree.place_real(path, node)
    }

    fn kind(&mut self, entry: &PackageEntry) -> Result<NodeKind, TreeError> {
        Ok(match &entry.entry.kind {
            tar::EntryKind::Directory => NodeKind::Directory,
            tar::EntryKind::Symlink { target } => NodeKind::Symlink(target.clone()),
            tar::EntryKind::Hardlink { target } => NodeKind::Hardlink(self.links.place_of(target)?),
            tar::EntryKind::File => NodeKind::File(Content {
                digest: entry.digest.unwrap_or_default(),
                size: entry.entry.size,
                source: ContentSource::Package {
                    package: self.index,
                    offset: entry.offset,
                },
            }),
            tar::EntryKind::CharDevice { .. } | tar::EntryKind::BlockDevice { .. } | tar::EntryKind::Fifo => {
                return Err(TreeError::SpecialFile {
                    path: entry.entry.path.clone(),
                    piece: self.tree.piece_name(self.piece),
                });
            }
        })
    }
}

/// A number of the owner as images have it.
fn owner(id: u64, path: &EntryPath) -> Result<u32, TreeError> {
    u32::try_from(id).map_err(|_| TreeError::OwnerTooLarge {
        path: path.clone(),
        id,
    })
}

/// Name of the generated piece with the small things that every image of a release shares.
pub(crate) const ROOTFS: &str = "rootfs";

/// The directories of usr-merge, as base-files 13 and its trigger have them.
const MERGED_DIRECTORIES: [&str; 7] = ["bin", "sbin", "lib", "lib64", "lib32", "libo32", "libx32"];

/// Links that base-files' maintainer script makes, which packages must already be laid along.
pub(crate) const RUN_LINKS: [(&str, &str); 2] = [("var/run", "/run"), ("var/lock", "/run/lock")];
