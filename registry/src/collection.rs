//! Removing what policies remove, and freeing what nobody needs, while the registry serves.

use std::time::Instant;

use store::{CleanupOptions, CleanupReport, CollectionOptions, CollectionReport, StoreError};

use crate::Registry;

impl Registry {
    /// Frees what nobody needs. Pushes and pulls go on meanwhile, and it goes slower while there are requests; see
    /// [`store::collect_beside`].
    ///
    /// # Errors
    /// When the metadata cannot be read or written, or objects cannot be listed.
    pub async fn collect(&self, options: &CollectionOptions) -> Result<CollectionReport, StoreError> {
        let begun = Instant::now();
        let requests = || self.metrics().answered_so_far();
        let result =
            store::collect_beside(self.blobs(), self.metadata(), options, self.now(), &requests).await;
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
        let result = store::cleanup(self.metadata(), options, self.now()).await;
        if !options.dry_run {
            // As above, also what failed half-way.
            self.manifest_cache().forget_all();
        }
        result
    }
}
