//! What the tests fetch with.

use std::sync::Arc;
use std::time::Duration;

use cache::{Cache, Shelf};
use debian::repository::{Archives, ArchivesOptions, FetchError, Network};
use jiff::Timestamp;
use progress::Silent;
use tempfile::TempDir;
use transport::{RetryPolicy, Transport, TransportOptions};

/// A cache of its own, and archives fetched into it.
pub(crate) struct Setup {
    _directory: TempDir,
    pub(crate) cache: Cache,
    pub(crate) options: ArchivesOptions,
}

impl Setup {
    /// Judged at this time.
    pub(crate) fn at(now: &str) -> Setup {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        let now: Timestamp = now.parse().unwrap();
        Setup {
            _directory: directory,
            cache,
            options: ArchivesOptions::at(now),
        }
    }

    pub(crate) fn archives(&self) -> Archives {
        let mut client = TransportOptions::new("lightship-test");
        client.retry = RetryPolicy {
            first_delay: Duration::from_millis(1),
            ..RetryPolicy::default()
        };
        Archives::new(
            Transport::new(client),
            self.cache.clone(),
            Arc::new(Silent),
            self.options,
        )
    }

    pub(crate) fn offline(&self) -> Archives {
        let options = ArchivesOptions {
            network: Network::Offline,
            ..self.options
        };
        Archives::new(
            Transport::new(TransportOptions::new("lightship-test")),
            self.cache.clone(),
            Arc::new(Silent),
            options,
        )
    }

    /// How many files the cache keeps of what is fetched.
    pub(crate) fn files_kept(&self) -> u64 {
        let shelves = [Shelf::Packages, Shelf::Indexes, Shelf::Releases];
        let usage = self.cache.usage().unwrap();
        usage
            .iter()
            .filter(|usage| shelves.contains(&usage.shelf))
            .map(|usage| usage.files)
            .sum()
    }
}

/// An error and all its causes, in one line.
pub(crate) fn words(error: &FetchError) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    words
}
