//! What the specification itself puts into the tree.

use archive::{EntryPath, tar};
use globset::GlobMatcher;

use super::disk::{self, DiskKind};
use super::drops::matcher;
use super::{
    ArchiveContents, Content, ContentSource, DIRECTORY_MTIME, Inputs, Node, NodeKind, PieceId, Tree,
    TreeError,
};
use crate::specification::{Text, UserArchive, UserFile, UserTree};

/// Adds the plan's directories, links, archives, trees and files, in this order: each may overwrite what
/// came before it.
pub(super) fn add(tree: &mut Tree, inputs: &Inputs<'_>, piece: PieceId) -> Result<(), TreeError> {
    let plan = inputs.plan;
    for directory in &plan.directories {
        let kind = NodeKind::Directory;
        let (mode, uid, gid) = (directory.mode, directory.uid, directory.gid);
        tree.place(
            &directory.path,
            Node {
                kind,
                mode,
                uid,
                gid,
                mtime: DIRECTORY_MTIME,
                piece,
            },
        )?;
    }
    for link in &plan.links {
        let kind = NodeKind::Symlink(link.target.as_bytes().into());
        tree.place(
            &link.path,
            Node {
                kind,
                mode: 0o777,
                uid: 0,
                gid: 0,
                mtime: inputs.date,
                piece,
            },
        )?;
    }
    let for_architecture = |archive: &&UserArchive| {
        archive.architectures.is_empty() || archive.architectures.contains(&inputs.architecture)
    };
    for (index, archive) in plan.archives.iter().filter(for_architecture).enumerate() {
        let contents = inputs
            .archives
            .get(index)
            .and_then(Option::as_ref)
            .ok_or_else(|| TreeError::ArchiveMissing {
                url: archive.url.clone(),
            })?;
        add_archive(tree, archive, contents, index, piece)?;
    }
    for user_tree in &plan.trees {
        add_tree(tree, user_tree, inputs, piece)?;
    }
    for file in &plan.files {
        add_file(tree, file, inputs, piece)?;
    }
    Ok(())
}

fn add_file(tree: &mut Tree, file: &UserFile, inputs: &Inputs<'_>, piece: PieceId) -> Result<(), TreeError> {
    let (content, mode) = match &file.source {
        Text::Inline(text) => (Content::memory(text.as_bytes()), FILE_MODE),
        Text::Disk(path) => {
            let found = disk::file(path, &inputs.limits)?;
            (found.content, found.mode)
        }
    };
    let node = Node {
        kind: NodeKind::File(content),
        mode: file.mode.unwrap_or(mode),
        uid: file.uid,
        gid: file.gid,
        mtime: inputs.date,
        piece,
    };
    tree.place(&file.path, node).map(drop)
}

/// Times of files on disk are not taken: a fresh checkout would give another image.
fn add_tree(tree: &mut Tree, from: &UserTree, inputs: &Inputs<'_>, piece: PieceId) -> Result<(), TreeError> {
    for found in disk::tree(&from.source, &inputs.limits)? {
        let (kind, mode) = match found.kind {
            DiskKind::Directory => (NodeKind::Directory, 0o755),
            DiskKind::Symlink(target) => (NodeKind::Symlink(target), 0o777),
            DiskKind::File(file) => (NodeKind::File(file.content), from.mode.unwrap_or(file.mode)),
        };
        let path = from.path.join(found.path.as_bytes())?;
        let node = Node {
            kind,
            mode,
            uid: from.uid,
            gid: from.gid,
            mtime: inputs.date,
            piece,
        };
        if matches!(node.kind, NodeKind::Directory) {
            // What is there already, such as /tmp with its sticky bit, keeps its mode and owner.
            tree.place_if_absent(&path, node)?;
        } else {
            tree.place(&path, node)?;
        }
    }
    Ok(())
}

fn add_archive(
    tree: &mut Tree,
    archive: &UserArchive,
    contents: &ArchiveContents,
    index: usize,
    piece: PieceId,
) -> Result<(), TreeError> {
    let selection = Selection::new(archive)?;
    for entry in &contents.entries {
        let Some(path) = selection.place_of(&entry.entry.path)? else {
            continue;
        };
        let kind = match &entry.entry.kind {
            tar::EntryKind::Directory => NodeKind::Directory,
            tar::EntryKind::Symlink { target } => NodeKind::Symlink(target.clone()),
            tar::EntryKind::File => NodeKind::File(Content {
                digest: entry.digest.unwrap_or_default(),
                size: entry.entry.size,
                source: ContentSource::Archive {
                    archive: index,
                    offset: entry.offset,
                },
            }),
            tar::EntryKind::Hardlink { target } => NodeKind::Hardlink(
                selection
                    .place_of(target)?
                    .ok_or_else(|| TreeError::HardlinkTarget {
                        path: path.clone(),
                        target: target.clone(),
                        piece: archive.url.clone(),
                    })?,
            ),
            tar::EntryKind::CharDevice { .. } | tar::EntryKind::BlockDevice { .. } | tar::EntryKind::Fifo => {
                return Err(TreeError::SpecialFile {
                    path,
                    piece: archive.url.clone(),
                });
            }
        };
        let mode = match kind {
            NodeKind::File(_) => archive.mode.unwrap_or(entry.entry.mode & 0o777),
            NodeKind::Directory => 0o755,
            NodeKind::Symlink(_) | NodeKind::Hardlink(_) => 0o777,
        };
        let (uid, gid, mtime) = (archive.uid, archive.gid, entry.entry.mtime);
        let node = Node {
            kind,
            mode,
            uid,
            gid,
            mtime,
            piece,
        };
        if matches!(node.kind, NodeKind::Directory) {
            tree.place_if_absent(&path, node)?;
        } else {
            tree.place(&path, node)?;
        }
    }
    Ok(())
}

/// Which paths of an archive are taken, and where to.
struct Selection<'a> {
    archive: &'a UserArchive,
    globs: Vec<GlobMatcher>,
}

impl<'a> Selection<'a> {
    /// Globs are over paths in the archive, with or without a leading slash; what lies below a selected
    /// directory is selected with it.
    fn new(archive: &'a UserArchive) -> Result<Self, TreeError> {
        let mut globs = Vec::new();
        for pattern in &archive.select {
            let pattern = pattern.trim_start_matches('/').trim_end_matches('/');
            globs.push(matcher(&format!("/{pattern}"))?);
            globs.push(matcher(&format!("/{pattern}/**"))?);
        }
        Ok(Self { archive, globs })
    }

    fn place_of(&self, path: &EntryPath) -> Result<Option<EntryPath>, TreeError> {
        let Some(path) = stripped(path, self.archive.strip)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(path.as_bytes());
        if !self.globs.is_empty() && !self.globs.iter().any(|glob| glob.is_match(text.as_ref())) {
            return Ok(None);
        }
        Ok(Some(self.archive.path.join(path.as_bytes())?))
    }
}

fn stripped(path: &EntryPath, count: u32) -> Result<Option<EntryPath>, TreeError> {
    let rest: Vec<&[u8]> = path.components().skip(count as usize).collect();
    if rest.is_empty() {
        return Ok(None);
    }
    Ok(Some(EntryPath::parse(&rest.join(&b'/'))?))
}

const FILE_MODE: u32 = 0o644;
