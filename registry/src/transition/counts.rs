//! What each side of a transition was asked and how it answered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use store::{RepositoryPath, TransitionState};

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
    /// Of this and the old side, by the name of the state in which they were given.
    here: BTreeMap<&'static str, Answers>,
    old: BTreeMap<&'static str, Answers>,
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
    pub(crate) fn answered(
        &self,
        (repository, state): (&RepositoryPath, TransitionState),
        side: Side,
        class: Class,
        took: Duration,
    ) {
        let counts = self.of(repository);
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if side == Side::Here {
            counts.judge(class == Class::Failed);
        }
        let answers = match side {
            Side::Here => &mut counts.here,
            Side::Old => &mut counts.old,
        };
        answers.entry(state.name()).or_default().count(class, took);
    }

    /// Counts an answer of this side that says nothing for or against it: it failed because the old one does not answer, which going
    /// back there would not help, or is judged by [`Self::denied_here`].
    pub(crate) fn unjudged(
        &self,
        (repository, state): (&RepositoryPath, TransitionState),
        class: Class,
        took: Duration,
    ) {
        let counts = self.of(repository);
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.here.entry(state.name()).or_default().count(class, took);
    }

    /// Counts a caller whom this side denied what the old one gave, or told that it is not there: a failure of this side.
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

    /// What is counted of both sides in a state, as documents have it.
    pub(crate) fn document(&self, repository: &RepositoryPath, state: TransitionState) -> Value {
        let counts = self.of(repository);
        let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let judged = counts.judged.len();
        let failed = counts.judged.iter().filter(|failed| **failed).count();
        json!({
            "here": document(&counts.here, state),
            "old": document(&counts.old, state),
            "deniedHereAnsweredThere": counts.denied_here_answered_there,
            "lastRequestsHere": {"requests": judged, "failed": failed},
        })
    }

    /// One line for each number, as metrics are scraped.
    pub(crate) fn metrics(&self, text: &mut String) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return;
        }
        text.push_str("# TYPE lightship_transition_requests_total counter\n");
        for (repository, counts) in &*all {
            let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.each(|side, state, answers| answers.requests_text(text, &labels(repository, side, state)));
        }
        text.push_str("# TYPE lightship_transition_duration_seconds histogram\n");
        for (repository, counts) in &*all {
            let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts
                .each(|side, state, answers| answers.latencies_text(text, &labels(repository, side, state)));
        }
    }
}

fn labels(repository: &RepositoryPath, side: &str, state: &str) -> String {
    format!("repository=\"{repository}\",side=\"{side}\",state=\"{state}\"")
}

fn document(answers: &BTreeMap<&'static str, Answers>, state: TransitionState) -> Value {
    let none = Answers::default();
    answers.get(state.name()).unwrap_or(&none).document()
}

impl Counts {
    fn each(&self, mut told: impl FnMut(&str, &str, &Answers)) {
        for (side, answers) in [("here", &self.here), ("old", &self.old)] {
            for (state, answers) in answers {
                told(side, state, answers);
            }
        }
    }

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

    fn requests_text(&self, text: &mut String, labels: &str) {
        for ((_, class), count) in CLASSES.iter().zip(self.by_class) {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "lightship_transition_requests_total{{{labels},answer=\"{class}\"}} {count}"
            );
        }
    }

    fn latencies_text(&self, text: &mut String, labels: &str) {
        let name = "lightship_transition_duration_seconds";
        let mut within = 0;
        for (bound, count) in BOUNDS.iter().zip(self.by_latency) {
            within += count;
            let seconds = Duration::from_millis(*bound).as_secs_f64();
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{seconds}\"}} {within}");
        }
        let count = within + self.slower;
        let sum = Duration::from_micros(self.microseconds).as_secs_f64();
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}");
        let _ = writeln!(text, "{name}_count{{{labels}}} {count}");
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
        let state = TransitionState::EnabledAndCopying;
        let answer = |class| counts.answered((&path, state), Side::Here, class, Duration::from_millis(2));
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
        counts.answered((&path, state), Side::Old, Class::Failed, Duration::from_secs(60));
        assert!(
            !counts.fails(&path, 0),
            "the old side's failures are not this side's"
        );
        counts.unjudged((&path, state), Class::Failed, Duration::from_secs(60));
        assert!(!counts.fails(&path, 0), "nor is what fails here because of them");
        let document = counts.document(&path, state);
        assert_eq!(document["here"]["answers"]["failed"], 50);
        assert_eq!(document["old"]["latencies"][8]["requests"], 1);
        assert_eq!(document["deniedHereAnsweredThere"], 6);
        let mut text = String::new();
        counts.metrics(&mut text);
        for line in [
            "side=\"here\",state=\"enabled-and-copying\",answer=\"absent\"} 95",
            "side=\"here\",state=\"enabled-and-copying\",le=\"0.001\"} 0",
            "side=\"here\",state=\"enabled-and-copying\",le=\"0.005\"} 645",
            "side=\"old\",state=\"enabled-and-copying\",le=\"30\"} 0",
            "side=\"old\",state=\"enabled-and-copying\",le=\"+Inf\"} 1",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let other = counts.document(&path, TransitionState::Enabled);
        assert_eq!(other["here"]["requests"], 0, "each state has its own numbers");
    }
}
