//! Which piece goes into which layer.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashSet},
};

use archive::EntryPath;

use crate::{
    specification::LayerPolicy,
    tree::{Content, Node, NodeKind, Piece, PieceId, PieceKind, Tree},
};

/// The entries of one layer.
#[derive(Debug)]
pub struct Layer<'t> {
    /// What is in it, for people: a package, a generated piece, a group of packages.
    pub name: String,
    /// Everything in it and its parents, in the order in which they are written.
    pub entries: Vec<LayerEntry<'t>>,
    /// Bytes of its files' content.
    pub content_bytes: u64,
}

/// One path in a layer.
#[derive(Debug, Clone, Copy)]
pub struct LayerEntry<'t> {
    /// The path.
    pub path: &'t EntryPath,
    /// What is there.
    pub node: &'t Node,
    /// The content, when this layer holds it under this name: of a file, or of a hard link whose first
    /// name lies in another layer.
    pub content: Option<&'t Content>,
}

/// Why a tree cannot be cut.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// A node belongs to a piece that the tree does not have.
    #[error("{path} belongs to no piece of the image")]
    PieceUnknown {
        /// The path.
        path: EntryPath,
    },
    /// A hard link names what is not a file of the tree.
    #[error("hard link {path} names {target}, which is not a file of the image")]
    HardlinkTarget {
        /// The link.
        path: EntryPath,
        /// What it names.
        target: EntryPath,
    },
}

/// The most layers that every engine takes: containerd mounts them as one overlay.
pub const LAYERS_MAX: u32 = 127;

/// Cuts `tree` into layers under `policy`.
///
/// - Per package: every piece that has entries is a layer, in the order of [`order_of`]; more than
///   [`LAYERS_MAX`] are put together as under a budget of so many.
/// - Budget: pieces are put together by what `source_package` says of their package (generated pieces
///   are one group, the user's another); the groups with the most bytes get a layer each, in the order
///   of their first piece; all others share one more, so that there are at most so many layers.
/// - Single: everything is one layer.
///
/// Pieces without entries make no layer; a tree without entries none at all.
///
/// # Errors
/// When the tree contradicts itself.
pub fn cut<'t>(
    tree: &'t Tree,
    policy: LayerPolicy,
    source_package: &dyn Fn(usize) -> String,
) -> Result<Vec<Layer<'t>>, CutError> {
    let index = Index::new(tree)?;
    let present: Vec<&Piece> = order_of(tree.pieces())
        .into_iter()
        .filter(|piece| !index.part(piece.id).nodes.is_empty())
        .collect();
    let groups = match policy {
        LayerPolicy::PerPackage if present.len() <= LAYERS_MAX as usize => present
            .iter()
            .map(|piece| Group {
                name: piece.name.clone(),
                pieces: vec![piece.id],
            })
            .collect(),
        LayerPolicy::PerPackage => budget(&present, &index, LAYERS_MAX, source_package),
        LayerPolicy::Single if present.is_empty() => Vec::new(),
        LayerPolicy::Single => {
            vec![Group {
                name: "everything".to_owned(),
                pieces: present.iter().map(|piece| piece.id).collect(),
            }]
        }
        LayerPolicy::Budget(layers_max) => budget(&present, &index, layers_max, source_package),
    };
    groups.into_iter().map(|group| index.layer(tree, group)).collect()
}

/// The pieces of some layer.
struct Group {
    name: String,
    pieces: Vec<PieceId>,
}

/// Packages first, then what was generated, then what the user added: what changes most comes last.
fn order_of(pieces: &[Piece]) -> Vec<&Piece> {
    let rank = |piece: &&Piece| match piece.kind {
        PieceKind::Package(_) => 0,
        PieceKind::Generated => 1,
        PieceKind::User => 2,
    };
    let mut ordered: Vec<&Piece> = pieces.iter().collect();
    ordered.sort_by_key(|piece| (rank(piece), piece.id));
    ordered
}

fn budget(
    present: &[&Piece],
    index: &Index<'_>,
    layers_max: u32,
    source_package: &dyn Fn(usize) -> String,
) -> Vec<Group> {
    let mut groups: Vec<(Group, u64)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for piece in present {
        let name = match piece.kind {
            PieceKind::Package(package) => source_package(package),
            // In parentheses, since no package can be called that.
            PieceKind::Generated => "(generated)".to_owned(),
            PieceKind::User => "(added)".to_owned(),
        };
        let bytes = index.part(piece.id).bytes;
        let position = *known.entry(name.clone()).or_insert(groups.len());
        match groups.get_mut(position) {
            Some((group, total)) => {
                group.pieces.push(piece.id);
                *total += bytes;
            }
            None => groups.push((
                Group {
                    name,
                    pieces: vec![piece.id],
                },
                bytes,
            )),
        }
    }
    let layers_max = layers_max.max(1) as usize;
    if groups.len() <= layers_max {
        return groups.into_iter().map(|(group, _)| group).collect();
    }
    let mut by_size: Vec<usize> = (0..groups.len()).collect();
    // The sort is stable: of equal ones, the first stays first.
    by_size.sort_by_key(|&position| Reverse(groups.get(position).map_or(0, |(_, bytes)| *bytes)));
    by_size.truncate(layers_max - 1);
    let mut rest = Group {
        name: "everything else".to_owned(),
        pieces: Vec::new(),
    };
    let mut own = Vec::new();
    for (position, (group, _)) in groups.into_iter().enumerate() {
        if by_size.contains(&position) {
            own.push(group);
        } else {
            rest.pieces.extend(group.pieces);
        }
    }
    own.push(rest);
    own
}

/// The tree as a list, with the way from every path to its parent and from every piece to its paths.
struct Index<'t> {
    nodes: Vec<Indexed<'t>>,
    /// By number of the piece.
    parts: Vec<Part>,
    nothing: Part,
}

struct Indexed<'t> {
    path: &'t EntryPath,
    node: &'t Node,
    parent: Option<usize>,
}

/// What belongs to one piece.
#[derive(Default)]
struct Part {
    nodes: Vec<usize>,
    bytes: u64,
}

impl<'t> Index<'t> {
    fn new(tree: &'t Tree) -> Result<Self, CutError> {
        let mut nodes: Vec<Indexed<'t>> = Vec::with_capacity(tree.len());
        let mut parts: Vec<Part> = tree.pieces().iter().map(|_| Part::default()).collect();
        // In the order of paths, the parent of a path is among the parents of the one before it.
        let mut parent: Option<usize> = None;
        for (path, node) in tree.iter() {
            while let Some(above) = parent.and_then(|position| nodes.get(position)) {
                if path.starts_with(above.path) {
                    break;
                }
                parent = above.parent;
            }
            let position = nodes.len();
            nodes.push(Indexed { path, node, parent });
            let part = parts
                .get_mut(node.piece.0)
                .ok_or_else(|| CutError::PieceUnknown { path: path.clone() })?;
            part.nodes.push(position);
            match &node.kind {
                NodeKind::Directory => parent = Some(position),
                NodeKind::File(content) => part.bytes += content.size,
                _ => {}
            }
        }
        Ok(Self {
            nodes,
            parts,
            nothing: Part::default(),
        })
    }

    fn part(&self, piece: PieceId) -> &Part {
        self.parts.get(piece.0).unwrap_or(&self.nothing)
    }

    fn layer(&self, tree: &'t Tree, group: Group) -> Result<Layer<'t>, CutError> {
        let mut inside: BTreeSet<usize> = BTreeSet::new();
        for &position in group.pieces.iter().flat_map(|piece| &self.part(*piece).nodes) {
            let mut next = Some(position);
            while let Some(position) = next {
                if !inside.insert(position) {
                    break;
                }
                next = self.nodes.get(position).and_then(|indexed| indexed.parent);
            }
        }
        let indexed: Vec<&Indexed<'t>> = inside
            .iter()
            .filter_map(|&position| self.nodes.get(position))
            .collect();
        let paths: HashSet<&EntryPath> = indexed.iter().map(|indexed| indexed.path).collect();
        let mut layer = Layer {
            name: group.name,
            entries: Vec::with_capacity(indexed.len()),
            content_bytes: 0,
        };
        for &Indexed { path, node, .. } in indexed {
            let content = match &node.kind {
                NodeKind::File(content) => Some(content),
                NodeKind::Hardlink(first) if !paths.contains(first) => {
                    let missing = || CutError::HardlinkTarget {
                        path: path.clone(),
                        target: first.clone(),
                    };
                    Some(tree.file(first).ok_or_else(missing)?)
                }
                _ => None,
            };
            layer.content_bytes += content.map_or(0, |content| content.size);
            layer.entries.push(LayerEntry { path, node, content });
        }
        Ok(layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of directories and files; `path=piece`, a file's content is its path.
    fn tree(packages: &[&str], places: &[(&str, usize)]) -> Tree {
        let mut tree = Tree::new();
        for (number, package) in packages.iter().enumerate() {
            tree.add_piece(*package, PieceKind::Package(number));
        }
        for (path, piece) in places {
            let path = EntryPath::parse(path.as_bytes()).unwrap();
            let kind = NodeKind::File(Content::memory(path.as_bytes()));
            let node = Node {
                kind,
                mode: 0o644,
                uid: 0,
                gid: 0,
                mtime: 1,
                piece: PieceId(*piece),
            };
            tree.place(&path, node).unwrap();
        }
        tree
    }

    fn shown(layers: &[Layer<'_>]) -> Vec<String> {
        let paths = |layer: &Layer<'_>| {
            layer
                .entries
                .iter()
                .map(|entry| entry.path.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        layers
            .iter()
            .map(|layer| format!("{}: {}", layer.name, paths(layer)))
            .collect()
    }

    #[test]
    fn every_piece_is_a_layer_with_its_parents() {
        let tree = tree(
            &["a", "empty", "b"],
            &[("usr/lib/a-b/x", 0), ("usr/lib/a/x", 2), ("usr/lib/b", 0)],
        );
        let layers = cut(&tree, LayerPolicy::PerPackage, &|_| String::new()).unwrap();
        assert_eq!(
            shown(&layers),
            [
                "a: /usr /usr/lib /usr/lib/a-b /usr/lib/a-b/x /usr/lib/b",
                "b: /usr /usr/lib /usr/lib/a /usr/lib/a/x"
            ]
        );
        assert_eq!(layers[1].content_bytes, 11);
    }

    #[test]
    fn a_single_layer_has_everything_once() {
        let tree = tree(&["a", "b"], &[("etc/x", 0), ("etc/y", 1)]);
        let layers = cut(&tree, LayerPolicy::Single, &|_| String::new()).unwrap();
        assert_eq!(shown(&layers), ["everything: /etc /etc/x /etc/y"]);
        assert!(
            cut(&Tree::new(), LayerPolicy::Single, &|_| String::new())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_budget_gives_the_largest_sources_their_own_layer() {
        let packages = ["libx1", "tiny", "x-data", "big"];
        let tree = tree(&packages, &[("x1", 0), ("t", 1), ("x2", 2), ("much-larger", 3)]);
        let sources = ["x", "tiny", "x", "big"];
        let cut = |layers_max| {
            let source = |package: usize| sources[package].to_owned();
            shown(&cut(&tree, LayerPolicy::Budget(layers_max), &source).unwrap())
        };
        assert_eq!(cut(3), ["x: /x1 /x2", "tiny: /t", "big: /much-larger"]);
        assert_eq!(cut(2), ["big: /much-larger", "everything else: /t /x1 /x2"]);
        assert_eq!(cut(1), ["everything else: /much-larger /t /x1 /x2"]);
    }

    #[test]
    fn more_pieces_than_an_engine_takes_are_put_together() {
        let names: Vec<String> = (0..LAYERS_MAX + 1)
            .map(|number| format!("p{number:03}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let places: Vec<(&str, usize)> = names.iter().copied().zip(0..).collect();
        let source = |package: usize| format!("source-{package}");
        let count = |count: usize| {
            let tree = tree(&names[..count], &places[..count]);
            cut(&tree, LayerPolicy::PerPackage, &source).unwrap().len()
        };
        assert_eq!(count(LAYERS_MAX as usize), LAYERS_MAX as usize);
        assert_eq!(count(LAYERS_MAX as usize + 1), LAYERS_MAX as usize);
    }
}
