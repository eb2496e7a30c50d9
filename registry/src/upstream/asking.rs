//! Asking another registry: in bounded time, and not at all while it is known to be down or wants to be left alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use client::registry::{Intent, RegistryError, RepositoryApi};
use oci::RepositoryName;
use store::Upstream;
use tokio::time::{Instant, timeout};

use super::Trouble;
use crate::registry::Registry;

/// How long an answer may take before the registry counts as down.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a list may take, of many pages perhaps. One that takes longer says nothing of the registry.
const LISTING: Duration = Duration::from_secs(60);

/// How long one that refuses connections is not asked again: it is being started, or gone.
const REFUSED: Duration = Duration::from_secs(1);

/// How long one that does not answer at all is not asked again. Else each client would wait in vain.
const SILENT: Duration = Duration::from_secs(5);

/// How long a question of a caller's credential may take: the caller's own registry answers meanwhile to nobody.
const CREDENTIAL: Duration = Duration::from_secs(5);

/// How often a question is put when the connection breaks: one that was kept open may have been closed meanwhile.
const ATTEMPTS: u32 = 2;

/// Registries that are not asked for a while. There are as many as upstreams of repositories.
#[derive(Default)]
pub(crate) struct Hosts(Mutex<HashMap<String, Pause>>);

struct Pause {
    until: Instant,
    why: Trouble,
}

impl Hosts {
    /// Whether the registry may be asked. When a pause is over, one asks whether all is well again, and the others go on
    /// as before until that is known.
    fn may_ask(&self, host: &str) -> Result<(), Trouble> {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pause) = pauses.get_mut(host) else {
            return Ok(());
        };
        let now = Instant::now();
        let left = pause.until.saturating_duration_since(now);
        if left.is_zero() {
            pause.until = now + SILENT;
            return Ok(());
        }
        Err(match &pause.why {
            Trouble::Busy { host, .. } => Trouble::Busy {
                host: host.clone(),
                after: left,
            },
            why => why.clone(),
        })
    }

    /// Says whether it was not known before.
    fn pause(&self, host: &str, time: Duration, why: &Trouble) -> bool {
        let (until, why) = (Instant::now() + time, why.clone());
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.insert(host.to_owned(), Pause { until, why }).is_none()
    }

    fn is_well(&self, host: &str) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.remove(host);
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// One answer.
    Answer,
    /// A list.
    Listing,
}

/// How long the registry is not to be asked, after this.
fn pause_after(trouble: &Trouble, error: &RegistryError) -> Option<Duration> {
    match (trouble, error) {
        (Trouble::Busy { after, .. }, _) => Some(*after),
        (_, error) if error.is_unreachable() => Some(REFUSED),
        _ => None,
    }
}

/// What a registry says is not there is an answer, not a failure.
pub(super) fn absent<T>(result: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match result {
        Err(error) if error.status() == Some(404) => Ok(None),
        result => result.map(Some),
    }
}

impl Registry {
    /// Puts a question to the registry that has a package under `name`.
    pub(crate) async fn ask_upstream<T, F>(
        &self,
        upstream: &Upstream,
        name: &RepositoryName,
        question: impl Fn(RepositoryApi) -> F,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        self.ask_upstream_for(Patience::Answer, (upstream, name), question)
            .await
    }

    pub(super) async fn ask_upstream_for<T, F>(
        &self,
        patience: Patience,
        (upstream, name): (&Upstream, &RepositoryName),
        question: impl Fn(RepositoryApi) -> F,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let time = match patience {
            Patience::Answer => ANSWER,
            Patience::Listing => LISTING,
        };
        let (host, upstreams) = (upstream.host.as_str(), self.upstreams());
        let repository = self.upstream_repository(upstream, name)?;
        upstreams.hosts.may_ask(host)?;
        let mut attempt = 1;
        let error = loop {
            match timeout(time, question(repository.clone())).await {
                Ok(Ok(answer)) => {
                    upstreams.hosts.is_well(host);
                    return Ok(answer);
                }
                Ok(Err(error))
                    if attempt < ATTEMPTS
                        && error.status().is_none()
                        && error.is_transient()
                        && !error.is_unreachable() =>
                {
                    attempt += 1;
                }
                Ok(Err(error)) => break error,
                Err(_) => {
                    let trouble = Trouble::unreachable(host);
                    if patience == Patience::Answer && upstreams.hosts.pause(host, SILENT, &trouble) {
                        self.trouble("upstream", &trouble);
                    }
                    return Err(trouble);
                }
            }
        };
        let trouble = Trouble::of_registry(host, &error);
        let is_news = match pause_after(&trouble, &error) {
            Some(time) => upstreams.hosts.pause(host, time, &trouble),
            // Registries say so too of what they do not have.
            None => !matches!(trouble, Trouble::Denied { .. }),
        };
        if is_news {
            self.trouble("upstream", &error);
        }
        Err(trouble)
    }

    /// Puts a question to a registry about what a caller shows. Its realm may be another machine than the registry, so the
    /// pauses of one are not those of the other.
    ///
    /// # Errors
    /// When there is no answer in time, and at once while it is known that there would be none.
    pub(crate) async fn ask_for_caller<T>(
        &self,
        host: &str,
        question: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, Trouble> {
        let (hosts, key) = (&self.upstreams().hosts, format!("callers of {host}"));
        hosts.may_ask(&key)?;
        let (trouble, time) = match timeout(CREDENTIAL, question).await {
            Ok(Ok(answer)) => {
                hosts.is_well(&key);
                return Ok(answer);
            }
            Ok(Err(error)) => {
                self.trouble("old registry", &error);
                let trouble = Trouble::of_registry(host, &error);
                let time = pause_after(&trouble, &error);
                (trouble, time)
            }
            Err(_) => {
                let trouble = Trouble::unreachable(host);
                self.trouble("old registry", &trouble);
                (trouble, Some(SILENT))
            }
        };
        match time {
            Some(time) => {
                hosts.pause(&key, time, &trouble);
            }
            None => hosts.is_well(&key),
        }
        Err(trouble)
    }

    fn upstream_repository(
        &self,
        upstream: &Upstream,
        name: &RepositoryName,
    ) -> Result<RepositoryApi, Trouble> {
        let host = upstream.host.as_str();
        let Some(registries) = &self.upstreams().registries else {
            return Err(Trouble::NotSetUp {
                host: host.to_owned(),
                problem: "this server reaches no other registries".to_owned(),
            });
        };
        let api = registries.api(host);
        let api = api.map_err(|error| Trouble::of_opening(host, &error))?;
        Ok(api.repository(name, Intent::Pull))
    }

    /// What a package is called there.
    pub(crate) fn upstream_name(
        upstream: &Upstream,
        package: &RepositoryName,
    ) -> Result<RepositoryName, Trouble> {
        let name = upstream.name_of(package);
        name.map_err(|error| Trouble::wrong(&upstream.host, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_down_is_asked_again_by_one_alone_when_the_time_is_over() {
        let hosts = Hosts::default();
        let down = Trouble::unreachable("old.example");
        assert!(hosts.may_ask("old.example").is_ok());
        assert!(hosts.pause("old.example", SILENT, &down));
        assert!(!hosts.pause("old.example", SILENT, &down), "it is no news");
        assert!(hosts.may_ask("old.example").is_err() && hosts.may_ask("other.example").is_ok());
        tokio::time::advance(SILENT).await;
        assert!(hosts.may_ask("old.example").is_ok());
        assert!(hosts.may_ask("old.example").is_err(), "one asks already");
        hosts.is_well("old.example");
        assert!(hosts.may_ask("old.example").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_to_be_left_alone_is_told_of_with_the_time_that_is_left() {
        let hosts = Hosts::default();
        let busy = Trouble::Busy {
            host: "old.example".to_owned(),
            after: Duration::from_secs(30),
        };
        hosts.pause("old.example", Duration::from_secs(30), &busy);
        tokio::time::advance(Duration::from_secs(10)).await;
        let told = hosts.may_ask("old.example");
        assert!(matches!(told, Err(Trouble::Busy { after, .. }) if after == Duration::from_secs(20)));
    }
}
