//! One blob on its way: fetched once, kept while it grows, read by everybody who wants it.
//!
//! Bytes go from the upstream into an upload, and clients read that. So a slow client holds up nobody, a fast one waits for
//! the upstream, one who comes late begins at the beginning, and one who goes away ends nothing
//! whose end is in sight. The last piece is held back
//! until the digest is right: nobody gets all of a wrong blob.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use oci::{Digest, RepositoryName};
use store::PackagePath;
use tokio::sync::watch;

use super::Trouble;

/// What is held back until the digest is right, in bytes: enough for every client to notice that it is missing.
const HELD_BACK_BYTES: u64 = 64 << 10;

/// A blob on its way.
pub(crate) struct Flight {
    pub(super) digest: Digest,
    /// The name at the upstream that it is asked for under.
    opened_as: RepositoryName,
    /// Names at the upstream under which it is known to be there.
    names: Mutex<BTreeSet<RepositoryName>>,
    /// Packages that are to link it; none any more once they are being linked.
    wanted_by: Mutex<Option<BTreeSet<PackagePath>>>,
    /// Where it grows, if that is a file.
    file: OnceLock<Arc<File>>,
    progress: watch::Sender<Progress>,
}

/// How far it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Whether its first byte may come now.
    pub(super) has_begun: bool,
    /// How long it is, where the upstream says so.
    pub(super) size: Option<u64>,
    /// Bytes that can be read, but for what is held back.
    pub(super) written: u64,
    pub(super) end: Option<End>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// All of it came and is right.
    Right,
    /// The packages link it.
    Linked,
    /// All of it came and is right, and it could not be kept.
    Unkept,
    /// The upstream does not have it.
    Absent,
    /// Nobody waited for it any more.
    Abandoned,
    Failed(Trouble),
}

impl Progress {
    /// How many bytes may be read now.
    fn readable(&self) -> u64 {
        match (&self.end, self.size) {
            (Some(End::Right | End::Linked | End::Unkept), _) => self.written,
            (_, Some(size)) => self.written.min(size.saturating_sub(HELD_BACK_BYTES)),
            (_, None) => self.written.saturating_sub(HELD_BACK_BYTES),
        }
    }

    /// Whether nothing more becomes of it.
    pub(super) fn is_over(&self) -> bool {
        !matches!(self.end, None | Some(End::Right))
    }

    fn is_whole(&self) -> bool {
        matches!(self.end, Some(End::Right | End::Linked | End::Unkept))
    }
}

impl Flight {
    pub(super) fn new(digest: Digest, name: RepositoryName, package: PackagePath) -> Flight {
        Flight {
            digest,
            opened_as: name.clone(),
            names: Mutex::new([name].into()),
            wanted_by: Mutex::new(Some([package].into())),
            file: OnceLock::new(),
            progress: watch::Sender::default(),
        }
    }

    /// Whether it is asked for under this name: what the upstream says of it says nothing of others.
    pub(super) fn is_opened_as(&self, name: &RepositoryName) -> bool {
        self.opened_as == *name
    }

    /// Whether it is known to be at the upstream under this name.
    pub(super) fn is_known_as(&self, name: &RepositoryName) -> bool {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.contains(name)
    }

    pub(super) fn note_name(&self, name: RepositoryName) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name);
    }

    /// Has one more package link it in the end; false when it is too late for that.
    pub(super) fn link_to(&self, package: &PackagePath) -> bool {
        let mut wanted_by = self.wanted_by.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *wanted_by {
            Some(wanted_by) => {
                wanted_by.insert(package.clone());
                true
            }
            None => false,
        }
    }

    /// Those who are to link it, once.
    pub(super) fn wanted_by(&self) -> BTreeSet<PackagePath> {
        let mut wanted_by = self.wanted_by.lock().unwrap_or_else(PoisonError::into_inner);
        wanted_by.take().unwrap_or_default()
    }

    pub(super) fn grows_in(&self, file: File) {
        let _ = self.file.set(Arc::new(file));
    }

    pub(super) fn told(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Whether nobody follows it.
    pub(super) fn is_unwanted(&self) -> bool {
        self.progress.receiver_count() == 0
    }

    /// Where it is read while it grows; nothing where the store gives no file of it.
    pub(super) fn growth(&self) -> Option<Growth> {
        Some(Growth {
            file: Arc::clone(self.file.get()?),
            progress: self.progress(),
        })
    }
}

/// A blob that is read while it grows.
pub(crate) struct Growth {
    file: Arc<File>,
    progress: watch::Receiver<Progress>,
}

/// How much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grown {
    /// Up to where it can be read.
    pub(crate) readable: u64,
    /// Whether that is all.
    pub(crate) is_whole: bool,
}

impl Growth {
    /// The file that it grows in.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Waits until there is more than `have` bytes, or all; fails when there will not be.
    pub(crate) async fn beyond(mut self, have: u64) -> (Growth, io::Result<Grown>) {
        let is_enough = |progress: &Progress| progress.readable() > have || progress.end.is_some();
        let grown = match self.progress.wait_for(is_enough).await {
            Ok(progress) if progress.readable() > have || progress.is_whole() => Ok(Grown {
                readable: progress.readable(),
                is_whole: progress.is_whole(),
            }),
            Ok(progress) => Err(match &progress.end {
                Some(End::Failed(trouble)) => io::Error::other(trouble.clone()),
                _ => io::ErrorKind::UnexpectedEof.into(),
            }),
            Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        (self, grown)
    }

    /// What became of it in the end.
    pub(crate) async fn landed(mut self) -> End {
        let over = self.progress.wait_for(Progress::is_over).await;
        let end = over.ok().and_then(|progress| progress.end.clone());
        end.unwrap_or(End::Failed(Trouble::Store))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_is_held_back_until_all_is_right() {
        let mut progress = Progress {
            size: Some(HELD_BACK_BYTES + 10),
            ..Progress::default()
        };
        for (written, readable) in [(5, 5), (10, 10), (11, 10), (HELD_BACK_BYTES + 10, 10)] {
            progress.written = written;
            assert_eq!(progress.readable(), readable, "{written}");
        }
        progress.end = Some(End::Failed(Trouble::TooMany));
        assert_eq!(progress.readable(), 10);
        progress.end = Some(End::Right);
        assert_eq!(progress.readable(), HELD_BACK_BYTES + 10);
        let small = Progress {
            size: Some(9),
            written: 9,
            ..Progress::default()
        };
        assert_eq!(small.readable(), 0);
        // Of unknown length it may end anywhere.
        let open = Progress {
            written: HELD_BACK_BYTES + 3,
            ..Progress::default()
        };
        assert_eq!(open.readable(), 3);
    }
}
