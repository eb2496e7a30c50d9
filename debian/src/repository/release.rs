//! Releases: fetched, verified, of the right suite, in their time, and not older than one seen before.

use cache::Shelf;
use jiff::{SignedDuration, Timestamp};
use transport::Url;

use super::{Archives, Attempts, FetchError, Network, OlderReleases, Repository, SignedRelease, sha256_of};
use crate::keyring::SIGNED_BYTES_MAX;
use crate::mirror::dated;
use crate::release::Release;

/// How far this machine's clock may be behind the archive's.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// The most bytes of the note on the newest release seen.
const SEEN_BYTES_MAX: u64 = 64;

/// What a release is judged by.
#[derive(Clone, Copy)]
enum Kind {
    /// It must be in its time, and not older than one seen before.
    Live,
    /// It is one of the past, wanted as it was at that time.
    Dated(Timestamp),
}

impl Archives {
    /// The signed release of `repository`: verified, of that suite, within its `Valid-Until`, and not older than the
    /// newest one seen before by this cache. Offline: the last one that was accepted.
    ///
    /// For a base URL that is a snapshot of the past, `Valid-Until` and what was seen before do not count, and the
    /// signature is judged at that time.
    ///
    /// # Errors
    /// What is wrong with the release of the mirror where it is worst; see the variants of [`FetchError`].
    pub async fn release(&self, repository: &Repository) -> Result<SignedRelease, FetchError> {
        let mut attempts = Attempts::default();
        for base in repository.uris.iter().filter(|base| self.may_fetch(base)) {
            match self.release_at(repository, base).await {
                Ok(release) => return Ok(release),
                Err(error) => attempts.failed(error),
            }
        }
        if self.options.network == Network::Offline {
            match self.cached_release(repository) {
                Ok(Some(release)) => return Ok(release),
                Ok(None) => {}
                Err(error) => attempts.failed(error),
            }
        }
        Err(attempts.into_error(|| match self.options.network {
            Network::Online => FetchError::NoMirror {
                archive: repository.name.clone(),
            },
            Network::Offline => FetchError::Offline {
                what: format!("the release of {}", repository.suite),
            },
        }))
    }

    async fn release_at(&self, repository: &Repository, base: &Url) -> Result<SignedRelease, FetchError> {
        let url = base.join("dists").join(&repository.suite).join("InRelease");
        let bytes = self.transport.read(&url, SIGNED_BYTES_MAX as u64).await;
        let what = || format!("the release of {}", repository.suite);
        let bytes = bytes.map_err(|source| FetchError::transport(what(), source))?;
        let kind = dated(base).map_or(Kind::Live, Kind::Dated);
        let mut signed = self.judge(repository, &bytes, kind, &url.to_string())?;
        let name = match kind {
            Kind::Live => "release",
            Kind::Dated(_) => "snapshot",
        };
        let key = repository.cache_key(name)?;
        self.cache
            .insert(Shelf::Releases, &key, &bytes)
            .map_err(FetchError::Cache)?;
        signed.url = Some(url);
        Ok(signed)
    }

    /// The last release accepted from a mirror, else the last from a snapshot; judged again.
    fn cached_release(&self, repository: &Repository) -> Result<Option<SignedRelease>, FetchError> {
        let mut first_error = None;
        for (name, kind) in [
            ("release", Kind::Live),
            ("snapshot", Kind::Dated(self.options.now)),
        ] {
            let key = repository.cache_key(name)?;
            let cached = self.cache.read(Shelf::Releases, &key, SIGNED_BYTES_MAX as u64);
            let Some(bytes) = cached.map_err(FetchError::Cache)? else {
                continue;
            };
            match self.judge(repository, &bytes, kind, "the cache") {
                Ok(release) => return Ok(Some(release)),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(None), Err)
    }

    fn judge(
        &self,
        repository: &Repository,
        bytes: &[u8],
        kind: Kind,
        url: &str,
    ) -> Result<SignedRelease, FetchError> {
        let (suite, url) = (repository.suite.clone(), url.to_owned());
        let at = match kind {
            Kind::Live => self.options.now,
            Kind::Dated(at) => at,
        };
        let verified = match repository.keyring.verify_inrelease(bytes, at) {
            Ok(verified) => verified,
            Err(source) => return Err(FetchError::Untrusted { suite, url, source }),
        };
        let release = match Release::parse(&verified.text) {
            Ok(release) => release,
            Err(source) => return Err(FetchError::Malformed { suite, url, source }),
        };
        if !release.is_of(&suite) {
            let actual = release.codename.or(release.suite).unwrap_or_default();
            return Err(FetchError::OtherSuite { suite, actual, url });
        }
        if let Kind::Live = kind {
            self.check_time(&suite, &url, &release)?;
            self.check_seen(repository, &url, release.date)?;
        }
        Ok(SignedRelease {
            release,
            inrelease_sha256: sha256_of(bytes),
            signers: verified.signers,
            url: None,
        })
    }

    fn check_time(&self, suite: &str, url: &str, release: &Release) -> Result<(), FetchError> {
        let (suite, url, now) = (suite.to_owned(), url.to_owned(), self.options.now);
        if let Some(valid_until) = release.valid_until.filter(|end| *end < now) {
            return Err(FetchError::Expired {
                suite,
                url,
                valid_until,
                now,
            });
        }
        let date = release.date;
        if date > now.saturating_add(CLOCK_TOLERANCE).unwrap_or(now) {
            return Err(FetchError::FromTheFuture {
                suite,
                url,
                date,
                now,
            });
        }
        Ok(())
    }

    /// Refuses a release older than the newest seen, and remembers a newer one. Called only with what was verified: an
    /// attacker could otherwise lock out later releases by a date in the future.
    fn check_seen(&self, repository: &Repository, url: &str, date: Timestamp) -> Result<(), FetchError> {
        let key = repository.cache_key("seen")?;
        let _guard = self
            .cache
            .lock(Shelf::Releases, &key)
            .map_err(FetchError::Cache)?;
        let note = self
            .cache
            .read(Shelf::Releases, &key, SEEN_BYTES_MAX)
            .map_err(FetchError::Cache)?;
        let seen = note.and_then(|note| String::from_utf8(note).ok()?.trim().parse::<Timestamp>().ok());
        match seen {
            Some(seen) if date < seen => match self.options.older_releases {
                OlderReleases::Allow => Ok(()),
                OlderReleases::Refuse => Err(FetchError::Older {
                    suite: repository.suite.clone(),
                    url: url.to_owned(),
                    date,
                    seen,
                }),
            },
            Some(seen) if date == seen => Ok(()),
            _ => {
                let note = date.to_string();
                self.cache
                    .insert(Shelf::Releases, &key, note.as_bytes())
                    .map(|_| ())
                    .map_err(FetchError::Cache)
            }
        }
    }
}
