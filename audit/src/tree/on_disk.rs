//! Files beside those that are looked at.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{TreeOptions, walk};
use crate::directory::{ENTRIES_MAX, Entry, Files};

/// Files on a disk, as far as a walk through their tree would come to them.
#[derive(Debug, Clone)]
pub struct OnDisk {
    base: PathBuf,
    root: PathBuf,
    options: TreeOptions,
}

impl OnDisk {
    /// Paths are below `base`, which is empty for the folder that the process is in; what is left out is left out below `root`.
    #[must_use]
    pub fn new(base: &Path, root: &Path, options: &TreeOptions) -> OnDisk {
        OnDisk {
            base: base.to_owned(),
            root: root.to_owned(),
            options: options.clone(),
        }
    }
}

impl Files for OnDisk {
    fn entries(&self, folder: &str) -> Vec<Entry> {
        let folder = match self.base.join(folder) {
            folder if folder.as_os_str().is_empty() => PathBuf::from("."),
            folder => folder,
        };
        let Ok(mut walk) = walk(&folder, &self.root, &self.options) else {
            return Vec::new();
        };
        let entries = walk.max_depth(Some(1)).build().flatten();
        let entries = entries.filter(|entry| entry.depth() > 0).filter_map(|entry| {
            let kind = entry.file_type().filter(|kind| kind.is_file() || kind.is_dir())?;
            Some(Entry {
                name: entry.file_name().to_str()?.to_owned(),
                is_folder: kind.is_dir(),
            })
        });
        entries.take(ENTRIES_MAX).collect()
    }

    fn read(&self, path: &str, bytes_max: usize) -> Option<Vec<u8>> {
        let path = self.base.join(path);
        // A link may lead anywhere, and what is no file may never end.
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > bytes_max as u64 {
            return None;
        }
        let mut bytes = Vec::new();
        let file = File::open(&path).ok()?;
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() <= bytes_max).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_walk_leaves_out_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir(root.join("a")).unwrap();
        for (path, text) in [
            (".gitignore", "no\n"),
            ("a/no", "x"),
            ("a/out", "x"),
            ("a/yes", "xyz"),
        ] {
            std::fs::write(root.join(path), text).unwrap();
        }
        std::os::unix::fs::symlink("yes", root.join("a/link")).unwrap();
        let options = TreeOptions {
            left_out: vec!["a/out".to_owned()],
            ..TreeOptions::default()
        };
        let files = OnDisk::new(root, root, &options);
        let names: Vec<String> = files.entries("a").into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["yes"]);
        assert_eq!(files.read("a/yes", 3).as_deref(), Some(&b"xyz"[..]));
        assert_eq!((files.read("a/yes", 2), files.read("a/link", 9)), (None, None));
        assert!(files.entries("nothing").is_empty());
    }
}
