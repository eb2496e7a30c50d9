//! Lists of another registry.

use std::sync::Arc;

use client::registry::RepositoryApi;
use oci::{Descriptor, Digest, Tag};
use store::{PackagePath, Upstream};

use super::Trouble;
use super::asking::Patience;
use crate::registry::Registry;

impl Registry {
    /// All tags of a package at the upstream, in bytewise order; nothing when it does not have the package.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(crate) async fn upstream_tags(
        &self,
        upstream: &Upstream,
        package: &PackagePath,
    ) -> Result<Option<Arc<Vec<Tag>>>, Trouble> {
        let (registry, upstream) = (self.clone(), upstream.clone());
        let name = Registry::upstream_name(&upstream, &package.name)?;
        let listed = self.upstreams().lists.run(package.clone(), |publish| async move {
            let question = |repository: RepositoryApi| async move { repository.listing().await };
            let asked = registry
                .ask_upstream_for(Patience::Listing, (&upstream, &name), question)
                .await;
            publish.publish(asked.map(|listing| {
                listing.map(|listing| {
                    // What is no tag to us cannot be asked for here.
                    let mut tags: Vec<Tag> =
                        listing.tags.iter().filter_map(|name| name.parse().ok()).collect();
                    tags.sort_unstable();
                    tags.dedup();
                    Arc::new(tags)
                })
            }));
        });
        listed.await.unwrap_or(Err(Trouble::TooMany))
    }

    /// Whether the upstream has a package.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub(crate) async fn has_upstream_package(
        &self,
        upstream: &Upstream,
        package: &PackagePath,
    ) -> Result<bool, Trouble> {
        let name = Registry::upstream_name(upstream, &package.name)?;
        let question = |repository: RepositoryApi| async move { repository.is_there().await };
        self.ask_upstream(upstream, &name, question).await
    }

    /// What refers to a manifest at the upstream.
    ///
    /// # Errors
    /// When that cannot be listed.
    pub(crate) async fn upstream_referrers(
        &self,
        upstream: &Upstream,
        package: &PackagePath,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, Trouble> {
        let (name, subject) = (Registry::upstream_name(upstream, &package.name)?, *subject);
        let question =
            |repository: RepositoryApi| async move { repository.referrers_or_fallback(&subject).await };
        self.ask_upstream_for(Patience::Listing, (upstream, &name), question)
            .await
    }
}
