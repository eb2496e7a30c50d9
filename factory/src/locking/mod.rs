//! From specifications and archive indexes to a lock.
//!
//! [`lock`] fetches signed releases and indexes and resolves every image for every architecture;
//! [`resolve`] is the part of it that needs no network. [`check`] says what a new lock would change.

mod fetch;
mod notes;
mod resolve;

pub use fetch::{
    Failures, KEY_BYTES_MAX, LockOutcome, LockRequest, Locking, LockingError, READ_AT_A_TIME, Skipped, lock,
};
pub use notes::Note;
pub use resolve::{Locked, SuiteIndexes, Suites, UnresolvedImage, resolve};

use crate::lock::{Difference, Lock};
use crate::release::Architecture;
use crate::specification::Plan;

/// What would change for `plans` and `architectures` if `newer` took the place of `lock`; other images of
/// the locks do not count, nor do architectures that `newer` was not resolved for.
pub fn check(lock: &Lock, newer: &Lock, plans: &[Plan], architectures: &[Architecture]) -> Difference {
    let narrowed = |lock: &Lock| {
        lock.narrowed(|image, architecture| {
            let asked = plans
                .iter()
                .any(|plan| plan.name == image.name && plan.variant == image.variant);
            let resolved = newer
                .image(&image.name, &image.variant)
                .is_none_or(|new| new.platforms.contains_key(&architecture));
            asked && architectures.contains(&architecture) && resolved
        })
    };
    narrowed(lock).difference(&narrowed(newer))
}

#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
mod tests;
