//! How much at once: a limit for each side that grows while all goes well and is halved when a side is busy, pauses that
//! a side asks for, and retries within a budget.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::registry::{Observed, Observer, RateLimit};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::failure::PlaceError;

/// How patient one is with a side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceOptions {
    /// Requests at once to begin with.
    pub at_once: f64,
    /// The most requests at once.
    pub at_once_max: f64,
    /// How often one thing is tried, the first time included.
    pub attempts_max: u32,
    /// The wait before the second attempt; it doubles.
    pub first_delay: Duration,
    /// The longest wait, also when a side asks for more.
    pub delay_max: Duration,
    /// Retries that are granted to begin with; every ten successes grant one more.
    pub retries: u32,
}

impl Default for PaceOptions {
    fn default() -> Self {
        Self {
            at_once: 16.0,
            at_once_max: 64.0,
            attempts_max: 8,
            first_delay: Duration::from_millis(250),
            delay_max: Duration::from_secs(5 * 60),
            retries: 200,
        }
    }
}

/// One side's pace. Clones share it.
#[derive(Debug, Clone)]
pub struct Pace {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: PaceOptions,
    state: Mutex<State>,
    freed: Notify,
    requests: AtomicU64,
    busy_answers: AtomicU64,
}

#[derive(Debug)]
struct State {
    running: usize,
    at_once: f64,
    /// Retries that are granted, in tenths.
    retries: u32,
    /// Nobody begins anything before this.
    paused_until: Option<Instant>,
    /// What is halved is not halved again by answers to requests that were on their way.
    halved: Option<Instant>,
    /// When the next request may begin, where the side grants few.
    next: Option<Instant>,
    /// The wait between two of them.
    spacing: Duration,
}

/// Leave to do one thing.
#[derive(Debug)]
pub struct Leave {
    shared: Arc<Shared>,
}

/// How often one thing is tried that comes too slowly: each time takes minutes, in which another could be done.
const SLOW_ATTEMPTS_MAX: u32 = 2;

/// How long it takes until the limit may be halved again.
const HALVED_FOR: Duration = Duration::from_secs(1);

/// When a tenth of what a side grants is left, requests are spread over what is left of the window.
const SCARCE: u64 = 10;

impl Pace {
    /// A pace with these options.
    #[must_use]
    pub fn new(options: PaceOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                state: Mutex::new(State {
                    running: 0,
                    at_once: options.at_once.clamp(1.0, options.at_once_max),
                    retries: options.retries.saturating_mul(10),
                    paused_until: None,
                    halved: None,
                    next: None,
                    spacing: Duration::ZERO,
                }),
                freed: Notify::new(),
                requests: AtomicU64::new(0),
                busy_answers: AtomicU64::new(0),
            }),
        }
    }

    /// Waits until one more thing may be done.
    pub async fn leave(&self) -> Leave {
        let shared = &self.shared;
        loop {
            let freed = shared.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match shared.try_begin(Instant::now()) {
                Ok(()) => {
                    // The limit may have grown: whoever waits may find that there is room for one more.
                    shared.freed.notify_one();
                    return Leave {
                        shared: Arc::clone(shared),
                    };
                }
                Err(Some(until)) => tokio::time::sleep_until(until).await,
                Err(None) => freed.await,
            }
        }
    }

    /// Does something until it succeeds, or is not worth another try.
    ///
    /// # Errors
    /// The last error.
    pub async fn call<T, F>(&self, mut work: impl FnMut() -> F) -> Result<T, PlaceError>
    where
        F: Future<Output = Result<T, PlaceError>>,
    {
        for attempt in 1.. {
            let leave = self.leave().await;
            let result = work().await;
            drop(leave);
            match result {
                Ok(done) => {
                    self.went_well();
                    return Ok(done);
                }
                Err(error) => {
                    if !self.may_retry(&error, attempt) {
                        return Err(error);
                    }
                    self.wait_after(attempt).await;
                }
            }
        }
        // Attempts are counted up to a limit above.
        Err(PlaceError::TagMissing { tag: String::new() })
    }

    /// Whether something that failed is to be tried again; takes that from the budget.
    #[must_use]
    pub fn may_retry(&self, error: &PlaceError, attempt: u32) -> bool {
        let attempts_max = match error.is_too_slow() {
            true => SLOW_ATTEMPTS_MAX.min(self.shared.options.attempts_max),
            false => self.shared.options.attempts_max,
        };
        if !error.is_transient() || attempt >= attempts_max {
            return false;
        }
        let mut state = self.shared.state();
        match state.retries.checked_sub(10) {
            Some(left) => {
                state.retries = left;
                true
            }
            None => false,
        }
    }

    /// The wait before another attempt. It differs from thing to thing, so that not all come back at once.
    pub async fn wait_after(&self, attempt: u32) {
        let options = &self.shared.options;
        let delay = options
            .first_delay
            .saturating_mul(1 << attempt.saturating_sub(1).min(16));
        // The number of requests so far is as good as a die here.
        let eighths = self.shared.requests.load(Ordering::Relaxed) % 8;
        let delay = delay.min(options.delay_max).mul_f64(1.0 + eighths as f64 / 16.0);
        tokio::time::sleep(delay).await;
    }

    /// Notes a success: a little more may be done at once.
    pub fn went_well(&self) {
        let mut state = self.shared.state();
        state.at_once = (state.at_once + 1.0 / state.at_once).min(self.shared.options.at_once_max);
        state.retries = (state.retries + 1).min(self.shared.options.retries.saturating_mul(10));
    }

    /// Requests that were answered or failed so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// How many answers said that the side is busy.
    #[must_use]
    pub fn busy_answers(&self) -> u64 {
        self.shared.busy_answers.load(Ordering::Relaxed)
    }

    /// How much may be done at once just now.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.shared.state().whole()
    }
}

impl Observer for Pace {
    fn answered(&self, _: &str, answer: &Observed) {
        self.shared.answered(answer, Instant::now());
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one thing, or says until when to wait; without a time, until something else ends.
    fn try_begin(&self, now: Instant) -> Result<(), Option<Instant>> {
        let mut state = self.state();
        for until in [state.paused_until, state.next].into_iter().flatten() {
            if until > now {
                return Err(Some(until));
            }
        }
        if state.running >= state.whole() {
            return Err(None);
        }
        state.running += 1;
        state.next = Some(now + state.spacing).filter(|_| !state.spacing.is_zero());
        Ok(())
    }

    fn answered(&self, answer: &Observed, now: Instant) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let is_busy = answer
            .status
            .is_none_or(|status| status == 429 || status >= 500 && status != 501);
        let mut state = self.state();
        if is_busy {
            self.busy_answers.fetch_add(1, Ordering::Relaxed);
            if state
                .halved
                .is_none_or(|halved| now.duration_since(halved) >= HALVED_FOR)
            {
                state.halved = Some(now);
                state.at_once = (state.at_once / 2.0).max(1.0);
            }
        }
        if let (true, Some(asked)) = (is_busy, answer.retry_after) {
            state.pause(now + asked.min(self.options.delay_max));
        }
        if let Some(rate) = &answer.rate {
            state.heed(rate, now, self.options.delay_max);
        }
        drop(state);
        self.freed.notify_waiters();
    }
}

impl State {
    fn whole(&self) -> usize {
        // It is at least 1, and the options bound it.
        self.at_once as usize
    }

    fn pause(&mut self, until: Instant) {
        if self.paused_until.is_none_or(|paused| paused < until) {
            self.paused_until = Some(until);
        }
    }

    /// Nothing is left: waits for the next window. Little is left: spreads it over what is left of this one.
    fn heed(&mut self, rate: &RateLimit, now: Instant, delay_max: Duration) {
        if rate.remaining == 0 {
            self.pause(now + rate.window.min(delay_max));
            return;
        }
        let is_scarce = rate
            .limit
            .is_some_and(|limit| rate.remaining.saturating_mul(SCARCE) <= limit);
        self.spacing = if is_scarce {
            let left = u32::try_from(rate.remaining).unwrap_or(u32::MAX);
            (rate.window / left).min(delay_max)
        } else {
            Duration::ZERO
        };
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.running = state.running.saturating_sub(1);
        drop(state);
        self.shared.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use transport::Method;

    use super::*;

    fn answer(status: u16) -> Observed {
        Observed {
            method: Method::Get,
            status: Some(status),
            retry_after: None,
            rate: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_grows_with_success_and_is_halved_once_when_a_side_is_busy() {
        let pace = Pace::new(PaceOptions::default());
        for _ in 0..40 {
            pace.went_well();
        }
        assert_eq!(pace.at_once(), 18);
        for _ in 0..5 {
            pace.answered("", &answer(503));
        }
        assert_eq!((pace.at_once(), pace.busy_answers()), (9, 5));
        tokio::time::advance(HALVED_FOR).await;
        pace.answered("", &answer(429));
        assert_eq!(pace.at_once(), 4);
        for _ in 0..8 {
            tokio::time::advance(HALVED_FOR).await;
            pace.answered("", &answer(500));
        }
        assert_eq!(pace.at_once(), 1);
        pace.answered("", &answer(404));
        assert_eq!(pace.busy_answers(), 14);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_runs_at_once_than_the_limit_says() {
        let pace = Pace::new(PaceOptions {
            at_once: 2.0,
            ..PaceOptions::default()
        });
        let first = pace.leave().await;
        let _second = pace.leave().await;
        let third = tokio::time::timeout(Duration::from_secs(60), pace.leave());
        assert!(third.await.is_err());
        drop(first);
        pace.leave().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_is_left_alone_as_long_as_it_asks_for() {
        let pace = Pace::new(PaceOptions::default());
        let begun = Instant::now();
        let asked = Observed {
            retry_after: Some(Duration::from_secs(7)),
            ..answer(429)
        };
        pace.answered("", &asked);
        drop(pace.leave().await);
        assert_eq!(begun.elapsed().as_secs(), 7);
        let too_long = Observed {
            retry_after: Some(Duration::from_secs(100_000)),
            ..answer(503)
        };
        pace.answered("", &too_long);
        drop(pace.leave().await);
        assert_eq!(begun.elapsed().as_secs(), 307);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_side_grants_is_spread_when_little_is_left() {
        let pace = Pace::new(PaceOptions::default());
        let begun = Instant::now();
        let rate = |remaining, window| Observed {
            rate: Some(RateLimit {
                limit: Some(100),
                remaining,
                window: Duration::from_secs(window),
            }),
            ..answer(200)
        };
        pace.answered("", &rate(50, 100));
        for _ in 0..3 {
            drop(pace.leave().await);
        }
        assert_eq!(begun.elapsed().as_secs(), 0);
        pace.answered("", &rate(10, 100));
        for _ in 0..3 {
            drop(pace.leave().await);
        }
        assert_eq!(begun.elapsed().as_secs(), 20);
        pace.answered("", &rate(0, 50));
        drop(pace.leave().await);
        assert_eq!(begun.elapsed().as_secs(), 70);
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_for_good_is_not_tried_again_and_the_budget_ends() {
        let pace = Pace::new(PaceOptions {
            retries: 3,
            ..PaceOptions::default()
        });
        let mut calls = 0;
        let result: Result<(), _> = pace
            .call(|| {
                calls += 1;
                async { Err(PlaceError::TagMissing { tag: "a".to_owned() }) }
            })
            .await;
        assert!(result.is_err());
        assert_eq!(calls, 1);
        let busy = || {
            PlaceError::from(client::registry::RegistryError::Refused {
                attempted: String::new(),
                status: 503,
                details: Vec::new(),
                after: None,
            })
        };
        let mut calls = 0;
        let result: Result<(), _> = pace
            .call(|| {
                calls += 1;
                async { Err(busy()) }
            })
            .await;
        assert!(result.is_err());
        assert_eq!(calls, 4, "the first time, and three retries");
        assert!(!pace.may_retry(&busy(), 1));
        for _ in 0..10 {
            pace.went_well();
        }
        assert!(pace.may_retry(&busy(), 1));
        assert!(!pace.may_retry(&busy(), 8));
    }
}
