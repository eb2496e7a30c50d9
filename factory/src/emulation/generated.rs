//! Puts generated nodes into a tree without overwriting what a user put there.

use archive::EntryPath;

use super::{Context, EmulationError};
use crate::tree::{Content, DIRECTORY_MTIME, Last, Node, NodeKind, PieceId, PieceKind, Tree};

/// A piece that is being generated. It comes into being with its first node, so that nothing leaves an
/// empty layer behind.
pub(super) struct Generated<'t> {
    tree: &'t mut Tree,
    name: &'static str,
    date: i64,
}

impl<'t> Generated<'t> {
    /// The piece of this name, which several emulations may share.
    pub(super) fn new(tree: &'t mut Tree, name: &'static str, context: &Context<'_>) -> Self {
        Self {
            tree,
            name,
            date: context.date,
        }
    }

    /// The tree as it is now.
    pub(super) fn tree(&self) -> &Tree {
        self.tree
    }

    /// A directory, unless something is there.
    pub(super) fn directory(
        &mut self,
        path: &str,
        mode: u32,
        owner: (u32, u32),
    ) -> Result<(), EmulationError> {
        self.directory_at(&at(path)?, mode, owner)
    }

    /// As [`Generated::directory`].
    pub(super) fn directory_at(
        &mut self,
        path: &EntryPath,
        mode: u32,
        (uid, gid): (u32, u32),
    ) -> Result<(), EmulationError> {
        let node = Node {
            uid,
            gid,
            ..self.node(NodeKind::Directory, mode)
        };
        self.tree.place_if_absent(path, node)?;
        Ok(())
    }

    /// A directory whose mode and owner hold also when a package has it.
    pub(super) fn home(
        &mut self,
        path: &EntryPath,
        mode: u32,
        (uid, gid): (u32, u32),
    ) -> Result<(), EmulationError> {
        let node = Node {
            uid,
            gid,
            ..self.node(NodeKind::Directory, mode)
        };
        self.tree.place(path, node)?;
        Ok(())
    }

    /// A file of root, unless something is there.
    pub(super) fn file(
        &mut self,
        path: &str,
        mode: u32,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<(), EmulationError> {
        let node = self.node(NodeKind::File(Content::memory(bytes.into())), mode);
        self.tree.place_if_absent(&at(path)?, node)?;
        Ok(())
    }

    /// A file of root in place of a package's, unless the user put something there.
    pub(super) fn replacement(
        &mut self,
        path: &EntryPath,
        mode: u32,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<(), EmulationError> {
        let real = self.tree.resolve(path, Last::Keep)?;
        if self.is_users(&real) {
            return Ok(());
        }
        let node = self.node(NodeKind::File(Content::memory(bytes.into())), mode);
        self.tree.place(&real, node)?;
        Ok(())
    }

    /// An empty file with this owner, unless something is there.
    pub(super) fn empty_file(
        &mut self,
        path: &str,
        mode: u32,
        (uid, gid): (u32, u32),
    ) -> Result<(), EmulationError> {
        let node = Node {
            uid,
            gid,
            ..self.node(NodeKind::File(Content::memory(Vec::new())), mode)
        };
        self.tree.place_if_absent(&at(path)?, node)?;
        Ok(())
    }

    /// What `cp -p` makes of a file of the tree, unless something is there or there is no such
    /// file, not even a dropped one.
    pub(super) fn copy(&mut self, from: &str, to: &str, mode: Option<u32>) -> Result<(), EmulationError> {
        let from = self.tree.resolve(&at(from)?, Last::Follow)?;
        let present = self.tree.node(&from).zip(self.tree.file(&from));
        let Some((original, content)) = present.or_else(|| self.tree.dropped_file(&from)) else {
            return Ok(());
        };
        let (original, content) = (original.clone(), content.clone());
        let piece = self.piece();
        let node = Node {
            kind: NodeKind::File(content),
            mode: mode.unwrap_or(original.mode),
            piece,
            ..original
        };
        self.tree.place_if_absent(&at(to)?, node)?;
        Ok(())
    }

    /// A symbolic link, unless something is there.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), EmulationError> {
        self.link_at(&at(path)?, target.as_bytes())
    }

    /// As [`Generated::link`].
    pub(super) fn link_at(&mut self, path: &EntryPath, target: &[u8]) -> Result<(), EmulationError> {
        let node = self.node(NodeKind::Symlink(target.into()), 0o777);
        self.tree.place_if_absent(path, node)?;
        Ok(())
    }

    fn is_users(&self, path: &EntryPath) -> bool {
        self.tree
            .node(path)
            .and_then(|node| self.tree.piece(node.piece))
            .is_some_and(|piece| piece.kind == PieceKind::User)
    }

    fn node(&mut self, kind: NodeKind, mode: u32) -> Node {
        let mtime = if matches!(kind, NodeKind::Directory) {
            DIRECTORY_MTIME
        } else {
            self.date
        };
        Node {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime,
            piece: self.piece(),
        }
    }

    fn piece(&mut self) -> PieceId {
        let known = self
            .tree
            .pieces()
            .iter()
            .find(|piece| piece.kind == PieceKind::Generated && piece.name == self.name)
            .map(|piece| piece.id);
        known.unwrap_or_else(|| self.tree.add_piece(self.name, PieceKind::Generated))
    }
}

/// An absolute path that is written in the program or in a package.
pub(super) fn at(path: &str) -> Result<EntryPath, EmulationError> {
    Ok(EntryPath::parse_absolute(path.as_bytes())?)
}

/// The bytes of a file of the tree, or of one that was dropped from it, wherever links lead; `None` when
/// there is no such file.
pub(super) fn read(
    tree: &Tree,
    context: &Context<'_>,
    path: &EntryPath,
    limit_bytes: u64,
) -> Result<Option<Vec<u8>>, EmulationError> {
    let real = tree.resolve(path, Last::Follow)?;
    let Some(content) = tree
        .file(&real)
        .or_else(|| tree.dropped_file(&real).map(|(_, content)| content))
    else {
        return Ok(None);
    };
    let bytes = context
        .reader
        .read(content, limit_bytes)
        .map_err(|source| EmulationError::Read {
            path: path.clone(),
            source,
        })?;
    Ok(Some(bytes))
}

/// Owner and group of what belongs to the system.
pub(super) const ROOT: (u32, u32) = (0, 0);

pub(super) use crate::tree::ROOTFS;
