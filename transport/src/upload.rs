//! What is sent, and whether it is still on its way.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::sync::mpsc;

/// The body of a request.
pub enum Body {
    /// There is none.
    Empty,
    /// These bytes. They can be sent again, so such a request is tried again like one without a body.
    Bytes(Bytes),
    /// Bytes that come from elsewhere and are sent once.
    Chunks(Chunks),
}

/// A body that comes in pieces; an error among them, or an end before `length` where that is known, breaks the request off.
pub struct Chunks {
    /// The pieces. A short channel is right: it is what bounds memory.
    pub pieces: mpsc::Receiver<io::Result<Bytes>>,
    /// How many bytes they are together, where that is known beforehand.
    pub length: Option<u64>,
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => formatter.write_str("Empty"),
            // A body may be a form with a password.
            Body::Bytes(bytes) => write!(formatter, "Bytes({})", bytes.len()),
            Body::Chunks(chunks) => write!(formatter, "Chunks({:?})", chunks.length),
        }
    }
}

/// How a body gets on, for whoever waits for the answer.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    taken: AtomicU64,
    /// The next piece is not there yet: that is its producer's matter, which has limits of its own.
    waits_for_producer: AtomicBool,
    done: AtomicBool,
}

impl Sending {
    /// Pieces as a stream that tells how it gets on.
    pub(crate) fn watch(
        self: &Arc<Sending>,
        chunks: Chunks,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let sending = Arc::clone(self);
        let mut pieces = chunks.pieces;
        stream::poll_fn(move |context| {
            let polled = pieces.poll_recv(context);
            sending
                .waits_for_producer
                .store(polled.is_pending(), Ordering::Relaxed);
            match &polled {
                Poll::Ready(None) => sending.done.store(true, Ordering::Relaxed),
                _ => _ = sending.taken.fetch_add(1, Ordering::Relaxed),
            }
            polled
        })
    }

    /// Everything is sent, or there was nothing to send.
    pub(crate) fn finish(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    /// Waits until the network has done nothing for too long: `idle` while the body is being sent, then `answer`.
    pub(crate) async fn stalled(&self, idle: Duration, answer: Duration) -> Duration {
        loop {
            let taken = self.taken.load(Ordering::Relaxed);
            let was_done = self.done.load(Ordering::Relaxed);
            let patience = if was_done { answer } else { idle };
            tokio::time::sleep(patience).await;
            let moved = self.taken.load(Ordering::Relaxed) != taken
                || self.done.load(Ordering::Relaxed) != was_done
                || self.waits_for_producer.load(Ordering::Relaxed);
            if was_done || !moved {
                return patience;
            }
        }
    }
}
