//! Work that is done once, however many wait for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Different pieces of work of a kind at a time; further ones are refused. Each may hold a manifest.
const FLIGHTS_MAX: usize = 512;

/// Work under way, by what it is about. It goes on when nobody waits for it any more.
pub(crate) struct SingleFlight<K, V>(Mutex<HashMap<K, watch::Receiver<Option<V>>>>);

/// Tells those who wait. The work may go on after it.
pub(crate) struct Publish<V>(watch::Sender<Option<V>>);

impl<V> Publish<V> {
    pub(crate) fn publish(&self, value: V) {
        self.0.send_replace(Some(value));
    }
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> SingleFlight<K, V> {
        SingleFlight(Mutex::default())
    }
}

/// Takes the key away, also when the work panics.
struct Landing<K: Eq + Hash, V> {
    flights: Arc<SingleFlight<K, V>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.remove(&self.key);
    }
}

impl<K, V> SingleFlight<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What the work for this key publishes; `work` begins it where nobody has. Nothing when there is too much, or the work
    /// ended without a word.
    pub(crate) async fn run<F>(self: &Arc<Self>, key: K, work: impl FnOnce(Publish<V>) -> F) -> Option<V>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut told = {
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match flights.get(&key) {
                Some(told) => told.clone(),
                None if flights.len() >= FLIGHTS_MAX => return None,
                None => {
                    let (tell, told) = watch::channel(None);
                    flights.insert(key.clone(), told.clone());
                    let landing = Landing {
                        flights: Arc::clone(self),
                        key,
                    };
                    let work = work(Publish(tell));
                    tokio::spawn(async move {
                        let _landing = landing;
                        work.await;
                    });
                    told
                }
            }
        };
        let value = told.wait_for(Option::is_some).await.ok()?;
        value.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn many_wait_for_one_and_it_goes_on_without_them() {
        let flights: Arc<SingleFlight<&str, usize>> = Arc::default();
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let run = |key| {
            let (flights, begun, gate) = (Arc::clone(&flights), Arc::clone(&begun), Arc::clone(&gate));
            async move {
                let work = |publish: Publish<usize>| async move {
                    let count = begun.fetch_add(1, Ordering::SeqCst) + 1;
                    drop(gate.acquire().await);
                    publish.publish(count);
                };
                flights.run(key, work).await
            }
        };
        let first = tokio::spawn(run("a"));
        let second = tokio::spawn(run("a"));
        let other = tokio::spawn(run("b"));
        while begun.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        first.abort();
        assert!(first.await.is_err());
        gate.add_permits(9);
        let (second, other) = (second.await.unwrap(), other.await.unwrap());
        assert_eq!([second, other].iter().flatten().sum::<usize>(), 3);
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        while !flights.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn work_that_panics_leaves_nobody_waiting() {
        let flights: Arc<SingleFlight<u8, u8>> = Arc::default();
        let told = flights
            .run(1, |publish| async move {
                drop(publish);
            })
            .await;
        assert_eq!(told, None);
    }
}
