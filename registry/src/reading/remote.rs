//! Remote repositories: what is here is served while it is known to be right, or when nobody can be asked.

use std::sync::Arc;

use oci::{Digest, Tag};
use store::{Blob, PackagePath, Remote, StoredManifest, TagMove};

use super::Found;
use super::memory::Said;
use crate::manifests;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::routes::Reference;
use crate::upstream::{Fetch, Growth, Incoming, Trouble};

/// A blob that a package of a remote repository does not link yet.
pub(crate) enum Pulled {
    /// It links it now.
    Here(Blob),
    /// It comes, and can be read while it does.
    Coming { growth: Growth, size: Option<u64> },
}

impl Registry {
    pub(super) async fn remote_manifest(
        &self,
        remote: &Remote,
        package: &PackagePath,
        reference: &Reference,
    ) -> Result<Option<Found>, Refusal> {
        let known = manifests::find(self, package, reference).await?;
        match reference {
            Reference::Tag(tag) => self.remote_tag(remote, package, (tag, known)).await,
            // What has a digest does not change.
            Reference::Digest(_) if known.is_some() => Ok(found(package, known)),
            Reference::Digest(digest) => {
                let said = digest.to_string();
                let memory = self.memory();
                if memory.said(package, &said, (remote.fresh, self.now())) == Said::Absent {
                    return Ok(None);
                }
                let fetched = self.fetch_manifest(&remote.upstream, package, (reference, None));
                let fetched = fetched.await?;
                if fetched.is_none() {
                    memory.is_absent(package, &said, self.now());
                }
                Ok(found(package, fetched))
            }
        }
    }

    /// A tag. One that is not here is fetched; of one that is here it is asked whether it has moved, when that was not
    /// asked lately.
    async fn remote_tag(
        &self,
        remote: &Remote,
        package: &PackagePath,
        (tag, known): (&Tag, Option<Arc<StoredManifest>>),
    ) -> Result<Option<Found>, Refusal> {
        let said = self
            .memory()
            .said(package, tag.as_str(), (remote.fresh, self.now()));
        let Some(known) = known else {
            if said == Said::Absent {
                return Ok(None);
            }
            let reference = Reference::Tag(tag.clone());
            let fetched = self.fetch_manifest(&remote.upstream, package, (&reference, Some(tag)));
            let fetched = fetched.await?;
            self.note_tag(package, tag, fetched.is_some());
            return Ok(found(package, fetched));
        };
        if said == Said::There {
            return Ok(found(package, Some(known)));
        }
        let now = match self.resolve_upstream(&remote.upstream, package, tag).await {
            Ok(Some(digest)) if digest == known.digest => Ok(Some(Arc::clone(&known))),
            Ok(Some(digest)) => self.follow_tag(remote, package, (tag, digest)).await?,
            Ok(None) => Ok(None),
            Err(trouble) => Err(trouble),
        };
        match now {
            Ok(Some(manifest)) => {
                self.note_tag(package, tag, true);
                Ok(found(package, Some(manifest)))
            }
            Ok(None) => {
                self.drop_tag(remote, package, tag).await?;
                self.note_tag(package, tag, false);
                Ok(None)
            }
            Err(trouble) => Ok(Some(Found {
                manifest: known,
                package: package.clone(),
                warning: Some(stale(&trouble)),
            })),
        }
    }

    /// Moves a tag to where it is at the upstream.
    async fn follow_tag(
        &self,
        remote: &Remote,
        package: &PackagePath,
        (tag, digest): (&Tag, Digest),
    ) -> Result<Result<Option<Arc<StoredManifest>>, Trouble>, Refusal> {
        let reference = Reference::Digest(digest);
        let Some(here) = manifests::find(self, package, &reference).await? else {
            let fetched = self.fetch_manifest(&remote.upstream, package, (&reference, Some(tag)));
            return Ok(fetched.await);
        };
        let (target, actor, now) = (
            package.clone(),
            Registry::upstream_actor(&remote.upstream),
            self.now(),
        );
        let tag_move = TagMove {
            tag: tag.clone(),
            to: digest,
        };
        let moved = self.change(package, async move |metadata| {
            metadata.move_tag(&target, &tag_move, &actor, now).await
        });
        // Gone meanwhile: it is asked for again the next time.
        drop(moved.await?);
        Ok(Ok(Some(here)))
    }

    /// Removes a tag that the upstream does not have any more: it must not come back when the upstream is down.
    async fn drop_tag(&self, remote: &Remote, package: &PackagePath, tag: &Tag) -> Result<(), Refusal> {
        let (target, tag) = (package.clone(), tag.clone());
        let (actor, now) = (Registry::upstream_actor(&remote.upstream), self.now());
        let deleted = self.change(package, async move |metadata| {
            metadata.delete_tag(&target, &tag, &actor, now).await
        });
        drop(deleted.await?);
        Ok(())
    }

    fn note_tag(&self, package: &PackagePath, tag: &Tag, is_there: bool) {
        match is_there {
            true => self.memory().is_there(package, tag.as_str(), self.now()),
            false => self.memory().is_absent(package, tag.as_str(), self.now()),
        }
    }

    /// A blob that the package does not link.
    pub(crate) async fn remote_blob(
        &self,
        remote: &Remote,
        package: &PackagePath,
        digest: &Digest,
    ) -> Result<Option<Pulled>, Refusal> {
        let (said, memory) = (said_of_blob(digest), self.memory());
        if memory.said(package, &said, (remote.fresh, self.now())) == Said::Absent {
            return Ok(None);
        }
        let fetch = Fetch {
            upstream: &remote.upstream,
            bytes_per_second_max: remote.bytes_per_second_max,
        };
        match self.fetch_blob(fetch, package, digest).await? {
            Some(Incoming::Coming { growth, size }) => Ok(Some(Pulled::Coming { growth, size })),
            Some(Incoming::Here) => Ok(self.metadata().blob(package, digest).await?.map(Pulled::Here)),
            None => {
                memory.is_absent(package, &said, self.now());
                Ok(None)
            }
        }
    }

    /// Whether a blob that the package does not link is there, and its size where that is told. It is not fetched.
    pub(crate) async fn remote_blob_size(
        &self,
        remote: &Remote,
        package: &PackagePath,
        digest: &Digest,
    ) -> Result<Option<Option<u64>>, Refusal> {
        let (said, memory) = (said_of_blob(digest), self.memory());
        if memory.said(package, &said, (remote.fresh, self.now())) == Said::Absent {
            return Ok(None);
        }
        let described = self.describe_upstream_blob(&remote.upstream, package, digest);
        let described = described.await?;
        if described.is_none() {
            memory.is_absent(package, &said, self.now());
        }
        Ok(described)
    }
}

/// One digest may be that of a blob and not of a manifest.
fn said_of_blob(digest: &Digest) -> String {
    format!("blob {digest}")
}

fn found(package: &PackagePath, manifest: Option<Arc<StoredManifest>>) -> Option<Found> {
    manifest.map(|manifest| Found {
        manifest,
        package: package.clone(),
        warning: None,
    })
}

/// What clients are told when what they get may be of before.
pub(super) fn stale(trouble: &Trouble) -> String {
    format!("This is what is known here; it may have changed: {trouble}.")
}
