//! The map from paths to nodes and the changes that keep it true.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use archive::EntryPath;

use super::links::{LINKS_FOLLOWED_MAX, join_target};
use super::{DIRECTORY_MTIME, Node, NodeKind, Piece, PieceId, PieceKind, TreeError};

/// Every path of an image and what is there; the root itself is not among them.
///
/// Holds at all times: the parent of every path is a directory of the tree; a hard link names a file
/// of the tree that comes before it in the order of paths.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: BTreeMap<EntryPath, Node>,
    pieces: Vec<Piece>,
    /// For every file with hard links, their paths.
    hard_links: BTreeMap<EntryPath, BTreeSet<EntryPath>>,
    /// Directories that exist only because something lies in them.
    implied: BTreeSet<EntryPath>,
    /// Files that `drop` left out; what is generated from them is generated all the same.
    dropped: BTreeMap<EntryPath, Node>,
}

impl Tree {
    /// A tree with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece after those that are there; its nodes name it by the returned number.
    pub fn add_piece(&mut self, name: impl Into<String>, kind: PieceKind) -> PieceId {
        let id = PieceId(self.pieces.len());
        self.pieces.push(Piece {
            id,
            name: name.into(),
            kind,
        });
        id
    }

    /// The pieces in the order in which they came: packages, then what was added, then what was generated.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The piece of that number, if there is one.
    pub fn piece(&self, id: PieceId) -> Option<&Piece> {
        self.pieces.get(id.0)
    }

    /// All nodes in the order of paths: every directory before what is in it.
    pub fn iter(&self) -> impl Iterator<Item = (&EntryPath, &Node)> {
        self.nodes.iter()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing in the tree.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What is at exactly this path; links in it are not followed.
    pub fn node(&self, path: &EntryPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Whether a directory is at exactly this path; the root always is one.
    pub fn is_directory(&self, path: &EntryPath) -> bool {
        path.is_root()
            || matches!(
                self.node(path),
                Some(Node {
                    kind: NodeKind::Directory,
                    ..
                })
            )
    }

    /// The file at this path, whichever of its names it is.
    pub fn file(&self, path: &EntryPath) -> Option<&super::Content> {
        match &self.node(path)?.kind {
            NodeKind::File(content) => Some(content),
            NodeKind::Hardlink(first) => match &self.node(first)?.kind {
                NodeKind::File(content) => Some(content),
                _ => None,
            },
            _ => None,
        }
    }

    /// The file that `drop` took from this path, with its content.
    pub(crate) fn dropped_file(&self, path: &EntryPath) -> Option<(&Node, &super::Content)> {
        let node = self.dropped.get(path)?;
        match &node.kind {
            NodeKind::File(content) => Some((node, content)),
            _ => None,
        }
    }

    /// The paths below `directory` that `drop` took files from.
    pub(crate) fn dropped_below<'t>(
        &'t self,
        directory: &EntryPath,
    ) -> impl Iterator<Item = &'t EntryPath> + use<'t> {
        let directory = directory.clone();
        self.dropped
            .keys()
            .filter(move |path| path.starts_with(&directory))
    }

    /// Everything below `directory`, in the order of paths, without the directory itself.
    pub fn below<'t>(
        &'t self,
        directory: &EntryPath,
    ) -> impl Iterator<Item = (&'t EntryPath, &'t Node)> + use<'t> {
        let directory = directory.clone();
        self.nodes
            .range((Bound::Excluded(directory.clone()), Bound::Unbounded))
            .take_while(move |(path, _)| path.starts_with(&directory))
    }

    /// What is in `directory` itself.
    pub fn children<'t>(
        &'t self,
        directory: &EntryPath,
    ) -> impl Iterator<Item = (&'t EntryPath, &'t Node)> + use<'t> {
        let depth = directory.components().count() + 1;
        self.below(directory)
            .filter(move |(path, _)| path.components().count() == depth)
    }

    /// Where `path` really is: every symbolic link in it is followed, except that its last component is
    /// followed only with [`Last::Follow`]. What does not exist is taken as it is written.
    ///
    /// # Errors
    /// For more than [`LINKS_FOLLOWED_MAX`] links.
    pub fn resolve(&self, path: &EntryPath, last: Last) -> Result<EntryPath, TreeError> {
        let mut links = 0;
        self.resolve_counting(path, last, &mut links)
    }

    fn resolve_counting(
        &self,
        path: &EntryPath,
        last: Last,
        links: &mut u32,
    ) -> Result<EntryPath, TreeError> {
        let count = path.components().count();
        let mut real = EntryPath::root();
        for (index, component) in path.components().enumerate() {
            let next = real.join(component)?;
            let follow = index + 1 < count || last == Last::Follow;
            match self.node(&next).map(|node| &node.kind) {
                Some(NodeKind::Symlink(target)) if follow => {
                    *links += 1;
                    if *links > LINKS_FOLLOWED_MAX {
                        return Err(TreeError::LinkLoop { path: path.clone() });
                    }
                    let target = join_target(&real, target)?;
                    real = self.resolve_counting(&target, Last::Follow, links)?;
                }
                _ => real = next,
            }
        }
        Ok(real)
    }

    /// Puts `node` at `path` in place of what is there, and returns where it came to lie: links in the
    /// directory part are followed (so `/bin/x` may become `/usr/bin/x`), missing parents are made.
    ///
    /// A directory over a directory gives it mode, owner and piece, and keeps what is in it; a directory
    /// over a link to a directory does that with the directory that the link leads to; anything over a
    /// link or file replaces it.
    ///
    /// # Errors
    /// When something other than a directory would replace a directory with content, when a parent is
    /// not a directory, or when links lead in a circle.
    pub fn place(&mut self, path: &EntryPath, node: Node) -> Result<EntryPath, TreeError> {
        let real = self.real_place(path, &node)?;
        if !matches!(node.kind, NodeKind::Directory) && self.below(&real).next().is_some() {
            return Err(TreeError::DirectoryInTheWay {
                path: real,
                piece: self.piece_name(node.piece),
            });
        }
        self.place_real(real.clone(), node)?;
        Ok(real)
    }

    /// As [`Tree::place`] for a path that leads through no links.
    pub(super) fn place_real(&mut self, real: EntryPath, node: Node) -> Result<(), TreeError> {
        self.make_parents(&real, node.piece)?;
        self.put(real, node)
    }

    /// As [`Tree::place`], but leaves what is already there, except a directory that is there only
    /// because something lies in it. Says whether the node was put.
    ///
    /// # Errors
    /// As [`Tree::place`].
    pub fn place_if_absent(&mut self, path: &EntryPath, node: Node) -> Result<bool, TreeError> {
        let real = self.real_place(path, &node)?;
        let implied = matches!(node.kind, NodeKind::Directory) && self.implied.contains(&real);
        if self.nodes.contains_key(&real) && !implied {
            return Ok(false);
        }
        self.place(&real, node)?;
        Ok(true)
    }

    /// Makes a directory with mode 0755 of root, and its parents, unless it is there.
    ///
    /// # Errors
    /// When a parent or the path itself is something else.
    pub fn make_directory(&mut self, path: &EntryPath, piece: PieceId) -> Result<EntryPath, TreeError> {
        let real = self.resolve(path, Last::Follow)?;
        self.make_parents(&real, piece)?;
        match self.node(&real).map(|node| &node.kind) {
            _ if real.is_root() => {}
            Some(NodeKind::Directory) => {}
            Some(_) => {
                return Err(TreeError::NotADirectory {
                    path: path.clone(),
                    ancestor: real,
                });
            }
            None => {
                self.implied.insert(real.clone());
                self.nodes.insert(real.clone(), implied_directory(piece));
            }
        }
        Ok(real)
    }

    /// Takes one path away, with everything below it, and says whether it was there. When other names of
    /// a file remain, the first of them becomes the file.
    pub fn remove(&mut self, path: &EntryPath) -> bool {
        let below: Vec<EntryPath> = self.below(path).map(|(path, _)| path.clone()).collect();
        for path in below.iter().rev() {
            self.take(path);
        }
        self.take(path).is_some()
    }

    /// As [`Tree::remove`], for `drop`: files are remembered.
    pub(super) fn drop_path(&mut self, path: &EntryPath) {
        let mut files = Vec::new();
        for path in self.below(path).map(|(path, _)| path).chain([path]) {
            if let (Some(node), Some(content)) = (self.node(path), self.file(path)) {
                files.push((
                    path.clone(),
                    Node {
                        kind: NodeKind::File(content.clone()),
                        ..node.clone()
                    },
                ));
            }
        }
        self.dropped.extend(files);
        self.remove(path);
    }

    /// Moves a path with everything below it. Hard links between moved and unmoved names stay true.
    ///
    /// # Errors
    /// As [`Tree::place`]; [`TreeError::NothingToMove`] when nothing is at `from`.
    pub fn rename(&mut self, from: &EntryPath, to: &EntryPath) -> Result<(), TreeError> {
        let from = self.resolve(from, Last::Keep)?;
        let mut moving: Vec<(EntryPath, Node)> = Vec::new();
        if let Some(node) = self.node(&from) {
            moving.push((from.clone(), node.clone()));
        }
        moving.extend(self.below(&from).map(|(path, node)| (path.clone(), node.clone())));
        if moving.is_empty() {
            return Err(TreeError::NothingToMove { from, to: to.clone() });
        }
        let place_of = |path: &EntryPath| -> Result<EntryPath, TreeError> {
            let rest = path.as_bytes().get(from.as_bytes().len()..).unwrap_or_default();
            Ok(to.join(rest.strip_prefix(b"/").unwrap_or(rest))?)
        };
        // Links are re-made as files first: their names may end up in another order.
        for (path, node) in &mut moving {
            if let NodeKind::Hardlink(first) = &node.kind {
                let first = first.clone();
                if !first.starts_with(&from) {
                    continue;
                }
                node.kind = NodeKind::Hardlink(place_of(&first)?);
            } else if let Some(names) = self.hard_links.get(path)
                && let Some(outside) = names.iter().find(|name| !name.starts_with(&from))
            {
                // The content stays with the name that does not move.
                node.kind = NodeKind::Hardlink(outside.clone());
            }
        }
        self.remove(&from);
        let (links, others): (Vec<_>, Vec<_>) = moving
            .into_iter()
            .partition(|(_, node)| matches!(node.kind, NodeKind::Hardlink(_)));
        for (path, node) in others.into_iter().chain(links) {
            let target = place_of(&path)?;
            self.place(&target, node)?;
        }
        Ok(())
    }

    /// Whether the directory is there only because something lies in it.
    pub(super) fn is_implied(&self, path: &EntryPath) -> bool {
        self.implied.contains(path)
    }

    /// Name of a piece, for messages.
    pub(super) fn piece_name(&self, id: PieceId) -> String {
        self.piece(id)
            .map_or_else(String::new, |piece| piece.name.clone())
    }

    fn real_place(&self, path: &EntryPath, node: &Node) -> Result<EntryPath, TreeError> {
        let real = self.resolve(path, Last::Keep)?;
        if matches!(node.kind, NodeKind::Directory)
            && matches!(
                self.node(&real),
                Some(Node {
                    kind: NodeKind::Symlink(_),
                    ..
                })
            )
        {
            let target = self.resolve(&real, Last::Follow)?;
            // A link to a file, or to nothing outside the merged directories, gives way to the directory.
            if self.is_directory(&target) || self.node(&target).is_none() {
                return Ok(target);
            }
        }
        Ok(real)
    }

    /// Makes the directories above a path that is about to be put, if its name can be in a layer at all.
    fn make_parents(&mut self, path: &EntryPath, piece: PieceId) -> Result<(), TreeError> {
        if path.file_name().is_some_and(|name| name.starts_with(WHITEOUT)) {
            return Err(TreeError::Whiteout {
                path: path.clone(),
                piece: self.piece_name(piece),
            });
        }
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        if self.is_directory(&parent) {
            return Ok(());
        }
        self.make_parents(&parent, piece)?;
        if self.node(&parent).is_some() {
            return Err(TreeError::NotADirectory {
                path: path.clone(),
                ancestor: parent,
            });
        }
        self.implied.insert(parent.clone());
        self.nodes.insert(parent, implied_directory(piece));
        Ok(())
    }

    /// Puts a node at a real path whose parents exist.
    fn put(&mut self, path: EntryPath, mut node: Node) -> Result<(), TreeError> {
        if path.is_root() {
            return Ok(());
        }
        if let NodeKind::Hardlink(target) = &node.kind {
            let target = self.resolve(target, Last::Keep)?;
            return self.put_hard_link(path, target, node);
        }
        if matches!(node.kind, NodeKind::Directory) {
            node.mtime = DIRECTORY_MTIME;
        }
        self.take(&path);
        self.nodes.insert(path, node);
        Ok(())
    }

    fn put_hard_link(&mut self, path: EntryPath, target: EntryPath, mut node: Node) -> Result<(), TreeError> {
        let missing = |tree: &Self| TreeError::HardlinkTarget {
            path: path.clone(),
            target: target.clone(),
            piece: tree.piece_name(node.piece),
        };
        let found = self.node(&target).ok_or_else(|| missing(self))?.clone();
        let first = match &found.kind {
            NodeKind::Directory => return Err(missing(self)),
            // A second name of a symbolic link is as good as a second link.
            NodeKind::Symlink(_) => {
                node.kind = found.kind;
                return self.put(path, node);
            }
            NodeKind::Hardlink(first) => first.clone(),
            NodeKind::File(_) => target.clone(),
        };
        if first == path {
            return Ok(());
        }
        self.take(&path);
        let Some(file) = self.node(&first).cloned() else {
            return Err(missing(self));
        };
        let mut names = self.hard_links.remove(&first).unwrap_or_default();
        names.insert(first);
        names.insert(path);
        self.link_names(names, &file);
        Ok(())
    }

    /// Makes the first of `names` the file and the others links to it; all share its mode, owner and time.
    fn link_names(&mut self, mut names: BTreeSet<EntryPath>, file: &Node) {
        let Some(first) = names.pop_first() else { return };
        for name in &names {
            self.nodes.insert(
                name.clone(),
                Node {
                    kind: NodeKind::Hardlink(first.clone()),
                    ..file.clone()
                },
            );
        }
        self.nodes.insert(first.clone(), file.clone());
        if !names.is_empty() {
            self.hard_links.insert(first, names);
        }
    }

    /// Takes one node away and repairs the hard links that it was part of.
    fn take(&mut self, path: &EntryPath) -> Option<Node> {
        let node = self.nodes.remove(path)?;
        self.implied.remove(path);
        match &node.kind {
            NodeKind::File(_) => {
                if let Some(names) = self.hard_links.remove(path) {
                    self.link_names(names, &node);
                }
            }
            NodeKind::Hardlink(first) => {
                let first = first.clone();
                if let Some(names) = self.hard_links.get_mut(&first) {
                    names.remove(path);
                    if names.is_empty() {
                        self.hard_links.remove(&first);
                    }
                }
            }
            _ => {}
        }
        Some(node)
    }
}

/// Whether a symbolic link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// It is.
    Follow,
    /// It is not: the path of the link itself.
    Keep,
}

fn implied_directory(piece: PieceId) -> Node {
    Node {
        kind: NodeKind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: DIRECTORY_MTIME,
        piece,
    }
}

/// Spec: OCI image-layer-spec, "Whiteouts".
const WHITEOUT: &[u8] = b".wh.";
