//! The only form in which a path from an archive travels through the program.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Longest path, in bytes; Linux takes one less.
pub const PATH_BYTES_MAX: usize = 4096;

/// Longest single component of a path, in bytes, as on every Linux file system.
pub const COMPONENT_BYTES_MAX: usize = 255;

/// A path inside an archive or an image: relative to its root, and never able to leave it.
///
/// Bytes, not text: Debian has packages with names that are not UTF-8. Components are separated by
/// single slashes; none is empty, `.` or `..`, and none holds a NUL byte. The root is the empty path.
///
/// The order is by components, bytewise: a directory comes before everything below it, and its
/// whole content before its next sibling (`a`, `a/b`, `a-b`).
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntryPath(Arc<[u8]>);

/// Why bytes are not an [`EntryPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It begins with a slash where a relative path is expected.
    #[error("path {path:?} is absolute")]
    Absolute {
        /// The path, lossily as text and cut if it is long.
        path: String,
    },
    /// It does not begin with a slash where an absolute path is expected.
    #[error("path {path:?} is not absolute")]
    NotAbsolute {
        /// The path, lossily as text and cut if it is long.
        path: String,
    },
    /// A component is `..`.
    #[error("path {path:?} has a component \"..\"")]
    Parent {
        /// The path, lossily as text and cut if it is long.
        path: String,
    },
    /// A component is empty or `.`.
    #[error("path {path:?} has an empty component or a component \".\"")]
    EmptyComponent {
        /// The path, lossily as text and cut if it is long.
        path: String,
    },
    /// It holds a NUL byte.
    #[error("path {path:?} has a NUL byte")]
    Nul {
        /// The path, lossily as text and cut if it is long.
        path: String,
    },
    /// It is longer than [`PATH_BYTES_MAX`].
    #[error("path {path:?} is {actual_bytes} bytes long, at most {PATH_BYTES_MAX} are allowed")]
    TooLong {
        /// The path, lossily as text and cut if it is long.
        path: String,
        /// Its length.
        actual_bytes: usize,
    },
    /// A component is longer than [`COMPONENT_BYTES_MAX`].
    #[error("path {path:?} has a component of more than {COMPONENT_BYTES_MAX} bytes")]
    ComponentTooLong {
        /// The path, lossily as text and cut if it is long.
        path: String,
    },
}

impl EntryPath {
    /// The root of the archive: the path without components.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::from(&[][..]))
    }

    /// Parses a path as tar archives have it: relative, perhaps with a leading `./`, perhaps with a
    /// trailing slash. `.`, `./` and the empty path are the root.
    ///
    /// # Errors
    /// For an absolute path, a component that is empty, `.` or `..`, a NUL byte, or a path or
    /// component over its limit.
    pub fn parse(path: &[u8]) -> Result<Self, PathError> {
        if path.first() == Some(&b'/') {
            return Err(PathError::Absolute { path: shown(path) });
        }
        if path == b"." {
            return Ok(Self::root());
        }
        Self::relative(path.strip_prefix(b"./").unwrap_or(path), path)
    }

    /// Parses an absolute path as people write it, such as `/usr/bin`; a trailing slash is dropped.
    ///
    /// # Errors
    /// As [`EntryPath::parse`], and for a path that does not begin with a slash.
    pub fn parse_absolute(path: &[u8]) -> Result<Self, PathError> {
        match path.strip_prefix(b"/") {
            Some(rest) => Self::relative(rest, path),
            None => Err(PathError::NotAbsolute { path: shown(path) }),
        }
    }

    /// The path itself: no leading slash, no trailing slash; empty for the root.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components from the root down; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0
            .split(|byte| *byte == b'/')
            .filter(|component| !component.is_empty())
    }

    /// The directory that holds this path; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(Arc::from(self.0.get(..end).unwrap_or_default())))
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        self.0
            .rsplit(|byte| *byte == b'/')
            .next()
            .filter(|name| !name.is_empty())
    }

    /// This path followed by the relative path `below`.
    ///
    /// # Errors
    /// As [`EntryPath::parse`], for `below` and for the result.
    pub fn join(&self, below: &[u8]) -> Result<Self, PathError> {
        let below = Self::parse(below)?;
        if self.is_root() {
            return Ok(below);
        }
        if below.is_root() {
            return Ok(self.clone());
        }
        let joined = [self.as_bytes(), b"/", below.as_bytes()].concat();
        Self::relative(&joined, &joined)
    }

    /// Whether this path is `ancestor` or lies below it.
    #[must_use]
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        match self.0.strip_prefix(ancestor.as_bytes()) {
            Some(rest) => ancestor.is_root() || rest.is_empty() || rest.first() == Some(&b'/'),
            None => false,
        }
    }

    fn relative(path: &[u8], original: &[u8]) -> Result<Self, PathError> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        if path.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong {
                path: shown(original),
                actual_bytes: path.len(),
            });
        }
        if path.is_empty() {
            return if matches!(original, b"" | b"/" | b"./") {
                Ok(Self::root())
            } else {
                Err(PathError::EmptyComponent {
                    path: shown(original),
                })
            };
        }
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {
                    return Err(PathError::EmptyComponent {
                        path: shown(original),
                    });
                }
                b".." => {
                    return Err(PathError::Parent {
                        path: shown(original),
                    });
                }
                _ if component.contains(&0) => {
                    return Err(PathError::Nul {
                        path: shown(original),
                    });
                }
                _ if component.len() > COMPONENT_BYTES_MAX => {
                    return Err(PathError::ComponentTooLong {
                        path: shown(original),
                    });
                }
                _ => {}
            }
        }
        Ok(Self(Arc::from(path)))
    }
}

impl Ord for EntryPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // A slash sorts before every other byte (NUL does not occur), which orders by components.
        let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
        match self
            .0
            .iter()
            .zip(other.0.iter())
            .find(|(ours, theirs)| ours != theirs)
        {
            Some((ours, theirs)) => rank(*ours).cmp(&rank(*theirs)),
            None => self.0.len().cmp(&other.0.len()),
        }
    }
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for EntryPath {
    /// With a leading slash; bytes that are not UTF-8 are shown as U+FFFD.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"/{}\"", self.0.escape_ascii())
    }
}

/// A path for an error message: as text, and not longer than a few lines.
fn shown(path: &[u8]) -> String {
    match path.get(..SHOWN_BYTES_MAX) {
        Some(start) if path.len() > SHOWN_BYTES_MAX => format!("{}…", String::from_utf8_lossy(start)),
        _ => match String::from_utf8_lossy(path) {
            Cow::Borrowed(text) => text.to_owned(),
            Cow::Owned(text) => text,
        },
    }
}

const SHOWN_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn parses_the_forms_that_archives_have() {
        for (text, expected) in [
            ("usr/bin/x", "usr/bin/x"),
            ("./usr/", "usr"),
            ("./", ""),
            (".", ""),
            ("", ""),
            ("..x/...", "..x/..."),
        ] {
            assert_eq!(path(text).as_bytes(), expected.as_bytes(), "{text:?}");
        }
        assert_eq!(EntryPath::parse_absolute(b"/usr/bin/").unwrap(), path("usr/bin"));
        assert_eq!(EntryPath::parse_absolute(b"/").unwrap(), EntryPath::root());
    }

    #[test]
    fn refuses_every_way_out() {
        for text in [
            "/usr", "..", "../x", "a/..", "a/../b", "./..", "a//b", "a/./b", ".//", "././a", "a//", "a/.",
            "a\0b", "//",
        ] {
            assert!(EntryPath::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        for text in ["usr", "", "//usr", "/../x", "/./x", "."] {
            assert!(EntryPath::parse_absolute(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(path("a").join(b"..").is_err());
        assert!(path("a").join(b"/b").is_err());
    }

    #[test]
    fn takes_paths_apart_and_puts_them_together() {
        let deep = path("usr/lib/x");
        assert_eq!(deep.parent(), Some(path("usr/lib")));
        assert_eq!(path("usr").parent(), Some(EntryPath::root()));
        assert_eq!(EntryPath::root().parent(), None);
        assert_eq!(deep.file_name(), Some(&b"x"[..]));
        assert_eq!(EntryPath::root().file_name(), None);
        assert_eq!(EntryPath::root().components().count(), 0);
        assert_eq!(path("usr").join(b"./lib/x").unwrap(), deep);
        assert_eq!(EntryPath::root().join(b"usr").unwrap(), path("usr"));
        assert_eq!(path("usr").join(b"").unwrap(), path("usr"));
        assert!(deep.starts_with(&path("usr/lib")) && deep.starts_with(&EntryPath::root()));
        assert!(!path("usr/library").starts_with(&path("usr/lib")));
    }

    #[test]
    fn orders_parents_before_children_and_children_before_siblings() {
        let mut paths = ["a-b", "a/b", "b", "a", "", "a/b/c", "a!"].map(path);
        paths.sort();
        assert_eq!(paths, ["", "a", "a/b", "a/b/c", "a!", "a-b", "b"].map(path));
    }

    #[test]
    fn shows_itself_as_people_write_it() {
        assert_eq!(path("usr/bin").to_string(), "/usr/bin");
        assert_eq!(EntryPath::root().to_string(), "/");
        assert_eq!(EntryPath::parse(b"l\xe9").unwrap().to_string(), "/l\u{fffd}");
    }
}
