//! Which resource a value belongs to.

use crate::reading::outline::Outline;
use crate::reading::{Document, Step};

/// The resource of Kubernetes around a value; both are empty where there is none.
#[derive(Debug, Default)]
pub(super) struct Manifest<'d> {
    /// Its `apiVersion`.
    pub(super) group: &'d str,
    pub(super) kind: &'d str,
}

impl<'d> Manifest<'d> {
    /// The innermost one.
    pub(super) fn around(document: &'d Document, outline: &Outline<'d>, path: &[Step]) -> Manifest<'d> {
        let text = |map: &[Step], key: &str| {
            let index = outline.key(map, key)?;
            document.pieces.get(index).map(|piece| piece.text.text())
        };
        let maps = (0..path.len()).rev().filter_map(|length| path.get(..length));
        for map in maps {
            if let (Some(group), Some(kind)) = (text(map, "apiVersion"), text(map, "kind")) {
                return Manifest { group, kind };
            }
        }
        Manifest::default()
    }
}
