//! The mark by which a directory is known as a cache: to us, so that nothing else is ever cleaned, and to backup
//! programs, which leave it out.
//!
//! Spec: <https://bford.info/cachedir/>.

use std::fs;
use std::io;
use std::path::Path;

use crate::{CacheError, TEMPORARY};

/// The name of the file.
pub(crate) const NAME: &str = "CACHEDIR.TAG";

/// What the file begins with, by its specification.
const TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# This is a cache of lightship.\n";

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Cache,
    SomethingElse,
}

pub(crate) fn look(root: &Path) -> Result<Found, CacheError> {
    let is_there = |path: &Path| {
        path.try_exists()
            .map_err(|source| CacheError::io("look at", path, source))
    };
    if !is_there(root)? {
        return Ok(Found::Nothing);
    }
    Ok(if is_there(&root.join(NAME))? || is_unused(root) {
        Found::Cache
    } else {
        Found::SomethingElse
    })
}

/// Whether a cache may be marked at `root`. A directory with other things in it can be used, but is never cleaned.
pub(crate) fn may_be_ours(root: &Path) -> bool {
    !root.exists() || is_unused(root)
}

pub(crate) fn write(root: &Path) -> Result<(), CacheError> {
    let path = root.join(NAME);
    let written =
        fs::File::create_new(&path).and_then(|mut file| io::Write::write_all(&mut file, TEXT.as_bytes()));
    match written {
        // From an earlier time, or another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|source| CacheError::io("write", &path, source)),
    }
}

/// Whether the mark is there.
pub(crate) fn is_marked(root: &Path) -> bool {
    root.join(NAME).exists()
}

/// Nothing is there but what a process leaves that was ended while it opened the cache: an empty directory for temporary
/// files. One with files in it is somebody's.
fn is_unused(root: &Path) -> bool {
    let only_temporary = fs::read_dir(root)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|it| it.file_name() == TEMPORARY)));
    let has_files = fs::read_dir(root.join(TEMPORARY)).is_ok_and(|mut entries| entries.next().is_some());
    only_temporary && !has_files
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir as Root;

    use super::*;
    use crate::{Cache, Key, Shelf};

    #[test]
    fn finds_a_cache_that_was_opened_before() {
        let root = Root::new().unwrap();
        let cache = Cache::open(root.path().join("cache")).unwrap();
        let key = Key::new("a").unwrap();
        cache.insert(Shelf::Layers, &key, b"a").unwrap();
        let found = Cache::find(root.path().join("cache")).unwrap().unwrap();
        assert_eq!(found.clean(&Shelf::ALL).unwrap().files, 1);
    }

    #[test]
    fn makes_nothing_where_there_is_nothing() {
        let root = Root::new().unwrap();
        let path = root.path().join("cache");
        assert!(Cache::find(path.clone()).unwrap().is_none());
        assert!(!path.exists());
    }

    #[test]
    fn never_takes_the_directory_of_somebody_else_for_a_cache() {
        let root = Root::new().unwrap();
        fs::create_dir(root.path().join("packages")).unwrap();
        for opened in [false, true] {
            if opened {
                let cache = Cache::open(root.path().to_path_buf()).unwrap();
                cache
                    .insert(Shelf::Layers, &Key::new("a").unwrap(), b"a")
                    .unwrap();
            }
            assert!(matches!(
                Cache::find(root.path().to_path_buf()),
                Err(CacheError::NotACache { .. })
            ));
        }
    }

    #[test]
    fn leaves_the_temporary_files_of_somebody_else_alone() {
        let root = Root::new().unwrap();
        let theirs = root.path().join(TEMPORARY).join("thesis.tex");
        fs::create_dir(root.path().join(TEMPORARY)).unwrap();
        fs::write(&theirs, "precious").unwrap();
        for _ in 0..2 {
            drop(Cache::open(root.path().to_path_buf()).unwrap());
        }
        assert!(theirs.exists());
    }
}
