//! Following links as a process inside the image would: never out of it.

use std::collections::{BTreeMap, VecDeque};

use archive::EntryPath;

use super::{FileFacts, FileKind, ImageView, ResolveError};

/// Most links that are followed for one path, as in Linux.
pub const LINKS_MAX: usize = 40;

/// More links than [`LINKS_MAX`].
pub(super) struct TooManyLinks;

impl ImageView {
    /// Where a path really leads: links are followed, also the last one; `..` at the root stays there.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn resolve(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        let followed = follow(&self.files, path);
        let (found, missing) =
            followed.map_err(|TooManyLinks| ResolveError::TooManyLinks { path: path.clone() })?;
        if missing.is_empty() {
            return Ok(found);
        }
        match self.files.get(&found) {
            Some(facts) if facts.kind != FileKind::Directory => Err(ResolveError::NotADirectory {
                path: path.clone(),
                component: found,
            }),
            _ => Err(ResolveError::NotFound { path: path.clone() }),
        }
    }

    /// The same, but the last component is not followed if it is a link.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn resolve_parent(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(path.clone());
        };
        let not_found = || ResolveError::NotFound { path: path.clone() };
        let real = self.resolve(&parent)?.join(name).map_err(|_| not_found())?;
        if self.files.contains_key(&real) {
            Ok(real)
        } else {
            Err(not_found())
        }
    }
}

/// Follows `path` as far as there is something; returns that, and the components that are left.
pub(super) fn follow(
    files: &BTreeMap<EntryPath, FileFacts>,
    path: &EntryPath,
) -> Result<(EntryPath, Vec<Vec<u8>>), TooManyLinks> {
    let mut real = EntryPath::root();
    let mut left: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    let mut links = 0;
    while let Some(component) = left.pop_front() {
        match component.as_slice() {
            b"" | b"." => continue,
            b".." => {
                real = real.parent().unwrap_or_else(EntryPath::root);
                continue;
            }
            _ => {}
        }
        let next = real.join(&component).ok();
        let Some((next, facts)) = next.and_then(|next| files.get(&next).map(|facts| (next, facts))) else {
            left.push_front(component);
            return Ok((real, left.into()));
        };
        match &facts.kind {
            FileKind::Symlink { target } => {
                links += 1;
                if links > LINKS_MAX {
                    return Err(TooManyLinks);
                }
                if target.first() == Some(&b'/') {
                    real = EntryPath::root();
                }
                for part in target.split(|byte| *byte == b'/').rev() {
                    left.push_front(part.to_vec());
                }
            }
            _ => real = next,
        }
    }
    Ok((real, Vec::new()))
}
