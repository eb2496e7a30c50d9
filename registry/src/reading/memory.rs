//! What the registries behind remote repositories said lately.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::PackagePath;

/// Answers of each kind that are remembered. With one more all of its kind are asked for again.
const ANSWERS_MAX: usize = 50_000;

/// The longest that something is said not to be there without asking: it may be pushed at any moment.
const ABSENT: Duration = Duration::from_secs(10);

/// When it was said of what that it is there, and that it is not.
#[derive(Default)]
pub(crate) struct Memory {
    there: Mutex<Answers>,
    absent: Mutex<Answers>,
}

type Answers = HashMap<(PackagePath, String), Timestamp>;

/// What something was said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    There,
    Absent,
    /// Nothing, or too long ago.
    Nothing,
}

impl Memory {
    /// What was said of something in a package within `fresh`.
    pub(super) fn said(&self, package: &PackagePath, of: &str, (fresh, now): (Duration, Timestamp)) -> Said {
        let key = (package.clone(), of.to_owned());
        if is_within(&self.there, &key, fresh, now) {
            return Said::There;
        }
        match is_within(&self.absent, &key, fresh.min(ABSENT), now) {
            true => Said::Absent,
            false => Said::Nothing,
        }
    }

    pub(super) fn is_there(&self, package: &PackagePath, of: &str, now: Timestamp) {
        note((&self.there, &self.absent), (package.clone(), of.to_owned()), now);
    }

    pub(super) fn is_absent(&self, package: &PackagePath, of: &str, now: Timestamp) {
        note((&self.absent, &self.there), (package.clone(), of.to_owned()), now);
    }
}

fn is_within(answers: &Mutex<Answers>, key: &(PackagePath, String), time: Duration, now: Timestamp) -> bool {
    let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(at) = answers.get(key) else {
        return false;
    };
    let age = now.duration_since(*at);
    // A clock that was set back makes it nothing.
    !age.is_negative() && age < SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

fn note((to, from): (&Mutex<Answers>, &Mutex<Answers>), key: (PackagePath, String), now: Timestamp) {
    from.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
    if to.len() >= ANSWERS_MAX && !to.contains_key(&key) {
        to.clear();
    }
    to.insert(key, now);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn package() -> PackagePath {
        PackagePath {
            repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
            name: "a".parse().unwrap(),
        }
    }

    #[test]
    fn what_was_said_counts_for_its_time_and_what_is_absent_for_a_short_one() {
        let memory = Memory::default();
        let minute = Duration::from_secs(60);
        let said = |of: &str, now| memory.said(&package(), of, (minute, at(now)));
        memory.is_there(&package(), "a", at(100));
        memory.is_absent(&package(), "b", at(100));
        assert_eq!((said("a", 159), said("a", 160)), (Said::There, Said::Nothing));
        assert_eq!((said("b", 109), said("b", 110)), (Said::Absent, Said::Nothing));
        assert_eq!((said("a", 99), said("c", 100)), (Said::Nothing, Said::Nothing));
        memory.is_absent(&package(), "a", at(101));
        assert_eq!(said("a", 102), Said::Absent);
        let at_once = memory.said(&package(), "a", (Duration::ZERO, at(101)));
        assert_eq!(at_once, Said::Nothing);
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let memory = Memory::default();
        for number in 0..=ANSWERS_MAX {
            memory.is_absent(&package(), &number.to_string(), at(100));
        }
        assert_eq!(memory.absent.lock().unwrap().len(), 1);
    }
}
