//! How many requests a principal or an address may make, where that is limited.
//!
//! Of each, one time is kept: when its next request would come if they came evenly. One that is further ahead than the
//! burst allows has to wait until it is not.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use access::{Identity, Member, Principal};
use jiff::Timestamp;

use crate::origin::Origin;
use crate::refusal::Refusal;

/// Principals and addresses that are counted at a time. When there are more, those furthest from their limit are
/// forgotten.
const ENTRIES_MAX: usize = 16_384;

/// How many requests may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In an interval, also all at once after a rest; 0 counts as 1.
    pub requests_max: u64,
    /// The interval.
    pub interval: Duration,
}

/// Whose requests are limited, and how. Neither is, by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of each address, where no credential was shown or a wrong one.
    pub per_address: Option<Rate>,
    /// Of each principal that showed a credential.
    pub per_principal: Option<Rate>,
}

/// Who made how many.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    addresses: Meter<Origin>,
    principals: Meter<Member>,
}

impl Counted {
    /// Counts a request of somebody, or from somewhere if it is not known whose.
    pub(crate) fn count(
        &self,
        rates: &Rates,
        principal: Option<&Principal>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        match (principal.map(Principal::identity), rates) {
            (Some(Identity::Registry), _) => Ok(()),
            (Some(Identity::Member(member)), rates) => match rates.per_principal {
                Some(rate) => self.principals.count(rate, member.clone(), now),
                None => Ok(()),
            },
            (_, rates) => match rates.per_address {
                Some(rate) => self.addresses.count(rate, Origin::of(address), now),
                None => Ok(()),
            },
        }
    }
}

/// For each, the microsecond in which its next request is due.
#[derive(Debug)]
struct Meter<K>(Mutex<HashMap<K, i64>>);

impl<K> Default for Meter<K> {
    fn default() -> Meter<K> {
        Meter(Mutex::default())
    }
}

impl<K: Eq + Hash> Meter<K> {
    fn count(&self, rate: Rate, key: K, now: Timestamp) -> Result<(), Refusal> {
        let now = now.as_microsecond();
        let requests = i64::try_from(rate.requests_max).unwrap_or(i64::MAX).max(1);
        let whole = i64::try_from(rate.interval.as_micros()).unwrap_or(i64::MAX);
        let interval = (whole / requests).max(1);
        let ahead_max = interval.saturating_mul(requests - 1);
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= ENTRIES_MAX && !due.contains_key(&key) {
            due.retain(|_, due| *due > now);
            if due.len() >= ENTRIES_MAX {
                let mut times: Vec<i64> = due.values().copied().collect();
                times.sort_unstable();
                let middle = times.get(times.len() / 2).copied().unwrap_or_default();
                due.retain(|_, due| *due > middle);
            }
        }
        let entry = due.entry(key).or_insert(now);
        // A clock that was set back must not lock anybody out for longer than that.
        *entry = (*entry).clamp(now, now.saturating_add(ahead_max).saturating_add(interval));
        let ahead = *entry - now;
        if ahead > ahead_max {
            let wait = u64::try_from(ahead - ahead_max).unwrap_or_default();
            return Err(Refusal::TooManyRequests {
                after_seconds: wait.div_ceil(1_000_000),
            });
        }
        *entry += interval;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn a_burst_is_taken_and_then_one_at_a_time() {
        let meter = Meter::default();
        let rate = Rate {
            requests_max: 3,
            interval: Duration::from_secs(3),
        };
        for _ in 0..3 {
            assert!(meter.count(rate, "a", at(0)).is_ok());
        }
        let refused = meter.count(rate, "a", at(0));
        assert!(matches!(
            refused,
            Err(Refusal::TooManyRequests { after_seconds: 1 })
        ));
        assert!(meter.count(rate, "b", at(0)).is_ok());
        assert!(meter.count(rate, "a", at(999)).is_err());
        assert!(meter.count(rate, "a", at(1000)).is_ok());
        assert!(meter.count(rate, "a", at(1001)).is_err());
        // After a rest the whole burst is there again, and no more.
        let taken = (0..10)
            .filter(|_| meter.count(rate, "a", at(60_000)).is_ok())
            .count();
        assert_eq!(taken, 3);
        // A clock that is set back makes nobody wait for that long.
        assert!(meter.count(rate, "a", at(-3_600_000)).is_err());
        assert!(meter.count(rate, "a", at(-3_600_000 + 1000)).is_ok());
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let meter = Meter::default();
        let rate = Rate {
            requests_max: 1,
            interval: Duration::from_secs(60),
        };
        for number in 0..ENTRIES_MAX as i64 * 2 {
            assert!(meter.count(rate, number, at(number)).is_ok());
            assert!(meter.0.lock().unwrap().len() <= ENTRIES_MAX);
        }
    }
}
