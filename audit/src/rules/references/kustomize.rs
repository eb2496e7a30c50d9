//! Names that Kustomize looks for in its bases.

use super::Look;
use crate::place::Place;
use crate::reading::{Piece, Role, Step};

/// Keys of what a kustomization is laid over.
const BASE_KEYS: [&str; 3] = ["resources", "bases", "components"];

/// Whether all bases of a file are such that nobody rewrites together with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemoteBase(bool);

impl RemoteBase {
    /// Of a file, when it is a kustomization.
    pub(super) fn of(look: &Look<'_>) -> RemoteBase {
        let name = look.path.rsplit('/').next().unwrap_or(look.path);
        let is_kustomization = matches!(name, "kustomization.yaml" | "kustomization.yml");
        let bases = look.document.pieces.iter().filter(|piece| is_base(piece));
        let mut bases = bases.map(|piece| is_remote(piece.text.text().trim())).peekable();
        RemoteBase(is_kustomization && bases.peek().is_some() && bases.all(|is_remote| is_remote))
    }

    /// How the name of an image is used that is replaced in a base: the name there stays, and this one has to be the same.
    pub(super) fn place(self, piece: &Piece) -> Option<Place> {
        let is_name = match &*piece.path {
            [Step::Key(list), Step::Item(_), Step::Key(key)] => {
                matches!(list.as_str(), "images" | "imageTags") && key == "name"
            }
            _ => false,
        };
        (self.0 && is_name).then(|| {
            Place::fixed("it is looked for in a base that is elsewhere: give the new place as `newName`")
        })
    }
}

/// Whether a piece is a base.
fn is_base(piece: &Piece) -> bool {
    match &*piece.path {
        [Step::Key(list), Step::Item(_)] => piece.role == Role::Value && BASE_KEYS.contains(&list.as_str()),
        _ => false,
    }
}

/// Whether a base is fetched from somewhere, by Kustomize's reading of addresses.
fn is_remote(base: &str) -> bool {
    let starts = ["github.com/", "git@", "git::"];
    base.contains("://") || base.contains("?ref=") || starts.iter().any(|start| base.starts_with(start))
}
