//! What paths are relative to, however they were named: the top of the repository around them.

use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::tree::told;

/// Names what is passed over, as `.gitignore` does.
pub(crate) const IGNORE_FILE: &str = ".lightshipignore";

/// What was named, as its repository knows it.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    /// It, without links.
    place: PathBuf,
    /// Where it is below the top of its repository; empty where there is none.
    below: PathBuf,
    /// What folders above say that is to be passed over.
    above: Vec<Gitignore>,
}

impl Root {
    /// Of a folder or a file that is there. `left_out` are patterns of a folder that is above it, or itself.
    pub(crate) fn of(path: &Path, left_out: &[(PathBuf, Vec<String>)]) -> Root {
        let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = match place.is_dir() {
            true => Some(place.as_path()),
            false => place.parent(),
        };
        let top = folder.and_then(repository_of).or(folder).unwrap_or(&place);
        let above: Vec<&Path> = place
            .ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(top))
            .collect();
        let files = above.iter().rev().filter_map(|folder| {
            let file = folder.join(IGNORE_FILE);
            file.is_file().then(|| {
                let mut patterns = GitignoreBuilder::new(folder);
                patterns.add(&file);
                patterns.build().ok()
            })?
        });
        let settings = left_out.iter().filter_map(|(folder, patterns)| {
            let folder = folder.canonicalize().ok()?;
            matcher(&folder, patterns)
        });
        Root {
            below: place.strip_prefix(top).unwrap_or(&place).to_owned(),
            above: files.chain(settings).collect(),
            place,
        }
    }

    /// What a file below it is called in fingerprints: the same from wherever it is looked at.
    pub(crate) fn stable(&self, below: &Path) -> String {
        let whole = match below.as_os_str().is_empty() {
            true => match self.below.as_os_str().is_empty() {
                true => PathBuf::from(self.place.file_name().unwrap_or_default()),
                false => self.below.clone(),
            },
            false => self.below.join(below),
        };
        told(whole.as_os_str().as_encoded_bytes()).replace(std::path::MAIN_SEPARATOR, "/")
    }

    /// Whether folders above say that a file or folder below it is to be passed over.
    pub(crate) fn is_left_out(&self, below: &Path, is_folder: bool) -> bool {
        if self.above.is_empty() {
            return false;
        }
        let path = match below.as_os_str().is_empty() {
            true => self.place.clone(),
            false => self.place.join(below),
        };
        self.above.iter().any(|patterns| {
            path.starts_with(patterns.path())
                && patterns.matched_path_or_any_parents(&path, is_folder).is_ignore()
        })
    }
}

/// Patterns of a folder.
pub(crate) fn matcher(folder: &Path, patterns: &[String]) -> Option<Gitignore> {
    let mut built = GitignoreBuilder::new(folder);
    for pattern in patterns {
        built.add_line(None, pattern).ok()?;
    }
    built.build().ok()
}

/// The top of the repository that a folder is in.
#[must_use]
pub fn repository_of(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|above| above.join(".git").exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Auditor, Settings, Tree, TreeOptions};

    fn look(paths: &[PathBuf], options: &TreeOptions) -> Vec<String> {
        let auditor = Auditor::new(Settings::default());
        let report = Tree::new(&auditor, options).look(paths).unwrap();
        report.findings.into_iter().map(|one| one.fingerprint).collect()
    }

    #[test]
    fn fingerprints_are_the_same_however_a_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("shop/k8s")).unwrap();
        std::fs::write(root.join("shop/k8s/a"), "gcr.io/p/i\n").unwrap();
        let options = TreeOptions::default();
        // Without a repository, the folder that is named is the top.
        let one = look(&[root.join("shop")], &options);
        assert_eq!(one.len(), 1);
        assert_eq!(look(&[root.join("shop/")], &options), one);
        assert_eq!(look(&[root.join("shop/../shop")], &options), one);
        assert_ne!(look(&[root.to_owned()], &options), one);
        std::fs::create_dir(root.join(".git")).unwrap();
        let all = look(&[root.to_owned()], &options);
        for path in ["shop", "shop/k8s", "shop/k8s/a"] {
            assert_eq!(look(&[root.join(path)], &options), all, "{path}");
        }
        assert_eq!(look(&[root.join("shop"), root.join("shop/")], &options), all);
        assert_eq!(look(&[root.to_owned(), root.join("shop")], &options), all);
    }

    #[test]
    fn what_is_said_above_counts_below() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("a/vendor/b")).unwrap();
        std::fs::create_dir(root.join(".git")).unwrap();
        std::fs::write(root.join("a/vendor/b/c"), "gcr.io/p/i\n").unwrap();
        let options = TreeOptions::default();
        assert_eq!(look(&[root.join("a/vendor")], &options).len(), 1);
        std::fs::write(root.join("a/.lightshipignore"), "vendor/\n").unwrap();
        assert_eq!(look(&[root.join("a/vendor")], &options).len(), 0);
        assert_eq!(look(&[root.join("a/vendor/b/c")], &options).len(), 0);
        std::fs::remove_file(root.join("a/.lightshipignore")).unwrap();
        let above = TreeOptions {
            left_out_above: vec![(root.join("a"), vec!["/vendor/b".to_owned()])],
            ..TreeOptions::default()
        };
        assert_eq!(look(&[root.join("a/vendor")], &above).len(), 0);
    }
}
