//! When a request is tried again, and after how long.

use std::time::Duration;

use jiff::Timestamp;

/// When a request is tried again. The same on every run: there is no random part, since few requests run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often one request is tried, the first time included.
    pub attempts_max: u32,
    /// How often it is tried when the other side refuses the connection: nobody listens there, and that rarely changes
    /// in seconds.
    pub refused_attempts_max: u32,
    /// How often all requests of one [`Transport`](crate::Transport) together are tried again. A mirror that is down
    /// must not cost its full patience for each of a thousand files.
    pub retries_total_max: u32,
    /// The wait before the second attempt; it doubles for each further one.
    pub first_delay: Duration,
    /// The longest wait, also when a server asks for more by Retry-After.
    pub delay_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            attempts_max: 5,
            refused_attempts_max: 2,
            retries_total_max: 60,
            first_delay: Duration::from_millis(500),
            delay_max: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// How often a request is tried, when the connection was refused or otherwise.
    pub(crate) fn attempts(&self, refused: bool) -> u32 {
        match refused {
            true => self.refused_attempts_max.min(self.attempts_max),
            false => self.attempts_max,
        }
    }

    /// The wait after `attempt` (from 1) has failed: what the server asked for, else the backoff.
    pub(crate) fn delay(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let doublings = attempt.saturating_sub(1).min(20);
        let backoff = self.first_delay.saturating_mul(1 << doublings);
        asked.unwrap_or(backoff).min(self.delay_max)
    }
}

/// What a Retry-After header asks for: seconds, or a date, which is compared with the answer's own Date header so that
/// no clock of ours takes part.
///
/// Spec: RFC 9110, 10.2.3.
pub(crate) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let seconds = http_date(value)?
        .as_second()
        .saturating_sub(http_date(date?)?.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// What time it was for a server when its answer came: no clock of ours takes part.
#[derive(Debug, Clone, Copy)]
pub struct ServerTime(Timestamp);

impl ServerTime {
    /// By an answer's Date and Age.
    ///
    /// Spec: RFC 9110, 6.6.1; RFC 9111, 5.1.
    pub(crate) fn of(date: &str, age: Option<&str>) -> Option<ServerTime> {
        let age: u32 = age.and_then(|age| age.trim().parse().ok()).unwrap_or_default();
        let made = http_date(date)?;
        let now = made.checked_add(Duration::from_secs(age.into())).ok()?;
        Some(ServerTime(now))
    }

    /// How long ago a moment was, in the form of RFC 3339. What lies after it, or cannot be read, is no time ago.
    #[must_use]
    pub fn since(&self, moment: &str) -> Duration {
        let moment: Option<Timestamp> = moment.trim().parse().ok();
        let since = moment.map(|moment| self.0.as_second().saturating_sub(moment.as_second()));
        Duration::from_secs(
            since
                .and_then(|seconds| u64::try_from(seconds).ok())
                .unwrap_or_default(),
        )
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim().replace("GMT", "+0000");
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(&text)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_limit() {
        let policy = RetryPolicy {
            first_delay: SECOND,
            delay_max: SECOND * 5,
            ..RetryPolicy::default()
        };
        let waits: Vec<u64> = (1..6)
            .map(|attempt| policy.delay(attempt, None).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        assert_eq!(policy.delay(u32::MAX, None), SECOND * 5);
    }

    #[test]
    fn what_the_server_asks_for_counts_up_to_the_limit() {
        let policy = RetryPolicy {
            delay_max: SECOND * 10,
            ..RetryPolicy::default()
        };
        assert_eq!(policy.delay(1, Some(SECOND * 10)), SECOND * 10);
        assert_eq!(policy.delay(1, Some(SECOND * 11)), SECOND * 10);
        assert_eq!(policy.delay(4, Some(Duration::ZERO)), Duration::ZERO);
    }

    #[test]
    fn a_moment_is_as_long_ago_as_the_answer_says() {
        let since = |moment, age| {
            let now = ServerTime::of("Sat, 21 Nov 2026 09:15:44 GMT", age);
            now.unwrap().since(moment)
        };
        assert_eq!(since("2026-11-21T09:15:14.7Z", None), SECOND * 30);
        assert_eq!(since("2026-11-21T10:15:14+01:00", Some("100")), SECOND * 130);
        for moment in ["2026-11-21T09:15:45Z", "yesterday", ""] {
            assert_eq!(since(moment, Some("x")), Duration::ZERO, "{moment}");
        }
        assert!(ServerTime::of("yesterday", None).is_none());
    }

    #[test]
    fn reads_seconds_and_dates() {
        assert_eq!(retry_after(" 7 ", None), Some(SECOND * 7));
        let date = Some("Sat, 21 Nov 2026 09:15:44 GMT");
        assert_eq!(
            retry_after("Sat, 21 Nov 2026 09:16:44 GMT", date),
            Some(SECOND * 60)
        );
        assert_eq!(
            retry_after("Sat, 21 Nov 2026 09:15:00 GMT", date),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("Sat, 21 Nov 2026 09:16:44 GMT", None), None);
        assert_eq!(retry_after("soon", date), None);
        assert_eq!(retry_after("-5", date), None);
    }
}
