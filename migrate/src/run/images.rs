//! Images: blobs, then children, then the manifest, then its tags.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use futures_util::future::join_all;
use oci::Digest;

use super::{Engine, Job, Moved, Pair};
use crate::failure::PlaceError;
use crate::inventory::BlobEntry;

/// How often a tag may be moved while it is copied.
const MOVES_MAX: u32 = 3;

impl Engine<'_> {
    /// Copies one image and sets its tags.
    pub(super) async fn image(&self, job: &Job) -> Result<(), PlaceError> {
        let Some(pair) = self.pairs.get(job.pair) else {
            return Ok(());
        };
        if job.tags.is_empty() {
            return self.content(job.pair, pair, &job.digest, &[]).await;
        }
        self.below(job.pair, pair, &job.digest).await?;
        // What the tags name now is what counts, and may have changed since they were listed.
        let now = join_all(job.tags.iter().map(|tag| async move {
            let pace = &self.sides.from_pace;
            pace.call(|| pair.origin.digest_of(tag)).await
        }));
        let mut by_digest: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for (tag, now) in job.tags.iter().zip(now.await) {
            let now = now?;
            if now != Some(job.digest) {
                self.note_moved(pair, tag, job.digest, now);
            }
            if let Some(digest) = now {
                by_digest.entry(digest).or_default().push(tag.clone());
            }
        }
        for (digest, tags) in by_digest {
            if digest == job.digest {
                self.content(job.pair, pair, &digest, &tags).await?;
            } else {
                for tag in tags {
                    self.settle(job.pair, pair, (&tag, digest)).await?;
                }
            }
        }
        Ok(())
    }

    /// Copies what a tag names that was moved, until it stays where it is.
    async fn settle(
        &self,
        number: usize,
        pair: &Pair,
        (tag, first): (&String, Digest),
    ) -> Result<(), PlaceError> {
        let mut digest = first;
        for _ in 0..MOVES_MAX {
            self.below(number, pair, &digest).await?;
            let now = self.sides.from_pace.call(|| pair.origin.digest_of(tag)).await?;
            match now {
                Some(now) if now == digest => {
                    return self
                        .content(number, pair, &digest, std::slice::from_ref(tag))
                        .await;
                }
                now => {
                    self.note_moved(pair, tag, digest, now);
                    let Some(now) = now else { return Ok(()) };
                    digest = now;
                }
            }
        }
        Err(PlaceError::KeepsMoving {
            tag: tag.clone(),
            times: MOVES_MAX + 1,
        })
    }

    /// Puts everything below a manifest, and then itself with its tags. When the destination has lost what the journal
    /// says that it has, everything is looked for again, once.
    async fn content(
        &self,
        number: usize,
        pair: &Pair,
        root: &Digest,
        tags: &[String],
    ) -> Result<(), PlaceError> {
        match self.try_content(number, pair, root, tags).await {
            Err(error) if self.journal.was_begun() && matches!(error.status(), Some(400 | 404)) => {
                self.journal.lost(&pair.to)?;
                self.try_content(number, pair, root, tags).await
            }
            done => done,
        }
    }

    async fn try_content(
        &self,
        number: usize,
        pair: &Pair,
        root: &Digest,
        tags: &[String],
    ) -> Result<(), PlaceError> {
        self.below(number, pair, root).await?;
        if !tags.is_empty() || !self.journal.has_manifest(&pair.to, root) {
            self.put(pair, root, tags).await?;
        }
        Ok(())
    }

    /// Puts everything below a manifest: the blobs of all, then children before parents.
    async fn below(&self, number: usize, pair: &Pair, root: &Digest) -> Result<(), PlaceError> {
        let mut manifests = self.closures.below(&*pair.origin, root).await?;
        manifests.retain(|digest| !self.journal.has_manifest(&pair.to, digest));
        let mut blobs: BTreeMap<Digest, BlobEntry> = BTreeMap::new();
        for digest in &manifests {
            let entry = self.closures.entry(&*pair.origin, digest).await?;
            blobs.extend(entry.blobs.iter().map(|blob| (blob.digest, *blob)));
        }
        let placed = join_all(blobs.values().map(|blob| self.place(number, pair, blob))).await;
        let failed = placed.into_iter().find_map(Result::err);
        // What is placed is in the journal: the next try goes on from there.
        if let Some(error) = failed {
            return Err(error);
        }
        for digest in manifests.iter().filter(|digest| *digest != root) {
            self.put(pair, digest, &[]).await?;
        }
        Ok(())
    }

    async fn put(&self, pair: &Pair, digest: &Digest, tags: &[String]) -> Result<(), PlaceError> {
        let manifest = self.closures.manifest(&*pair.origin, digest).await?;
        let put = self
            .sides
            .to_pace
            .call(|| pair.target.put_manifest(&manifest, tags));
        match put.await {
            Ok(()) => {}
            // A registry that replaces the source keeps what was pushed to it or deleted there.
            Err(error) if error.is_kept_there() => {
                self.note(|counts| counts.kept += 1);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if self.sides.target.is_durable_at_once() {
            self.journal.manifest_done(&pair.to, digest)?;
            for tag in tags {
                self.journal.tag_done(&pair.to, tag, digest)?;
            }
        }
        self.note(|counts| {
            counts.manifests += 1;
            counts.tags += tags.len();
        });
        Ok(())
    }

    fn note_moved(&self, pair: &Pair, tag: &str, before: Digest, now: Option<Digest>) {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.push(Moved {
            repository: pair.name.clone(),
            tag: tag.to_owned(),
            before,
            now,
        });
    }
}
