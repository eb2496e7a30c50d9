//! Failed log-ins make the next one wait, per account and address.
//!
//! Both together, so that nobody locks somebody else out by guessing at their account from elsewhere; and an address
//! alone after many more, so that nobody tries one password at every account. Where many come from one address (behind a
//! proxy), those who logged in before are recognised and not kept waiting.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::origin::Origin;

/// Failures of one account from one address before it has to wait.
const FREE_FAILURES: u32 = 5;
/// Failures of one address with any accounts before it has to wait.
const FREE_FAILURES_OF_ADDRESS: u32 = 50;
/// The first wait; each further failure doubles it.
const FIRST_WAIT_SECONDS: i64 = 1;
/// The longest wait.
const WAIT_SECONDS_MAX: i64 = 60;
/// After this long without a failure all is forgotten.
const FORGOTTEN_SECONDS: i64 = 15 * 60;
/// Entries of each table. When one is full, the oldest half goes: whoever fills it with that many addresses has made
/// that many attempts, of which two at a time are verified.
const ENTRIES_MAX: usize = 8192;

#[derive(Debug)]
pub(super) struct SlowDown {
    pairs: Mutex<Table<(String, Origin)>>,
    addresses: Mutex<Table<Origin>>,
}

#[derive(Debug)]
struct Table<K> {
    entries: HashMap<K, Failures>,
    free: u32,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: i64,
}

impl Default for SlowDown {
    fn default() -> SlowDown {
        SlowDown {
            pairs: Mutex::new(Table::new(FREE_FAILURES)),
            addresses: Mutex::new(Table::new(FREE_FAILURES_OF_ADDRESS)),
        }
    }
}

impl SlowDown {
    /// How many seconds to wait before the next attempt; none when there is no need to.
    pub(super) fn wait(&self, account: &str, address: IpAddr, now: i64) -> Option<i64> {
        let origin = Origin::of(address);
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = pairs
            .wait(&(shortened(account), origin), now)
            .max(addresses.wait(&origin, now));
        (wait > 0).then_some(wait)
    }

    pub(super) fn failed(&self, account: &str, address: IpAddr, now: i64) {
        let origin = Origin::of(address);
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        pairs.failed((shortened(account), origin), now);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.failed(origin, now);
    }

    /// The last failure was none: the account is its owner's elsewhere.
    pub(super) fn forgive(&self, account: &str, address: IpAddr) {
        self.succeeded(account, address);
        let origin = Origin::of(address);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.forgive(&origin);
    }

    /// The account is its owner's again; the address stays as it was, else an account of one's own would clear it.
    pub(super) fn succeeded(&self, account: &str, address: IpAddr) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        pairs.entries.remove(&(shortened(account), Origin::of(address)));
    }
}

impl<K: Eq + Hash + Clone> Table<K> {
    fn new(free: u32) -> Table<K> {
        Table {
            entries: HashMap::new(),
            free,
        }
    }

    fn wait(&self, key: &K, now: i64) -> i64 {
        let Some(failures) = self.entries.get(key).filter(|failures| failures.counts(now)) else {
            return 0;
        };
        let Some(beyond) = failures.count.checked_sub(self.free) else {
            return 0;
        };
        let wait = FIRST_WAIT_SECONDS << beyond.min(10);
        failures.last + wait.min(WAIT_SECONDS_MAX) - now
    }

    fn forgive(&mut self, key: &K) {
        if let Some(failures) = self.entries.get_mut(key) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    fn failed(&mut self, key: K, now: i64) {
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(&key) {
            self.entries.retain(|_, failures| failures.counts(now));
            if self.entries.len() >= ENTRIES_MAX {
                let mut times: Vec<i64> = self.entries.values().map(|failures| failures.last).collect();
                times.sort_unstable();
                let middle = times.get(times.len() / 2).copied().unwrap_or_default();
                self.entries.retain(|_, failures| failures.last > middle);
            }
        }
        let failures = self
            .entries
            .entry(key)
            .or_insert(Failures { count: 0, last: now });
        if !failures.counts(now) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }
}

impl Failures {
    fn counts(self, now: i64) -> bool {
        (0..FORGOTTEN_SECONDS).contains(&(now - self.last))
    }
}

/// What an attacker chose may be long.
fn shortened(account: &str) -> String {
    account.chars().take(ACCOUNT_CHARACTERS_MAX).collect()
}

const ACCOUNT_CHARACTERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn failures_make_wait_longer_and_longer_and_nobody_else() {
        let slow_down = SlowDown::default();
        for _ in 0..FREE_FAILURES - 1 {
            slow_down.failed("ann", HERE, 1000);
        }
        assert_eq!(slow_down.wait("ann", HERE, 1000), None);
        let mut now = 1000;
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            slow_down.failed("ann", HERE, now);
            assert_eq!(slow_down.wait("ann", HERE, now), Some(expected));
            assert_eq!(slow_down.wait("ann", HERE, now + expected), None);
            now += expected;
        }
        assert_eq!(slow_down.wait("ann", THERE, now), None);
        assert_eq!(slow_down.wait("bob", HERE, now), None);
        slow_down.succeeded("ann", THERE);
        slow_down.failed("ann", HERE, now);
        assert!(slow_down.wait("ann", HERE, now).is_some());
        for _ in 0..99 {
            slow_down.failed("ann", HERE, now);
            slow_down.forgive("ann", HERE);
            assert_eq!(slow_down.wait("ann", HERE, now), None);
        }
        slow_down.succeeded("ann", HERE);
        assert_eq!(slow_down.wait("ann", HERE, now), None);
    }

    #[test]
    fn an_address_that_tries_every_account_waits_with_all_of_them() {
        let slow_down = SlowDown::default();
        for number in 0..FREE_FAILURES_OF_ADDRESS {
            assert_eq!(slow_down.wait("new", HERE, 1000), None);
            slow_down.failed(&number.to_string(), HERE, 1000);
        }
        assert_eq!(slow_down.wait("new", HERE, 1000), Some(1));
        assert_eq!(slow_down.wait("new", THERE, 1000), None);
        assert_eq!(slow_down.wait("new", HERE, 1000 + FORGOTTEN_SECONDS), None);
    }

    #[test]
    fn neighbours_in_one_network_of_ipv6_are_one() {
        let slow_down = SlowDown::default();
        for number in 0..FREE_FAILURES {
            slow_down.failed("ann", format!("2001:db8::{number}").parse().unwrap(), 1000);
        }
        assert!(
            slow_down
                .wait("ann", "2001:db8::ffff".parse().unwrap(), 1000)
                .is_some()
        );
        assert_eq!(
            slow_down.wait("ann", "2001:db8:0:1::1".parse().unwrap(), 1000),
            None
        );
    }

    #[test]
    fn the_tables_are_bounded() {
        let slow_down = SlowDown::default();
        for number in 0..ENTRIES_MAX as u32 * 2 {
            slow_down.failed("ann", IpAddr::V4(number.into()), i64::from(number));
            assert!(slow_down.pairs.lock().unwrap().entries.len() <= ENTRIES_MAX);
            assert!(slow_down.addresses.lock().unwrap().entries.len() <= ENTRIES_MAX);
        }
    }
}
