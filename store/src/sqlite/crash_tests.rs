//! The database after a loss of power at any moment.
//!
//! A disk under SQLite needs a VFS, and that needs `unsafe`, which this workspace does not have. What such a disk would
//! leave is made from copies instead: of the log everything that was synced when a call was answered, and of what came
//! after it any part, torn; of the file any mixture of old and new pages since the log was begun. That a commit syncs
//! the log is SQLite's promise under `synchronous=FULL`, which is looked at.

use std::fs;
use std::path::Path;

use oci::Digest;

use super::*;
use crate::conformance::{Dice, ann, at, blob, manifest, package, repository, tag};
use crate::{Content, Events, Inspection, Reference, Repositories, Walk};

const SESSIONS: u64 = 10;
const PUSHES: usize = 100;
const PAGE_BYTES: usize = 4096;
const LOG_HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 24 + PAGE_BYTES;

/// Frames after which the log is written back, so that it begins anew many times.
const CHECKPOINT_FRAMES: i64 = 40;

/// The two files at one moment.
#[derive(Clone, Default)]
struct Image {
    file: Vec<u8>,
    log: Vec<u8>,
}

impl Image {
    fn of(directory: &Path) -> Image {
        Image {
            file: fs::read(directory.join("metadata.sqlite")).unwrap(),
            log: fs::read(directory.join("metadata.sqlite-wal")).unwrap(),
        }
    }

    /// Changes whenever the log begins anew.
    fn salt(&self) -> &[u8] {
        self.log.get(16..24).unwrap_or_default()
    }

    /// Where the log ends: what an earlier one left behind it does not count.
    fn log_end(&self) -> usize {
        let frames = self
            .log
            .get(LOG_HEADER_BYTES..)
            .unwrap_or_default()
            .chunks(FRAME_BYTES);
        let own = frames.take_while(|frame| frame.get(8..16) == Some(self.salt()));
        self.log.len().min(LOG_HEADER_BYTES + FRAME_BYTES * own.count())
    }

    /// What may be left when the power goes on the way from `self`, which was answered, to `later`. `begun` is how the
    /// file was when the log of `self` was begun.
    fn left_over(&self, later: &Image, begun: &Image, dice: &mut Dice) -> Image {
        let (synced, file) = if self.salt() != later.salt() {
            // The log was begun anew, and before that the file was synced.
            (0, later.file.clone())
        } else if dice.below(2) == 0 {
            (self.log_end(), mixed(&begun.file, &self.file, dice))
        } else {
            // Only what is synced in the log is written back to the file.
            (later.log_end(), mixed(&begun.file, &later.file, dice))
        };
        let written = later.log_end();
        let kept = synced + dice.below(written - synced + 1);
        let mut log = later.log.clone();
        // The rest is what was there before, or nothing, in blocks of any size.
        let mut at = kept;
        while at < log.len() {
            let end = log.len().min(at + 1 + dice.below(3000));
            match dice.below(3) {
                0 => log[at..end].fill(0),
                1 => {}
                _ => {
                    let was = self.log.get(at..end.min(self.log.len())).unwrap_or_default();
                    log[at..at + was.len()].copy_from_slice(was);
                }
            }
            at = end;
        }
        Image { file, log }
    }
}

/// Of each page the old or the new, or the beginning of the new and the end of the old.
fn mixed(old: &[u8], new: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut mixed = new.to_vec();
    for (number, page) in mixed.chunks_mut(PAGE_BYTES).enumerate() {
        let Some(was) = old.get(number * PAGE_BYTES..number * PAGE_BYTES + page.len()) else {
            continue;
        };
        let from = match dice.below(3) {
            0 => page.len(),
            1 => 0,
            _ => dice.below(page.len()),
        };
        page[from..].copy_from_slice(&was[from..]);
    }
    mixed
}

fn name(number: usize) -> String {
    format!("image {number}")
}

/// A blob, and a manifest with a tag: two commits.
async fn push(store: &SqliteMetadata, number: usize) {
    let (a, layer) = (package("a"), blob(name(number).as_bytes(), 1));
    store.commit_blob(&a, &layer, ann()).await.unwrap();
    let image = manifest(&name(number), &[(layer.digest, Reference::Blob)], &["latest"]);
    store
        .put_manifest(&a, &image, ann(), at(20))
        .await
        .unwrap()
        .unwrap();
}

/// All that was answered is there, and of the rest all or nothing.
async fn check(store: &SqliteMetadata, answered: usize) {
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
    let (a, latest) = (package("a"), tag("latest"));
    let walk = Walk {
        from: None,
        limit: PUSHES + 1,
    };
    let states = store.all_manifests(walk).await.unwrap().items;
    assert!(states.iter().all(|state| state.unlinked.is_empty()));
    let stored: Vec<Digest> = states.iter().map(|state| state.digest).collect();
    let digests = (0..stored.len()).map(|number| manifest(&name(number), &[], &[]).digest);
    let pushed: Vec<Digest> = digests.collect();
    assert_eq!(stored, pushed);
    assert!(
        stored.len() >= answered,
        "{} of {answered} are left",
        stored.len()
    );
    let history = store.tag_history(&a, &latest, PUSHES + 1).await.unwrap();
    assert_eq!(history.len(), stored.len());
    let tagged = store.tagged(&a, &latest).await.unwrap();
    assert_eq!(tagged.map(|found| found.digest), stored.last().copied());
}

#[tokio::test]
async fn what_was_answered_is_in_the_database_after_a_loss_of_power() {
    let place = tempfile::tempdir().unwrap();
    for seed in 0..SESSIONS {
        let mut dice = Dice::new(seed);
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteMetadata::open(&directory.path().join("metadata.sqlite")).unwrap();
        let set_up = |connection: &Connection| {
            connection
                .pragma_update(None, "wal_autocheckpoint", CHECKPOINT_FRAMES)
                .map_err(failed("set up"))
        };
        store.write(set_up).await.unwrap();
        store
            .create_repository(&repository("r"), ann())
            .await
            .unwrap()
            .unwrap();
        let mut answered = Image::of(directory.path());
        let mut begun = answered.clone();
        for number in 0..PUSHES {
            push(&store, number).await;
            let now = Image::of(directory.path());
            let left = answered.left_over(&now, &begun, &mut dice);
            let path = place.path().join("metadata.sqlite");
            fs::write(&path, &left.file).unwrap();
            fs::write(place.path().join("metadata.sqlite-wal"), &left.log).unwrap();
            let _ = fs::remove_file(place.path().join("metadata.sqlite-shm"));
            check(&SqliteMetadata::open(&path).unwrap(), number).await;
            if now.salt() != answered.salt() {
                begun = now.clone();
            }
            answered = now;
        }
    }
}

#[tokio::test]
async fn a_commit_syncs_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteMetadata::open(&directory.path().join("metadata.sqlite")).unwrap();
    let (mode, synchronous, keys): (String, i64, i64) = store
        .write(|connection| {
            let text = |name| connection.pragma_query_value(None, name, |row| row.get(0));
            let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
            Ok((
                text("journal_mode").map_err(failed("ask"))?,
                number("synchronous").map_err(failed("ask"))?,
                number("foreign_keys").map_err(failed("ask"))?,
            ))
        })
        .await
        .unwrap();
    assert_eq!((mode.as_str(), synchronous, keys), ("wal", 2, 1));
}

#[tokio::test]
async fn a_full_database_refuses_pushes_as_full_and_goes_on_serving() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteMetadata::open(&directory.path().join("metadata.sqlite")).unwrap();
    store
        .create_repository(&repository("r"), ann())
        .await
        .unwrap()
        .unwrap();
    push(&store, 0).await;
    let pages = |count: i64| {
        move |connection: &Connection| {
            connection
                .pragma_update(None, "max_page_count", count)
                .map_err(failed("set up"))
        }
    };
    store.write(pages(1)).await.unwrap();
    let big = manifest(&"x".repeat(1 << 20), &[], &[]);
    let put = store.put_manifest(&package("a"), &big, ann(), at(20)).await;
    assert!(matches!(put, Err(StoreError::Full { .. })), "{put:?}");
    check(&store, 1).await;
    store.write(pages(1 << 20)).await.unwrap();
    push(&store, 1).await;
    check(&store, 2).await;
}
