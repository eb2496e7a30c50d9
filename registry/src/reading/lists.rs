//! Lists of remote repositories: tags, and what refers to a manifest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use oci::{Descriptor, Digest, Tag};
use store::{PackagePath, Remote};

use super::remote::stale;
use crate::refusal::Refusal;
use crate::registry::Registry;

/// Tags of all lists together that are remembered; with more all are forgotten. A client asks page by page, and each page
/// would else be the whole list again.
const TAGS_MAX: usize = 500_000;

/// Lists of tags that came lately.
#[derive(Default)]
pub(crate) struct Lists(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    lists: HashMap<PackagePath, (Timestamp, Arc<Vec<Tag>>)>,
    tags: usize,
}

/// Tags in bytewise order, and what the client is to be told besides.
pub(crate) type Listed<T> = (T, Option<String>);

impl Lists {
    fn get(&self, package: &PackagePath, oldest: Timestamp) -> Option<Arc<Vec<Tag>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, list) = kept.lists.get(package)?;
        (*at > oldest).then(|| Arc::clone(list))
    }

    fn keep(&self, package: &PackagePath, list: &Arc<Vec<Tag>>, now: Timestamp) {
        // Empty lists cost something as well.
        let cost = |list: &Vec<Tag>| list.len() + 1;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.tags + cost(list) > TAGS_MAX {
            *kept = Kept::default();
        }
        kept.tags += cost(list);
        if let Some((_, before)) = kept.lists.insert(package.clone(), (now, Arc::clone(list))) {
            kept.tags -= cost(&before);
        }
    }
}

impl Registry {
    /// All tags of a package, as the upstream has them; what is known here where it cannot be asked.
    pub(crate) async fn remote_tags(
        &self,
        remote: &Remote,
        package: &PackagePath,
    ) -> Result<Option<Listed<Arc<Vec<Tag>>>>, Refusal> {
        let now = self.now();
        let fresh = SignedDuration::try_from(remote.fresh).unwrap_or(SignedDuration::MAX);
        let oldest = now.checked_sub(fresh).unwrap_or(Timestamp::MIN);
        if let Some(list) = self.lists().get(package, oldest) {
            return Ok(Some((list, None)));
        }
        match self.upstream_tags(&remote.upstream, package).await {
            Ok(None) => Ok(None),
            Ok(Some(list)) => {
                self.lists().keep(package, &list, now);
                Ok(Some((list, None)))
            }
            Err(trouble) => match self.metadata().tags(package, None, TAGS_MAX).await? {
                Some(known) => Ok(Some((Arc::new(known), Some(stale(&trouble))))),
                None => Err(trouble.into()),
            },
        }
    }

    /// What refers to a manifest, as the upstream has it; nothing but a warning where it cannot be asked.
    pub(crate) async fn remote_referrers(
        &self,
        remote: &Remote,
        package: &PackagePath,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, String> {
        let referrers = self.upstream_referrers(&remote.upstream, package, subject);
        referrers.await.map_err(|trouble| stale(&trouble))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_kept_for_their_time_and_never_too_many_tags() {
        let lists = Lists::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let package = |name: &str| PackagePath {
            repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
            name: name.parse().unwrap(),
        };
        let list = |count: usize| Arc::new((0..count).map(|n| format!("t{n}").parse().unwrap()).collect());
        lists.keep(&package("a"), &list(3), at(100));
        assert!(lists.get(&package("a"), at(99)).is_some());
        assert!(lists.get(&package("a"), at(100)).is_none());
        assert!(lists.get(&package("b"), at(0)).is_none());
        lists.keep(&package("a"), &list(TAGS_MAX - 5), at(100));
        lists.keep(&package("b"), &list(9), at(100));
        assert!(lists.get(&package("a"), at(99)).is_none());
        assert_eq!(lists.0.lock().unwrap().tags, 10);
    }
}
