//! Removing what policies remove, freeing what nobody needs, scrubs and backups, while the registry serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use store::{
    Advance, BackupError, CleanupOptions, CleanupReport, CollectionOptions, CollectionReport, MadeBackup,
    Others, ScrubOptions, ScrubReport, StoreError, Watch,
};

use crate::Registry;

impl Others for Registry {
    fn requests(&self) -> u64 {
        self.metrics().answered_so_far()
    }

    fn forget_manifests(&self) {
        self.manifest_cache().forget_all();
    }
}

impl Registry {
    /// Frees what nobody needs. Pushes and pulls go on meanwhile, and it goes slower while there are requests; see
    /// [`store::collect_beside`].
    ///
    /// # Errors
    /// When the metadata cannot be read or written, or objects cannot be listed.
    pub async fn collect(&self, options: &CollectionOptions) -> Result<CollectionReport, StoreError> {
        let begun = Instant::now();
        let result = store::collect_beside(self.blobs(), self.metadata(), options, self.now(), self).await;
        if !options.dry_run {
            // Also what failed half-way has removed manifests, which are to be had from memory no longer.
            self.manifest_cache().forget_all();
            let report = result.as_ref().ok();
            self.metrics()
                .collected(report, begun.elapsed(), self.now().as_second());
        }
        result
    }

    /// Removes what the cleanup policies of repositories remove. Pushes and pulls go on meanwhile; see
    /// [`store::cleanup`].
    ///
    /// # Errors
    /// When the metadata cannot be read or written.
    pub async fn clean_up(&self, options: &CleanupOptions) -> Result<CleanupReport, StoreError> {
        let begun = Instant::now();
        let result = store::cleanup(self.metadata(), options, self.now()).await;
        if !options.dry_run {
            // As above, also what failed half-way.
            self.manifest_cache().forget_all();
            let removed = result.as_ref().ok().map(|report| report.removed);
            self.metrics()
                .cleaned(removed, begun.elapsed(), self.now().as_second());
        }
        result
    }

    /// Hashes everything again. Pushes and pulls go on meanwhile; see [`store::scrub`].
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub async fn scrub(&self, options: ScrubOptions) -> Result<ScrubReport, StoreError> {
        let begun = Instant::now();
        let (registry, told) = (self.clone(), AtomicU64::new(0));
        let watch: Watch = Arc::new(move |advance: Advance| {
            let before = told.swap(advance.done.bytes, Ordering::Relaxed);
            let more = advance.done.bytes.saturating_sub(before);
            registry.metrics().scrubbing(more);
            if let Some(watch) = &options.watch {
                watch(advance);
            }
        });
        let options = ScrubOptions {
            bytes_per_second: options.bytes_per_second,
            watch: Some(watch),
        };
        let result = store::scrub(self.blobs(), self.metadata(), &options).await;
        self.metrics()
            .scrubbed(result.as_ref().ok(), begun.elapsed(), self.now().as_second());
        result
    }

    /// Makes a backup where whoever runs the registry keeps them. Pushes and pulls go on meanwhile; see
    /// [`store::Backups`].
    ///
    /// # Errors
    /// When there is no such place, no room in it, or it cannot be written; nothing is left there then.
    pub async fn back_up(&self, watch: Watch) -> Result<MadeBackup, BackupError> {
        let Some(backups) = self.backups() else {
            return Err(BackupError::NoDirectory);
        };
        let begun = Instant::now();
        let result = backups.make_backup(watch, self.now()).await;
        self.metrics()
            .backed_up(result.as_ref().ok(), begun.elapsed(), self.now().as_second());
        result
    }
}
