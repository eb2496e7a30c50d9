//! Work that is expensive on purpose: few at a time, and a bounded number that waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use access::HashingMemory;
use tokio::sync::{Semaphore, oneshot};

use crate::refusal::Refusal;

/// Hashes of passwords at a time: each takes 19 MiB and a whole core.
const AT_ONCE: usize = 2;
/// Attempts that may wait for their turn.
const WAITING_MAX: usize = 64;

type Work = Box<dyn FnOnce(&mut HashingMemory) + Send>;

pub(super) struct Gate {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// To the threads that do the work, each in memory of its own that it uses again and again: freed and taken anew for
    /// each password, it would soon be a gigabyte.
    work: Sender<Work>,
}

/// The threads end when the last of the work is done after this is gone.
impl Default for Gate {
    fn default() -> Gate {
        let (work, queue) = channel::<Work>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..AT_ONCE {
            let queue = Arc::clone(&queue);
            // Without a thread, whoever comes hears that it is busy.
            let _ = std::thread::Builder::new()
                .name("password".to_owned())
                .spawn(move || work_off(&queue));
        }
        Gate {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::default(),
            work,
        }
    }
}

fn work_off(queue: &Mutex<Receiver<Work>>) {
    let mut memory = HashingMemory::default();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // What one attempt did wrong is no reason to verify nobody any more.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&mut memory)));
    }
}

impl Gate {
    /// Runs `work` on a thread where it keeps nobody from being served, when it is its turn. `still` is asked before:
    /// what it says may have changed while this waited.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when too many wait; what `still` says.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        still: impl FnOnce() -> Result<(), Refusal>,
        work: impl FnOnce(&mut HashingMemory) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = Place::take(&self.waiting)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Refusal::Busy)?;
        still()?;
        // The turn is the work's own: it goes on to its end also where the client goes away, who could else have any
        // number of them run.
        let (told, answer) = oneshot::channel();
        let taken = move |memory: &mut HashingMemory| {
            let done = work(memory);
            drop((turn, place));
            let _ = told.send(done);
        };
        self.work.send(Box::new(taken)).map_err(|_| Refusal::Busy)?;
        answer.await.map_err(|_| Refusal::Busy)
    }
}

/// A place among those who wait or work.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>) -> Result<Place, Refusal> {
        let place = Place(Arc::clone(waiting));
        if waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX + AT_ONCE {
            return Ok(place);
        }
        Err(Refusal::Busy)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn two_work_some_wait_and_the_rest_hear_that_it_is_busy() {
        let (gate, working) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
        let hold = Arc::new(std::sync::Barrier::new(2));
        let mut running = tokio::task::JoinSet::new();
        for number in 0..AT_ONCE + WAITING_MAX {
            let (gate, working, hold) = (Arc::clone(&gate), Arc::clone(&working), Arc::clone(&hold));
            running.spawn(async move {
                let work = move |_: &mut HashingMemory| {
                    let now = working.fetch_add(1, Ordering::SeqCst) + 1;
                    if number < 1 {
                        hold.wait();
                    }
                    working.fetch_sub(1, Ordering::SeqCst);
                    now
                };
                gate.run(|| Ok(()), work).await
            });
        }
        // The first holds its turn until it is let go, and its place with it.
        while gate.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let places: Vec<_> = std::iter::from_fn(|| Place::take(&gate.waiting).ok()).collect();
        assert!(matches!(gate.run(|| Ok(()), |_| ()).await, Err(Refusal::Busy)));
        drop(places);
        let held = Arc::clone(&hold);
        let letting = tokio::task::spawn_blocking(move || held.wait());
        let mut most = 0;
        while let Some(done) = running.join_next().await {
            if let Ok(now) = done.unwrap() {
                most = most.max(now);
            }
        }
        letting.await.unwrap();
        assert!(most <= AT_ONCE, "{most}");
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }
    #[tokio::test(flavor = "multi_thread")]
    async fn who_goes_away_gives_their_turn_to_nobody_before_their_work_has_ended() {
        let gate = Gate::default();
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let work = move |_: &mut HashingMemory| {
            let _ = begin.send(());
            let _ = held.recv();
        };
        tokio::select! {
            biased;
            _ = gate.run(|| Ok(()), work) => panic!("it is held"),
            _ = begun => {}
        }
        assert_eq!(gate.turns.available_permits(), AT_ONCE - 1);
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 1);
        drop(let_go);
        while gate.turns.available_permits() < AT_ONCE {
            tokio::task::yield_now().await;
        }
    }
}
