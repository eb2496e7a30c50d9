//! The one thread that writes, with group commit.
//!
//! Calls queue up while a commit waits for the disk; the next transaction takes all of them, each in a savepoint of its
//! own, and one sync makes all durable. So many small pushes at once cost one sync, and a single one waits for nothing
//! but its own.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::failed;
use crate::StoreError;

/// Calls that may wait; one more is told that the store is busy.
const QUEUE_MAX: usize = 4096;

/// Calls that one commit takes: it bounds how long the first of them waits.
const GROUP_MAX: usize = 256;

/// Does its work in the open transaction, and returns what is to be told once it is known whether that was committed.
type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

pub(super) struct Writer {
    /// None once the writer is being dropped.
    queue: Option<SyncSender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Writer, StoreError> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("metadata-writer".to_owned())
            .spawn(move || work_off(&connection, &jobs))
            .map_err(|source| StoreError::io("start the writer", source))?;
        Ok(Writer {
            queue: Some(queue),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `work` in a transaction. Answered when that is durable; if `work` fails, nothing of it stays.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (told, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = in_savepoint(connection, work);
            Box::new(move |committed| {
                // Whoever asked may have gone away; the work stays done.
                let _ = told.send(match (committed, result) {
                    // The call that found the disk full ended the transaction, and says more than the commit.
                    (Err(_), Err(full @ StoreError::Full { .. })) => Err(full),
                    (committed, result) => committed.and(result),
                });
            })
        });
        match self.queue.as_ref().map(|queue| queue.try_send(job)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => return Err(StoreError::Busy),
            Some(Err(TrySendError::Disconnected(_))) | None => return Err(stopped()),
        }
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// What was queued is still written.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Ok(Some(thread)) = self.thread.get_mut().map(Option::take) {
            let _ = thread.join();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Database {
        action: "write",
        reason: "the writer has stopped".to_owned(),
    }
}

fn work_off(connection: &Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            // The connection is in no transaction, so the work of this call fails by itself, and is told so.
            first(connection)(Err(failed("begin a transaction")(error)));
            continue;
        }
        let mut answers = vec![first(connection)];
        // Where the transaction has ended early, the commit fails, and every call of the group hears of it.
        while answers.len() < GROUP_MAX && !connection.is_autocommit() {
            let Ok(next) = jobs.try_recv() else { break };
            answers.push(next(connection));
        }
        let committed = connection.execute_batch("COMMIT").map_err(failed("commit"));
        if committed.is_err() && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        for answer in answers {
            answer(copy_of(&committed));
        }
    }
}

/// Each call of the group hears of the same failure.
fn copy_of(committed: &Result<(), StoreError>) -> Result<(), StoreError> {
    match committed {
        Ok(()) => Ok(()),
        Err(StoreError::Full { action, source }) => Err(StoreError::Full {
            action,
            source: source.kind().into(),
        }),
        Err(error) => Err(StoreError::Database {
            action: "commit",
            reason: error.to_string(),
        }),
    }
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    if connection.is_autocommit() {
        return Err(stopped());
    }
    connection
        .execute_batch("SAVEPOINT call")
        .map_err(failed("begin"))?;
    // A panic would take every later write with it; what one call did wrong is its own trouble.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(connection)));
    let result = result.unwrap_or_else(|_| Err(stopped()));
    if let Err(error) = result {
        // A full disk ends the whole transaction at once; then there is nothing left to roll back to.
        if connection.is_autocommit() {
            return Err(error);
        }
        connection
            .execute_batch("ROLLBACK TO call; RELEASE call")
            .map_err(failed("roll back"))?;
        return Err(error);
    }
    connection.execute_batch("RELEASE call").map_err(failed("end"))?;
    result
}
