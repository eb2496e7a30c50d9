//! What the tests need to know of an image's files.

use std::future::Future;

use archive::EntryPath;

/// The files of an image, read without unpacking it.
///
/// Links inside a path are followed as a process in the image would follow them, never out of the image.
pub trait FileSystem: Sync {
    /// The file at `path`, or nothing when there is none. A symbolic link at the end of the path is itself the
    /// answer; links on the way to it are followed.
    fn status(&self, path: &EntryPath) -> Option<FileStatus>;

    /// The names of the real directories in the directory at `path`, sorted.
    ///
    /// # Errors
    /// In words, when there is no such directory.
    fn directories(&self, path: &EntryPath) -> Result<Vec<Vec<u8>>, String>;

    /// The content of the file at `path`, links followed, at most `limit_bytes`.
    ///
    /// # Errors
    /// In words, when it is not there, not a file, larger, or cannot be read.
    fn read(
        &self,
        path: &EntryPath,
        limit_bytes: u64,
    ) -> impl Future<Output = Result<Vec<u8>, String>> + Send;
}

/// What a file is, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStatus {
    /// Its kind.
    pub kind: FileKind,
    /// Permissions with setuid, setgid and sticky: the low twelve bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u64,
    /// Its group.
    pub gid: u64,
}

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file with content; hard links count as what they link to.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// A path as people write it in a test: from the root, with `.`, `..` and doubled slashes taken away.
///
/// # Errors
/// In words, when it cannot be a path.
pub(super) fn written_path(text: &str) -> Result<EntryPath, String> {
    let mut components: Vec<&str> = Vec::new();
    for component in text.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            component => components.push(component),
        }
    }
    EntryPath::parse(components.join("/").as_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_never_leave_the_root() {
        for (text, expected) in [
            ("/", "/"),
            ("/etc//passwd", "/etc/passwd"),
            ("etc/./x", "/etc/x"),
            ("/../a/b/../c/", "/a/c"),
            ("", "/"),
        ] {
            assert_eq!(written_path(text).unwrap().to_string(), expected, "{text}");
        }
        assert!(written_path("/a\0b").is_err());
    }
}
