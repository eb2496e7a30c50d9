//! Digest of the files on disk that a plan takes in, so that an unchanged image is known without them.

use std::{
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    specification::{Plan, Text},
    tree::DiskLimits,
};

/// The digest; `None` when something cannot be read or is over a limit. The image is then made anew,
/// and the reader of the tree says what is wrong.
pub(super) fn disk_state(plan: &Plan) -> Option<[u8; 32]> {
    let limits = DiskLimits::default();
    let mut state = State {
        hash: Sha256::new(),
        entries_left: limits.entries_max,
        depth_max: limits.depth_max,
    };
    let texts = plan
        .files
        .iter()
        .map(|file| &file.source)
        .chain(plan.certificates.iter().map(|certificate| &certificate.pem));
    for text in texts {
        if let Text::Disk(path) = text {
            // A file that the user names is followed when it is a link; in a tree, links are links.
            state.file(path, &fs::metadata(path).ok()?).ok()?;
        }
    }
    for tree in &plan.trees {
        state.entry(&tree.source, 0).ok()?;
    }
    Some(state.hash.finalize().into())
}

struct State {
    hash: Sha256,
    entries_left: u64,
    depth_max: u64,
}

impl State {
    fn entry(&mut self, path: &Path, depth: u64) -> io::Result<()> {
        self.entries_left = self
            .entries_left
            .checked_sub(1)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        let metadata = if depth == 0 {
            fs::metadata(path)?
        } else {
            fs::symlink_metadata(path)?
        };
        if metadata.is_symlink() {
            self.part(b'l', fs::read_link(path)?.as_os_str().as_bytes());
        } else if metadata.is_dir() && depth <= self.depth_max {
            self.part(b'd', b"");
            let mut names: Vec<PathBuf> = fs::read_dir(path)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()?;
            names.sort();
            for name in names {
                self.part(b'n', name.file_name().unwrap_or_default().as_bytes());
                self.entry(&name, depth + 1)?;
            }
            self.part(b'e', b"");
        } else {
            self.file(path, &metadata)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, metadata: &fs::Metadata) -> io::Result<()> {
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut content = Sha256::new();
        io::copy(&mut File::open(path)?, &mut content)?;
        // Only whether its owner may execute it comes into an image.
        self.part(
            if metadata.permissions().mode() & 0o100 == 0 {
                b'f'
            } else {
                b'x'
            },
            &content.finalize(),
        );
        Ok(())
    }

    fn part(&mut self, kind: u8, bytes: &[u8]) {
        self.hash.update([kind]);
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }
}
