//! Blobs of another registry: who waits for which, and the one fetch of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use oci::{Digest, RepositoryName};
use store::{PackagePath, Upstream};
use tokio::sync::{Semaphore, watch};

use super::blob_flight::{End, Flight, Growth, Progress};
use super::{Trouble, fetching};
use crate::registry::Registry;

/// Blobs that are fetched or wait for it; further ones are refused.
const FLIGHTS_MAX: usize = 1024;

/// Blobs that are fetched at a time. Each holds a piece in memory, and a connection.
const AT_ONCE_MAX: usize = 64;

/// Blobs on their way, by upstream and digest.
pub(crate) struct Flights {
    by_digest: Mutex<HashMap<Key, Arc<Flight>>>,
    at_once: Semaphore,
}

/// Two upstreams may answer differently who may read a blob; packages of one may share it.
type Key = (String, Digest);

impl Default for Flights {
    fn default() -> Flights {
        Flights {
            by_digest: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE_MAX),
        }
    }
}

/// What of a blob there is to be read.
pub(crate) enum Incoming {
    /// The package links it: it is in the store.
    Here,
    /// It comes, and is read while it grows; its size where that is known.
    Coming { growth: Growth, size: Option<u64> },
}

/// How it is fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetch<'f> {
    /// From where.
    pub(crate) upstream: &'f Upstream,
    /// Most bytes in a second; none is no limit.
    pub(crate) bytes_per_second_max: Option<u64>,
}

/// Takes the flight away and then tells its end, also when it panics.
struct Landing {
    registry: Registry,
    key: Key,
    flight: Arc<Flight>,
    end: End,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let flights = &self.registry.upstreams().blobs.by_digest;
        let mut flights = flights.lock().unwrap_or_else(PoisonError::into_inner);
        // There may be another by now, of one that was forgotten.
        if let Some(flight) = flights.get(&self.key)
            && Arc::ptr_eq(flight, &self.flight)
        {
            flights.remove(&self.key);
        }
        drop(flights);
        let end = self.end.clone();
        self.flight.told(|progress| progress.end = Some(end));
    }
}

impl Flights {
    /// Forgets a flight that nobody follows; false when somebody does. Who wants the blob later has it fetched anew.
    pub(super) fn forgets_unwanted(&self, host: &str, flight: &Flight) -> bool {
        let mut flights = self.by_digest.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever joins follows it before this can be looked at.
        let is_unwanted = flight.is_unwanted();
        if is_unwanted {
            flights.remove(&(host.to_owned(), flight.digest));
        }
        is_unwanted
    }
}

/// How often somebody else's flight that ends without the blob is followed by another.
const JOINS_MAX: u32 = 3;

/// A flight, and whether it has just been begun.
struct Joined {
    flight: Arc<Flight>,
    progress: watch::Receiver<Progress>,
    is_new: bool,
}

impl Registry {
    /// A blob of the upstream for a package that does not link it; nothing when it is not there. It is fetched once however
    /// many ask, linked by the package in the end, and can be read while it comes.
    ///
    /// # Errors
    /// When it cannot be had, or is something else.
    pub(crate) async fn fetch_blob(
        &self,
        fetch: Fetch<'_>,
        package: &PackagePath,
        digest: &Digest,
    ) -> Result<Option<Incoming>, Trouble> {
        let name = Registry::upstream_name(fetch.upstream, &package.name)?;
        let mut joins_left = JOINS_MAX;
        loop {
            let Joined {
                flight,
                mut progress,
                is_new,
            } = self.join(fetch, (package, &name), digest)?;
            // Who may read it there under one name need not find it under another.
            if !is_new && !flight.is_known_as(&name) {
                let described = self.describe_upstream_blob(fetch.upstream, package, digest);
                if described.await?.is_none() {
                    return Ok(None);
                }
                flight.note_name(name.clone());
            }
            if !is_new && !flight.link_to(package) {
                // Its end is near, and what is then in the store is linked at once.
                drop(progress.wait_for(Progress::is_over).await);
                continue;
            }
            let followed = self.follow(&flight, progress).await;
            // It was asked for under another name, where it is not, or which is not ours to read.
            let is_wanting = matches!(followed, Ok(None) | Err(Trouble::Denied { .. }));
            if !is_new && is_wanting && !flight.is_opened_as(&name) {
                joins_left -= 1;
                // What is said of another name is no answer for this one.
                if joins_left == 0 {
                    return Err(Trouble::TooMany);
                }
                continue;
            }
            return followed;
        }
    }

    async fn follow(
        &self,
        flight: &Arc<Flight>,
        mut progress: watch::Receiver<Progress>,
    ) -> Result<Option<Incoming>, Trouble> {
        let is_told = |progress: &Progress| progress.has_begun || progress.end.is_some();
        let now = match progress.wait_for(is_told).await {
            Ok(now) => now.clone(),
            Err(_) => return Err(Trouble::Store),
        };
        match now.end {
            Some(End::Linked) => return Ok(Some(Incoming::Here)),
            Some(End::Absent) => return Ok(None),
            Some(End::Failed(trouble)) => return Err(trouble),
            Some(End::Right | End::Unkept | End::Abandoned) | None => {}
        }
        if let Some(growth) = flight.growth() {
            let size = now.size;
            return Ok(Some(Incoming::Coming { growth, size }));
        }
        // A store that gives no file of what grows: it is read from there once it is whole.
        let over = progress.wait_for(Progress::is_over).await;
        let end = over.ok().and_then(|now| now.end.clone());
        match end {
            Some(End::Linked) => Ok(Some(Incoming::Here)),
            Some(End::Absent) => Ok(None),
            Some(End::Failed(trouble)) => Err(trouble),
            Some(End::Unkept) => Err(Trouble::Unkept),
            Some(End::Right | End::Abandoned) | None => Err(Trouble::Store),
        }
    }

    fn join(
        &self,
        fetch: Fetch<'_>,
        (package, name): (&PackagePath, &RepositoryName),
        digest: &Digest,
    ) -> Result<Joined, Trouble> {
        let key = (fetch.upstream.host.clone(), *digest);
        let flights = &self.upstreams().blobs.by_digest;
        let mut flights = flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key) {
            return Ok(Joined {
                progress: flight.progress(),
                flight: Arc::clone(flight),
                is_new: false,
            });
        }
        if flights.len() >= FLIGHTS_MAX {
            return Err(Trouble::TooMany);
        }
        let flight = Arc::new(Flight::new(*digest, name.clone(), package.clone()));
        let progress = flight.progress();
        flights.insert(key.clone(), Arc::clone(&flight));
        let landing = Landing {
            registry: self.clone(),
            key,
            flight: Arc::clone(&flight),
            end: End::Failed(Trouble::Store),
        };
        let errand = fetching::Errand {
            registry: self.clone(),
            flight: Arc::clone(&flight),
            upstream: fetch.upstream.clone(),
            bytes_per_second_max: fetch.bytes_per_second_max,
            package: package.clone(),
            name: name.clone(),
        };
        tokio::spawn(async move {
            let mut landing = landing;
            let blobs = Arc::clone(&landing.registry.upstreams().blobs);
            // Never closed, so it is always acquired.
            let _permit = blobs.at_once.acquire().await;
            landing.end = errand.run().await;
        });
        Ok(Joined {
            flight,
            progress,
            is_new: true,
        })
    }

    /// Whether a blob is at the upstream: its size, where that is told.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub(crate) async fn describe_upstream_blob(
        &self,
        upstream: &Upstream,
        package: &PackagePath,
        digest: &Digest,
    ) -> Result<Option<Option<u64>>, Trouble> {
        let name = Registry::upstream_name(upstream, &package.name)?;
        let digest = *digest;
        self.ask_upstream(upstream, &name, |repository| async move {
            repository.find_blob(&digest).await
        })
        .await
    }
}
