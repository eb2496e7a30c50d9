//! What each side of a transition was asked and how it answered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use store::RepositoryPath;

/// A side of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// This registry.
    Here,
    /// The old one.
    Old,
}

/// How an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// What was asked for.
    Good,
    /// 404: perhaps it is nowhere.
    Absent,
    /// 401 and 403.
    Denied,
    /// 429.
    Limited,
    /// Another 4xx.
    Client,
    /// 5xx, or no answer.
    Failed,
}

const CLASSES: [(Class, &str); 6] = [
    (Class::Good, "good"),
    (Class::Absent, "absent"),
    (Class::Denied, "denied"),
    (Class::Limited, "limited"),
    (Class::Client, "client_error"),
    (Class::Failed, "failed"),
];

/// Upper bounds of the histogram of latencies, in milliseconds.
const BOUNDS: [u64; 8] = [1, 5, 25, 100, 250, 1_000, 5_000, 30_000];

/// Requests that a share of failures is taken of at least: a few that fail say nothing.
const JUDGED_MIN: usize = 50;

/// The last requests on this side that are judged.
const JUDGED_MAX: usize = 500;

/// Counts of all transitions, since the process began.
#[derive(Debug, Default)]
pub(crate) struct TransitionCounts(Mutex<HashMap<RepositoryPath, Arc<Mutex<Counts>>>>);

#[derive(Debug, Default)]
struct Counts {
    here: Answers,
    old: Answers,
    /// Whether each of the last requests on this side failed, oldest first.
    judged: VecDeque<bool>,
    /// Who was denied here and answered there.
    denied_here_answered_there: u64,
}

#[derive(Debug, Default)]
struct Answers {
    by_class: [u64; CLASSES.len()],
    by_latency: [u64; BOUNDS.len()],
    slower: u64,
    microseconds: u64,
}

impl Class {
    pub(crate) fn of(status: StatusCode) -> Class {
        match status.as_u16() {
            404 => Class::Absent,
            401 | 403 => Class::Denied,
            429 => Class::Limited,
            500.. => Class::Failed,
            400..=499 => Class::Client,
            _ => Class::Good,
        }
    }
}

impl TransitionCounts {
    fn of(&self, repository: &RepositoryPath) -> Arc<Mutex<Counts>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = all.get(repository) {
            return Arc::clone(counts);
        }
        Arc::clone(all.entry(repository.clone()).or_default())
    }

    /// Counts an answer of a side.
    pub(crate) fn answered(&self, repository: &RepositoryPath, side: Side, class: Class, took: Duration) {
        let counts = self.of(repository);
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if side == Side::Here {
            counts.judge(class == Class::Failed);
        }
        let answers = match side {
            Side::Here => &mut counts.here,
            Side::Old => &mut counts.old,
        };
        answers.count(class, took);
    }

    /// Counts a caller whom this side denied what the old one gave: a failure of this side.
    pub(crate) fn denied_here(&self, repository: &RepositoryPath) {
        let counts = self.of(repository);
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.denied_here_answered_there += 1;
        counts.judge(true);
    }

    /// Whether more of this side's last answers failed than `limit_percent` of a hundred.
    pub(crate) fn fails(&self, repository: &RepositoryPath, limit_percent: u8) -> bool {
        let counts = self.of(repository);
        let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = counts.judged.iter().filter(|failed| **failed).count();
        counts.judged.len() >= JUDGED_MIN && failed * 100 > usize::from(limit_percent) * counts.judged.len()
    }

    /// Judges from now on: after a step, what was before it says nothing.
    pub(crate) fn judge_anew(&self, repository: &RepositoryPath) {
        let counts = self.of(repository);
        counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .judged
            .clear();
    }

    /// What is counted of both sides, as documents have it.
    pub(crate) fn document(&self, repository: &RepositoryPath) -> Value {
        let counts = self.of(repository);
        let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let judged = counts.judged.len();
        let failed = counts.judged.iter().filter(|failed| **failed).count();
        json!({
            "here": counts.here.document(),
            "old": counts.old.document(),
            "deniedHereAnsweredThere": counts.denied_here_answered_there,
            "lastRequestsHere": {"requests": judged, "failed": failed},
        })
    }

    /// One line for each number, as metrics are scraped.
    pub(crate) fn metrics(&self, text: &mut String) {
        use std::fmt::Write as _;
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return;
        }
        text.push_str("# TYPE lightship_transition_requests_total counter\n");
        for (repository, counts) in &*all {
            let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            for (side, answers) in [("here", &counts.here), ("old", &counts.old)] {
                for ((_, class), count) in CLASSES.iter().zip(answers.by_class) {
                    // Writing to a string does not fail.
                    let _ = writeln!(
                        text,
                        "lightship_transition_requests_total{{repository=\"{repository}\",side=\"{side}\",answer=\"{class}\"}} {count}"
                    );
                }
            }
        }
    }
}

impl Counts {
    fn judge(&mut self, failed: bool) {
        if self.judged.len() == JUDGED_MAX {
            self.judged.pop_front();
        }
        self.judged.push_back(failed);
    }
}

impl Answers {
    fn count(&mut self, class: Class, took: Duration) {
        let place = CLASSES.iter().position(|(known, _)| *known == class);
        if let Some(count) = place.and_then(|place| self.by_class.get_mut(place)) {
            *count += 1;
        }
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.microseconds = self.microseconds.saturating_add(took);
        let bound = BOUNDS.iter().position(|bound| took <= bound * 1000);
        match bound.and_then(|bound| self.by_latency.get_mut(bound)) {
            Some(count) => *count += 1,
            None => self.slower += 1,
        }
    }

    fn document(&self) -> Value {
        let requests: u64 = self.by_class.iter().sum();
        let classes = CLASSES.iter().zip(self.by_class);
        let classes: serde_json::Map<String, Value> = classes
            .map(|((_, name), count)| ((*name).to_owned(), count.into()))
            .collect();
        let mut latencies: Vec<Value> = BOUNDS
            .iter()
            .zip(self.by_latency)
            .map(|(bound, count)| json!({"upToMilliseconds": bound, "requests": count}))
            .collect();
        latencies.push(json!({"upToMilliseconds": null, "requests": self.slower}));
        json!({
            "requests": requests,
            "answers": classes,
            "latencies": latencies,
            "meanMicroseconds": self.microseconds.checked_div(requests).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_fails_when_more_of_its_last_answers_do_than_the_limit() {
        let (counts, path) = (
            TransitionCounts::default(),
            "projects/p/locations/l/repositories/r",
        );
        let path: RepositoryPath = path.parse().unwrap();
        let answer = |class| counts.answered(&path, Side::Here, class, Duration::from_millis(2));
        for _ in 0..JUDGED_MIN - 1 {
            answer(Class::Failed);
        }
        assert!(!counts.fails(&path, 5), "too few to say");
        answer(Class::Good);
        assert!(counts.fails(&path, 5));
        counts.judge_anew(&path);
        for _ in 0..95 {
            answer(Class::Absent);
        }
        for _ in 0..5 {
            counts.denied_here(&path);
        }
        assert!(!counts.fails(&path, 5), "just the limit");
        counts.denied_here(&path);
        assert!(counts.fails(&path, 5));
        // What is long ago does not count any more.
        for _ in 0..JUDGED_MAX {
            answer(Class::Good);
        }
        assert!(!counts.fails(&path, 0));
        counts.answered(&path, Side::Old, Class::Failed, Duration::from_secs(60));
        assert!(
            !counts.fails(&path, 0),
            "the old side's failures are not this side's"
        );
        let document = counts.document(&path);
        assert_eq!(document["here"]["answers"]["failed"], 49);
        assert_eq!(document["old"]["latencies"][8]["requests"], 1);
        assert_eq!(document["deniedHereAnsweredThere"], 6);
        let mut text = String::new();
        counts.metrics(&mut text);
        assert!(text.contains("side=\"here\",answer=\"absent\"} 95"), "{text}");
    }
}
