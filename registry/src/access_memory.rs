//! What is remembered of accounts and policies, so that a request asks the store for none of them.
//!
//! All of it hangs on the store's access generation: when that has grown, everything is read anew. The number is looked
//! at once a second at most, so that a change by another server of the store counts a second later; a change through
//! this one counts at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use access::Policy;
use jiff::Timestamp;
use store::{Account, Actor, MetadataStore, Resource, StoreError};

use crate::authentication::Known;

/// Policies kept at a time, those that are empty too.
const POLICIES_MAX: usize = 10_000;
/// Accounts kept at a time.
const ACCOUNTS_MAX: usize = 10_000;
/// Verified tokens kept at a time.
const TOKENS_MAX: usize = 4096;
/// Longest token that is kept: longer ones are verified each time. Where everybody may pull, everybody is given tokens,
/// and what they fill this with is bounded by it.
const TOKEN_KEPT_BYTES_MAX: usize = 4096;
/// How long a generation is believed to be the current one.
const CHECKED_MILLISECONDS: i64 = 1000;

/// The current generation.
#[derive(Debug, Default)]
pub(crate) struct AccessMemory {
    current: RwLock<Option<Arc<Generation>>>,
    /// When its number was last compared, in milliseconds.
    checked: AtomicI64,
    /// How often it was forgotten.
    forgotten: AtomicU64,
    /// Whether an issuer closed the registry since the process began, should the store not have kept it.
    was_closed: AtomicBool,
}

/// Accounts and policies as they were under one generation of the store.
#[derive(Debug)]
pub(crate) struct Generation {
    number: u64,
    /// Whether there is somebody who can authenticate here, or ever was. Before that, the registry is open.
    pub(crate) is_closed: bool,
    /// Whether the store knows that; else it is told again.
    is_settled: bool,
    policies: Kept<Resource, Arc<Policy>>,
    accounts: Kept<String, Arc<Account>>,
    tokens: Kept<String, Arc<Known>>,
}

impl AccessMemory {
    /// What is known at `now`. `has_issuers` closes the registry even before there is an account, and for good.
    ///
    /// # Errors
    /// When the store cannot say; nothing older is believed then.
    pub(crate) async fn current(
        &self,
        metadata: &dyn MetadataStore,
        now: Timestamp,
        has_issuers: bool,
    ) -> Result<Arc<Generation>, StoreError> {
        let moment = now;
        let now = now.as_millisecond();
        let checked = self.checked.load(Ordering::Relaxed);
        let kept = self.kept();
        let is_fresh = (0..CHECKED_MILLISECONDS).contains(&now.saturating_sub(checked));
        if let Some(kept) = &kept {
            // One request looks, the others go on meanwhile.
            let looks = !is_fresh
                && self
                    .checked
                    .compare_exchange(checked, now, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if !looks {
                return Ok(Arc::clone(kept));
            }
        }
        let read = self.read(metadata, kept.as_ref(), (has_issuers, moment)).await;
        match &read {
            Ok(_) => self.checked.store(now, Ordering::Relaxed),
            Err(_) => self.checked.store(i64::MIN, Ordering::Relaxed),
        }
        read
    }

    /// Forgets everything: to be called after a change and before it is answered.
    pub(crate) fn forget(&self) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.fetch_add(1, Ordering::Relaxed);
        *current = None;
    }

    fn kept(&self) -> Option<Arc<Generation>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn read(
        &self,
        metadata: &dyn MetadataStore,
        kept: Option<&Arc<Generation>>,
        (has_issuers, now): (bool, Timestamp),
    ) -> Result<Arc<Generation>, StoreError> {
        let forgotten = self.forgotten.load(Ordering::Relaxed);
        let number = metadata.access_generation().await?;
        if let Some(kept) = kept.filter(|kept| kept.number == number && kept.is_settled) {
            return Ok(Arc::clone(kept));
        }
        let (is_closed, is_settled) = self.is_closed(metadata, has_issuers, now).await?;
        let generation = Arc::new(Generation {
            number,
            is_closed,
            is_settled,
            policies: Kept::new(POLICIES_MAX),
            accounts: Kept::new(ACCOUNTS_MAX),
            tokens: Kept::new(TOKENS_MAX),
        });
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // What was read before a change is good for the request that read it, and for no later one.
        if self.forgotten.load(Ordering::Relaxed) == forgotten {
            *current = Some(Arc::clone(&generation));
        }
        Ok(generation)
    }

    /// Whether the registry asks everybody who they are, and whether the store knows it. An issuer makes it do so for good,
    /// so that it is not open the moment somebody takes the issuer out of the configuration.
    async fn is_closed(
        &self,
        metadata: &dyn MetadataStore,
        has_issuers: bool,
        now: Timestamp,
    ) -> Result<(bool, bool), StoreError> {
        if metadata.is_closed().await? {
            return Ok((true, true));
        }
        if has_issuers {
            self.was_closed.store(true, Ordering::Relaxed);
        }
        if !self.was_closed.load(Ordering::Relaxed) {
            return Ok((false, true));
        }
        // On a full disk this fails, and pulls go on.
        let stored = metadata.close(&Actor(ACTOR.to_owned()), now).await;
        Ok((true, stored.is_ok()))
    }
}

/// As events name what the registry does by itself.
const ACTOR: &str = "lightship";

impl Generation {
    pub(crate) async fn policy(
        &self,
        metadata: &dyn MetadataStore,
        resource: &Resource,
    ) -> Result<Arc<Policy>, StoreError> {
        if let Some(policy) = self.policies.get(resource) {
            return Ok(policy);
        }
        let policy = Arc::new(metadata.policy(resource).await?);
        self.policies.put(resource.clone(), Arc::clone(&policy));
        Ok(policy)
    }

    pub(crate) async fn account(
        &self,
        metadata: &dyn MetadataStore,
        name: &str,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        if let Some(account) = self.accounts.get(name) {
            return Ok(Some(account));
        }
        let account = metadata.account(name).await?.map(Arc::new);
        if let Some(account) = &account {
            self.accounts.put(name.to_owned(), Arc::clone(account));
        }
        Ok(account)
    }

    /// Whose a token is that was verified before.
    pub(crate) fn token(&self, text: &str, now: i64) -> Option<Arc<Known>> {
        self.tokens.get(text).filter(|known| known.counts(now))
    }

    pub(crate) fn keep_token(&self, text: &str, known: &Arc<Known>) {
        if text.len() <= TOKEN_KEPT_BYTES_MAX {
            self.tokens.put(text.to_owned(), Arc::clone(known));
        }
    }
}

/// A bounded map. When it is full, it begins anew: everything in it can be had again.
#[derive(Debug)]
struct Kept<K, V> {
    entries: RwLock<HashMap<K, V>>,
    max: usize,
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    fn new(max: usize) -> Kept<K, V> {
        Kept {
            entries: RwLock::default(),
            max,
        }
    }

    fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).cloned()
    }

    fn put(&self, key: K, value: V) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.max {
            entries.clear();
        }
        entries.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = Kept::new(3);
        for number in 0..100 {
            kept.put(number, number);
            assert!(kept.entries.read().unwrap().len() <= 3);
            assert_eq!(kept.get(&number), Some(number));
        }
    }
}
