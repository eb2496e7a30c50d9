//! How long a client may take over what it sends and reads, as seen from its connection.
//!
//! Ways to hold a connection for nothing: to begin it and say too little for it to be a request, to take nothing more of what
//! is written to it, and (in HTTP/2, where the connection itself goes on) to leave an answer unread or to ask for nothing.

use std::collections::HashMap;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::body::Body;

/// Length of HTTP/2's preface. No request of HTTP/1.1 is shorter, so until then nothing was said.
const PREFACE_BYTES: usize = 24;

/// A piece of an answer may take so many times the time in which a write has to make progress.
const PIECE_PATIENCE: u32 = 4;

/// Answers that are shorter are written in one go.
const WATCHED_BYTES_MIN: u64 = 16 << 10;

/// A connection whose client has to keep moving.
pub(crate) struct Paced<S> {
    stream: S,
    /// Bytes that were read, until these are enough.
    said: usize,
    /// When these have to be there; none once they are.
    greeting: Option<Pin<Box<Sleep>>>,
    /// Until when a write that waits for the client may.
    waiting: Option<Pin<Box<Sleep>>>,
    idle: Duration,
}

impl<S> Paced<S> {
    /// The first bytes come within `greeting`, and no write waits longer than `idle`.
    pub(crate) fn new(stream: S, greeting: Duration, idle: Duration) -> Paced<S> {
        Paced {
            stream,
            said: 0,
            greeting: Some(Box::pin(sleep(greeting))),
            waiting: None,
            idle,
        }
    }

    /// What a write made of it; one that waits too long fails.
    fn written<T>(&mut self, context: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.waiting = None;
            return result;
        }
        let idle = self.idle;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(idle)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(greeting) = &mut self.greeting else {
            return result;
        };
        if result.is_pending() && greeting.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.said += buffer.filled().len() - before;
        if self.said >= PREFACE_BYTES {
            self.greeting = None;
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        self.written(context, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(context);
        self.written(context, result)
    }
}

/// The requests of one connection that are not answered to the end, and since when there is none. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct OpenRequests(Arc<Mutex<Rest>>);

#[derive(Debug)]
struct Rest {
    open: usize,
    since: Instant,
}

/// One of them, for as long as it lives.
#[derive(Debug)]
pub(crate) struct OpenRequest(OpenRequests);

impl OpenRequests {
    pub(crate) fn new() -> OpenRequests {
        let since = Instant::now();
        OpenRequests(Arc::new(Mutex::new(Rest { open: 0, since })))
    }

    pub(crate) fn begin(&self) -> OpenRequest {
        self.lock().open += 1;
        OpenRequest(self.clone())
    }

    /// Returns once no request was open for so long.
    pub(crate) async fn rest(&self, idle: Duration) {
        loop {
            let resting = {
                let rest = self.lock();
                (rest.open == 0).then_some(rest.since)
            };
            let until = resting.unwrap_or_else(Instant::now) + idle;
            if resting.is_some() && until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut rest = self.0.lock();
        rest.open -= 1;
        rest.since = Instant::now();
    }
}

/// The answers of one connection that are being read, and when each last gave a piece. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenAnswers(Arc<Mutex<Moves>>);

#[derive(Debug, Default)]
struct Moves {
    last: HashMap<u64, Instant>,
    next: u64,
}

impl OpenAnswers {
    /// An answer whose reading is watched, and counted by `sent`; until then its request is open.
    pub(crate) fn watch<C: Fn(usize)>(&self, body: Body, request: OpenRequest, sent: C) -> Watched<C> {
        let is_long = body.size_hint().lower() >= WATCHED_BYTES_MIN;
        let entry = is_long.then(|| {
            let mut moves = self.lock();
            moves.next += 1;
            let id = moves.next;
            moves.last.insert(id, Instant::now());
            Entry {
                answers: self.clone(),
                id,
            }
        });
        Watched {
            body,
            entry,
            sent,
            _request: request,
        }
    }

    /// Returns once an answer has stood still for too long.
    pub(crate) async fn stall(&self, idle: Duration) {
        let patience = idle * PIECE_PATIENCE;
        loop {
            let oldest = self.lock().last.values().min().copied();
            let until = oldest.unwrap_or_else(Instant::now) + patience;
            if oldest.is_some() && until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Moves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the open answers, for as long as it lives.
#[derive(Debug)]
struct Entry {
    answers: OpenAnswers,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.answers.lock().last.remove(&self.id);
    }
}

/// The body of an answer that is watched.
pub(crate) struct Watched<C> {
    body: Body,
    entry: Option<Entry>,
    sent: C,
    _request: OpenRequest,
}

impl<C: Fn(usize) + Unpin> hyper::body::Body for Watched<C> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Some(entry) = &self.entry {
            entry.answers.lock().last.insert(entry.id, Instant::now());
        }
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            (self.sent)(frame.data_ref().map_or(0, Bytes::len));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn idle(seconds: u32) -> Duration {
        SECOND * seconds
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_too_little_is_cut_off() {
        let (mut client, server) = duplex(64);
        let mut server = Paced::new(server, idle(15), idle(60));
        client.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
        let mut buffer = [0; 64];
        let begun = Instant::now();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 16);
        let error = server.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_said_enough_may_be_silent() {
        let (mut client, server) = duplex(64);
        let mut server = Paced::new(server, idle(15), idle(60));
        client
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut buffer = [0; 24];
        server.read_exact(&mut buffer).await.unwrap();
        let read = tokio::time::timeout(idle(1000), server.read(&mut buffer));
        assert!(read.await.is_err(), "it waits");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_served_and_one_that_stops_is_not() {
        let (mut client, server) = duplex(16);
        let mut server = Paced::new(server, idle(15), idle(60));
        let writing = tokio::spawn(async move {
            let begun = Instant::now();
            let error = server.write_all(&[7; 400]).await.unwrap_err();
            (error.kind(), begun.elapsed().as_secs())
        });
        let mut piece = [0; 16];
        for _ in 0..10 {
            sleep(idle(59)).await;
            client.read_exact(&mut piece).await.unwrap();
        }
        let (kind, after) = writing.await.unwrap();
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert_eq!(after, 59 * 10 + 60);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_left_unread_stalls_its_connection() {
        let (answers, request) = (OpenAnswers::default(), || OpenRequests::new().begin());
        let long = Bytes::from(vec![0; WATCHED_BYTES_MIN as usize]);
        let begun = Instant::now();
        let read = answers.watch(Body::whole(long.clone()), request(), |_| ());
        assert_eq!(read.collect().await.unwrap().to_bytes().len(), long.len());
        let stall = tokio::time::timeout(idle(10_000), answers.stall(idle(60)));
        assert!(stall.await.is_err(), "nothing is open");

        let short = answers.watch(Body::whole(Bytes::from_static(b"short")), request(), |_| ());
        let unread = answers.watch(Body::whole(long), request(), |_| ());
        answers.stall(idle(60)).await;
        assert_eq!(begun.elapsed().as_secs(), 10_000 + 240);
        drop((short, unread));
        let stall = tokio::time::timeout(idle(10_000), answers.stall(idle(60)));
        assert!(stall.await.is_err(), "it was given up");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_from_its_last_answer_on_and_never_within_one() {
        let requests = OpenRequests::new();
        let begun = Instant::now();
        requests.rest(idle(60)).await;
        assert_eq!(begun.elapsed().as_secs(), 60);
        let (first, second) = (requests.begin(), requests.begin());
        drop(first);
        let rest = tokio::time::timeout(idle(10_000), requests.rest(idle(60)));
        assert!(rest.await.is_err(), "one is open");
        let answers = OpenAnswers::default();
        let read = answers.watch(Body::whole(Bytes::from_static(b"x")), second, |_| ());
        let rest = tokio::time::timeout(idle(10_000), requests.rest(idle(60)));
        assert!(rest.await.is_err(), "its answer is being read");
        drop(read);
        let ended = Instant::now();
        requests.rest(idle(60)).await;
        assert_eq!(ended.elapsed().as_secs(), 60);
    }
}
