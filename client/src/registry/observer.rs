//! What answers tell of how busy a registry is, for whoever paces many requests.

use std::time::Duration;

use transport::{Method, Response};

/// Hears of every answer. Called from many threads; must not block.
pub trait Observer: Send + Sync {
    /// A registry answered, or did not.
    fn answered(&self, host: &str, answer: &Observed);
}

/// Nobody hears.
#[derive(Debug, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn answered(&self, _: &str, _: &Observed) {}
}

/// What is seen of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// What was asked for.
    pub method: Method,
    /// The status; nothing when no answer came.
    pub status: Option<u16>,
    /// How long the registry asks to wait.
    pub retry_after: Option<Duration>,
    /// How many requests it still grants.
    pub rate: Option<RateLimit>,
}

/// How many requests are granted, as far as headers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many in a whole window, where that is told.
    pub limit: Option<u64>,
    /// How many are left.
    pub remaining: u64,
    /// Until they are counted anew: what is left of the window, or else all of it.
    pub window: Duration,
}

/// The longest window that is believed: what is further away is as good as never.
const WINDOW_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A reset above this is a time since 1970, as GitHub has it, and says nothing without a clock.
const RESET_SECONDS_MAX: u64 = 1_000_000_000;

impl Observed {
    pub(crate) fn of(method: Method, response: &Response) -> Self {
        Self {
            method,
            status: Some(response.status()),
            retry_after: response.retry_after(),
            rate: rate_limit(|name| response.header(name)),
        }
    }

    pub(crate) fn nothing(method: Method) -> Self {
        Self {
            method,
            status: None,
            retry_after: None,
            rate: None,
        }
    }
}

/// Reads the headers of IETF drafts, of Docker Hub (`100;w=21600`) and their `X-` forms.
///
/// Spec: draft-ietf-httpapi-ratelimit-headers-03.
fn rate_limit<'h>(header: impl Fn(&'static str) -> Option<&'h str>) -> Option<RateLimit> {
    let first = |names: [&'static str; 2]| names.into_iter().find_map(&header);
    let remaining = first(["ratelimit-remaining", "x-ratelimit-remaining"])?;
    let limit = first(["ratelimit-limit", "x-ratelimit-limit"]);
    let reset = first(["ratelimit-reset", "x-ratelimit-reset"]);
    let window = reset
        .and_then(|text| number(text).0)
        .filter(|seconds| *seconds < RESET_SECONDS_MAX)
        .or_else(|| number(remaining).1)
        .or_else(|| limit.and_then(|text| number(text).1))?;
    Some(RateLimit {
        limit: limit.and_then(|text| number(text).0),
        remaining: number(remaining).0?,
        window: Duration::from_secs(window).min(WINDOW_MAX),
    })
}

/// `N`, and the W of `N;w=W`.
fn number(text: &str) -> (Option<u64>, Option<u64>) {
    let mut parts = text.split(';').map(str::trim);
    let count = parts.next().and_then(|count| {
        let first = count.split(',').next().unwrap_or_default();
        first.trim().parse().ok()
    });
    let window = parts.find_map(|part| part.strip_prefix("w=")?.trim().parse().ok());
    (count, window)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &'static str)], expected: Option<(Option<u64>, u64, u64)>) {
        let rate = rate_limit(|name| {
            headers
                .iter()
                .find(|(have, _)| *have == name)
                .map(|(_, value)| *value)
        });
        let rate = rate.map(|rate| (rate.limit, rate.remaining, rate.window.as_secs()));
        assert_eq!(rate, expected, "{headers:?}");
    }

    #[test]
    fn reads_docker_hub_s_headers_and_those_of_the_drafts() {
        check(
            &[
                ("ratelimit-limit", "100;w=21600"),
                ("ratelimit-remaining", "76;w=21600"),
            ],
            Some((Some(100), 76, 21_600)),
        );
        check(
            &[
                ("ratelimit-limit", "10, 10;w=1, 50;w=60"),
                ("ratelimit-remaining", "3"),
                ("ratelimit-reset", "7"),
            ],
            Some((Some(10), 3, 7)),
        );
        check(
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")],
            Some((None, 0, 30)),
        );
    }

    #[test]
    fn believes_nothing_that_says_too_little_or_too_much() {
        check(&[("ratelimit-limit", "100;w=60")], None);
        check(&[("ratelimit-remaining", "5")], None);
        check(&[("ratelimit-remaining", "many"), ("ratelimit-reset", "5")], None);
        check(
            &[
                ("x-ratelimit-remaining", "1"),
                ("x-ratelimit-reset", "1790000000"),
            ],
            None,
        );
        check(
            &[("ratelimit-remaining", "1"), ("ratelimit-reset", "999999999")],
            Some((None, 1, 86_400)),
        );
    }
}
