//! The view as structure tests ask it.

use archive::EntryPath;

use super::{FileFacts, FileKind, ImageView};
use crate::structure_test::{self, FileStatus, FileSystem};

impl FileSystem for ImageView {
    fn status(&self, path: &EntryPath) -> Option<FileStatus> {
        let real = self.resolve_parent(path).ok()?;
        self.lstat(&real).map(status_of)
    }

    fn directories(&self, path: &EntryPath) -> Result<Vec<Vec<u8>>, String> {
        let real = self.resolve(path).map_err(|error| error.to_string())?;
        if self
            .lstat(&real)
            .is_none_or(|facts| facts.kind != FileKind::Directory)
        {
            return Err(format!("{path} is not a directory"));
        }
        let directories = self
            .list(&real)
            .filter(|(_, facts)| facts.kind == FileKind::Directory);
        Ok(directories
            .filter_map(|(path, _)| path.file_name().map(<[u8]>::to_vec))
            .collect())
    }

    async fn read(&self, path: &EntryPath, limit_bytes: u64) -> Result<Vec<u8>, String> {
        let read = ImageView::read(self, path, limit_bytes).await;
        read.map_err(|error| match std::error::Error::source(&error) {
            Some(source) => source.to_string(),
            None => error.to_string(),
        })
    }
}

fn status_of(facts: &FileFacts) -> FileStatus {
    FileStatus {
        kind: match facts.kind {
            FileKind::File => structure_test::FileKind::File,
            FileKind::Directory => structure_test::FileKind::Directory,
            FileKind::Symlink { .. } => structure_test::FileKind::Symlink,
            FileKind::CharDevice { .. } => structure_test::FileKind::CharDevice,
            FileKind::BlockDevice { .. } => structure_test::FileKind::BlockDevice,
            FileKind::Fifo => structure_test::FileKind::Fifo,
        },
        mode: facts.mode,
        uid: facts.uid,
        gid: facts.gid,
    }
}
