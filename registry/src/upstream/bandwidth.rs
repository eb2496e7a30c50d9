//! How fast blobs are fetched for a repository.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use store::RepositoryPath;
use tokio::time::{Instant, sleep_until};

/// Repositories whose pace is remembered. One that is forgotten gets one piece at once.
const REPOSITORIES_MAX: usize = 10_000;

/// When each repository may fetch its next bytes.
#[derive(Default)]
pub(crate) struct Bandwidth(Mutex<HashMap<RepositoryPath, Instant>>);

impl Bandwidth {
    /// Waits until so many bytes more are no faster than so many a second.
    pub(crate) async fn pace(&self, repository: &RepositoryPath, bytes: usize, per_second: Option<u64>) {
        let Some(per_second) = per_second else {
            return;
        };
        let after = Duration::from_secs_f64(bytes as f64 / per_second.max(1) as f64);
        let until = {
            let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if next.len() >= REPOSITORIES_MAX && !next.contains_key(repository) {
                next.clear();
            }
            let now = Instant::now();
            let at = next.entry(repository.clone()).or_insert(now);
            *at = (*at).max(now) + after;
            *at
        };
        sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_fetches_of_a_repository_together_keep_to_its_pace() {
        let bandwidth = Bandwidth::default();
        let one = "projects/p/locations/l/repositories/one".parse().unwrap();
        let begun = Instant::now();
        let pace = || bandwidth.pace(&one, 500, Some(1000));
        tokio::join!(pace(), pace(), pace(), pace());
        assert_eq!(begun.elapsed().as_secs(), 2);
        bandwidth.pace(&one, 1 << 30, None).await;
        assert_eq!(begun.elapsed().as_secs(), 2);
    }
}
