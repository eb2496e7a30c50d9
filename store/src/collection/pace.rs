//! How fast a collection goes, so that whoever pushes or pulls does not notice it.
//!
//! What it removes lies all over the database, so its work is the processor's. Another thread that wakes meanwhile
//! waits until the scheduler takes the processor away again, which is milliseconds: a part must be done before that,
//! and be followed by a rest.

use std::time::{Duration, Instant};

use super::Others;

/// Rows looked at, or removed, by one call of the store while nobody else wants anything.
pub(super) const PAGE: usize = 128;

/// The same while somebody does: less than a millisecond of work, as long as a push that comes meanwhile waits.
const PAGE_BESIDE_OTHERS: usize = 8;

/// After each part beside others it rests for so many times as long as that took, and at most [`REST_MAX`].
const REST: u32 = 4;
const REST_MAX: Duration = Duration::from_millis(100);

/// Others count as there for so long after their last request.
const OTHERS_FOR: Duration = Duration::from_secs(1);

pub(super) struct Pace<'p> {
    others: Option<&'p dyn Others>,
    seen: u64,
    seen_at: Option<Instant>,
    begun: Instant,
}

impl<'p> Pace<'p> {
    pub(super) fn new(others: Option<&'p dyn Others>) -> Pace<'p> {
        let begun = Instant::now();
        Pace {
            seen: others.map(Others::requests).unwrap_or_default(),
            // Until it is known better, somebody is there.
            seen_at: others.map(|_| begun),
            others,
            begun,
        }
    }

    /// A part begins: how many rows it may have.
    pub(super) fn begin(&mut self) -> usize {
        self.begun = Instant::now();
        if let Some(others) = self.others {
            let seen = others.requests();
            if seen != self.seen {
                (self.seen, self.seen_at) = (seen, Some(self.begun));
            }
        }
        if self.is_beside_others() {
            PAGE_BESIDE_OTHERS
        } else {
            PAGE
        }
    }

    /// The part that began last is done.
    pub(super) async fn rest(&self) {
        if self.is_beside_others() {
            let rest = self.begun.elapsed().saturating_mul(REST);
            tokio::time::sleep(rest.min(REST_MAX)).await;
        }
    }

    /// Manifests went, and what they named goes next.
    pub(super) fn forget_manifests(&self) {
        if let Some(others) = self.others {
            others.forget_manifests();
        }
    }

    fn is_beside_others(&self) -> bool {
        self.seen_at
            .is_some_and(|at| self.begun.saturating_duration_since(at) < OTHERS_FOR)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Counted(AtomicU64);

    impl Others for Counted {
        fn requests(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        fn forget_manifests(&self) {}
    }

    #[test]
    fn alone_it_takes_large_parts_and_beside_requests_small_ones() {
        assert_eq!(Pace::new(None).begin(), PAGE);
        let others = Counted(AtomicU64::new(7));
        let mut pace = Pace::new(Some(&others));
        assert_eq!(pace.begin(), PAGE_BESIDE_OTHERS);
        pace.seen_at = pace.begun.checked_sub(OTHERS_FOR);
        assert_eq!(pace.begin(), PAGE, "nobody came for a while");
        others.0.store(8, Ordering::Relaxed);
        assert_eq!(pace.begin(), PAGE_BESIDE_OTHERS, "somebody came");
        assert_eq!(pace.begin(), PAGE_BESIDE_OTHERS, "and may come again");
    }
}
