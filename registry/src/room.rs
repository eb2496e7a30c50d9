//! Whether there is room for what is pushed: pulls go on without, so it is told beside that the registry is ready.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use store::{StoreError, UploadKey};

use crate::answer::{self, Answer, TEXT};
use crate::refusal::Refusal;
use crate::registry::Registry;

/// How long what was found is believed, in milliseconds: who asks may be anybody.
const BELIEVED_MILLISECONDS: i64 = 5000;
/// What is written to find out. Less may fit where nothing of use does.
const TRIED_BYTES: usize = 64 << 10;
/// How long whoever asks waits for that.
const TRIED_TIME: Duration = Duration::from_secs(2);

/// What becomes of pushes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Pushes {
    /// They are taken.
    #[default]
    Taken,
    /// They are refused: there is no room.
    NoRoom,
    /// They fail.
    Failing,
}

/// What was found last.
#[derive(Debug, Default)]
pub(crate) struct Room(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    writes: Pushes,
    /// When it was last tried, in milliseconds; none before the first time.
    at: Option<i64>,
    /// Whether it is being tried.
    is_tried: bool,
}

impl Room {
    /// A write was refused, whatever was found before.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        if matches!(refusal, Refusal::Full) {
            self.found().writes = Pushes::NoRoom;
        }
    }

    /// Whether it is time to try again, for the one who asks first.
    fn begins(&self, now: i64) -> bool {
        let mut found = self.found();
        let is_fresh = |at: i64| (0..BELIEVED_MILLISECONDS).contains(&now.saturating_sub(at));
        if found.is_tried || found.at.is_some_and(is_fresh) {
            return false;
        }
        found.at = Some(now);
        found.is_tried = true;
        true
    }

    fn ends(&self, writes: Pushes) {
        let mut found = self.found();
        found.writes = writes;
        found.is_tried = false;
    }

    /// A try takes too long. Its end says more.
    fn hangs(&self) {
        let mut found = self.found();
        if found.is_tried {
            found.writes = Pushes::Failing;
        }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /readyz`: whether pulls are served, and what becomes of pushes where they are not taken.
pub(crate) async fn ready(registry: &Registry) -> Result<Answer, Refusal> {
    let options = registry.options();
    let default = options.routes.default_repository();
    registry.metadata().repository(default).await?;
    let body = match registry.writes().await {
        Pushes::Taken => "ready\n",
        Pushes::NoRoom => "ready\nwrites: refused (no space)\n",
        Pushes::Failing => "ready\nwrites: failing (the log says why)\n",
    };
    Ok(answer::bytes(
        StatusCode::OK,
        TEXT,
        Bytes::from_static(body.as_bytes()),
    ))
}

impl Registry {
    /// What becomes of writes now, or became a moment ago.
    pub(crate) async fn writes(&self) -> Pushes {
        if self.room().begins(self.now().as_millisecond()) {
            let registry = self.clone();
            // On a disk that hangs it goes on, alone, and takes away what it wrote.
            let trying = tokio::spawn(async move {
                let tried = registry.try_to_write().await;
                let writes = match &tried {
                    Ok(()) => Pushes::Taken,
                    Err(StoreError::Full { .. }) => Pushes::NoRoom,
                    Err(error) => {
                        registry.trouble("readyz", error);
                        Pushes::Failing
                    }
                };
                registry.room().ends(writes);
            });
            match tokio::time::timeout(TRIED_TIME, trying).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => self.room().ends(Pushes::Failing),
                Err(_) => self.room().hangs(),
            }
        }
        self.room().found().writes
    }

    /// Pushes an upload as clients do, and takes it away again.
    async fn try_to_write(&self) -> Result<(), StoreError> {
        let session = UploadKey::session(self.entropy());
        let upload = UploadKey::of(&session, TRIED_NAME)?;
        self.blobs().begin(&upload).await?;
        let written = self.write_a_little(&upload).await;
        let removed = self.blobs().abort(&upload).await;
        written.and(removed.map(drop))
    }

    async fn write_a_little(&self, upload: &UploadKey) -> Result<(), StoreError> {
        let mut append = self.blobs().append(upload, 0).await?;
        // Not zeros, of which a file system may make a hole.
        append.write(Bytes::from(vec![1; TRIED_BYTES])).await?;
        append.finish().await.map(drop)
    }
}

/// No package has this name, so that nobody goes on with such an upload.
const TRIED_NAME: &str = "lightship room";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_believed_for_a_while_and_one_looks_again() {
        let room = Room::default();
        assert!(room.begins(10_000));
        assert!(!room.begins(20_000), "it is being tried");
        room.ends(Pushes::Taken);
        room.hangs();
        assert_eq!(room.found().writes, Pushes::Taken, "it had ended");
        assert!(room.begins(20_000));
        room.hangs();
        assert_eq!(room.found().writes, Pushes::Failing);
        room.ends(Pushes::Taken);
        assert_eq!(room.found().writes, Pushes::Taken);
        assert!(!room.begins(24_999));
        room.refused(&Refusal::Busy);
        assert_eq!(room.found().writes, Pushes::Taken);
        room.refused(&Refusal::Full);
        assert_eq!(room.found().writes, Pushes::NoRoom);
        assert!(room.begins(25_000));
        room.ends(Pushes::Taken);
        // A clock that was set back makes nothing be believed for longer.
        assert!(room.begins(1000));
    }
}
