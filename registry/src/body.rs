//! Bodies of answers.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use store::{BlobContent, ByteRange};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::upstream::{Grown, Growth};

/// Bytes that are read at a time: at first, and between which bounds that follows the client. Large pieces cost less
/// processor time each byte, small ones less memory while a slow client takes its time.
const PIECE_BYTES: u64 = 128 << 10;
const PIECE_BYTES_MIN: u64 = 64 << 10;
const PIECE_BYTES_MAX: u64 = 1 << 20;

/// A client that took a piece within the first gets larger ones, one that needed longer than the second smaller ones.
const FAST: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_millis(100);

/// What the pieces of all bodies may hold together before each has to do with one small piece and without reading ahead:
/// clients that take nothing hold what was read for them.
const HELD_BYTES_MAX: u64 = 48 << 20;

/// What the pieces of all bodies hold, in this process.
static HELD_BYTES: AtomicU64 = AtomicU64::new(0);

/// The body of an answer; what it holds is sent piece by piece, as fast as the client takes it.
pub(crate) struct Body(Kind);

enum Kind {
    Whole(Option<Bytes>),
    File(FilePieces),
    Stream {
        stream: Pin<Box<dyn AsyncRead + Send>>,
        left: u64,
    },
    /// From elsewhere, as they come.
    Pieces {
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        /// Nothing where nobody knows how long it will be: then it ends with the pieces.
        left: Option<u64>,
    },
}

/// Reads a file off the threads that serve. One piece is read while another is sent, unless much is held, and no thread
/// waits for a client.
struct FilePieces {
    file: Arc<File>,
    /// What was not asked for yet.
    rest: ByteRange,
    /// What was not given out yet; nothing where nobody knows how long it will be.
    left: Option<u64>,
    /// Where it grows while it is read.
    growing: Option<Growing>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    spare: Spare,
    size: u64,
    /// When the last piece was given out.
    given: Option<Instant>,
}

/// A file that grows while it is read.
struct Growing {
    /// Up to where it can be read.
    readable: u64,
    waiting: Waiting,
}

enum Waiting {
    /// None only while it changes.
    Rests(Option<Growth>),
    Waits(Pin<Box<dyn Future<Output = (Growth, io::Result<Grown>)> + Send>>),
}

impl Growing {
    /// Waits until byte `at` can be read; the end of the file where it has none.
    fn poll(&mut self, at: u64, context: &mut Context<'_>) -> Poll<io::Result<Option<u64>>> {
        loop {
            if self.readable > at {
                return Poll::Ready(Ok(None));
            }
            match &mut self.waiting {
                Waiting::Rests(growth) => match growth.take() {
                    Some(growth) => self.waiting = Waiting::Waits(Box::pin(growth.beyond(at))),
                    None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                },
                Waiting::Waits(waits) => {
                    let (growth, grown) = ready!(waits.as_mut().poll(context));
                    self.waiting = Waiting::Rests(Some(growth));
                    let grown = grown?;
                    self.readable = grown.readable;
                    if grown.is_whole && grown.readable <= at {
                        return Poll::Ready(Ok(Some(grown.readable)));
                    }
                }
            }
        }
    }
}

/// Pieces that were sent, to be read into again: the allocator would give them back to the system each time, and the
/// system would have to clear each page anew.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Vec<Buffer>>>);

/// A piece that goes back to the spare ones once it is sent.
struct Piece {
    buffer: Option<Buffer>,
    length: usize,
    spare: Spare,
}

/// Memory that is counted.
struct Buffer(Vec<u8>);

impl Buffer {
    fn new(length: usize) -> Buffer {
        HELD_BYTES.fetch_add(length as u64, Ordering::Relaxed);
        Buffer(vec![0; length])
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        HELD_BYTES.fetch_sub(self.0.len() as u64, Ordering::Relaxed);
    }
}

fn is_much_held() -> bool {
    HELD_BYTES.load(Ordering::Relaxed) > HELD_BYTES_MAX
}

impl Spare {
    fn piece(&self, length: usize) -> Piece {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let fits = |buffer: &Buffer| (length..=2 * length).contains(&buffer.0.len());
        Piece {
            buffer: Some(spare.filter(fits).unwrap_or_else(|| Buffer::new(length))),
            length,
            spare: self.clone(),
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        let bytes = self
            .buffer
            .as_ref()
            .and_then(|buffer| buffer.0.get(..self.length));
        bytes.unwrap_or_default()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let buffer = self.buffer.take().filter(|_| !is_much_held());
        let mut spare = self.spare.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.extend(buffer);
    }
}

impl Body {
    pub(crate) fn empty() -> Body {
        Body(Kind::Whole(None))
    }

    pub(crate) fn whole(content: Bytes) -> Body {
        Body(Kind::Whole(Some(content).filter(|content| !content.is_empty())))
    }

    /// Pieces that come from elsewhere and are `length` bytes together, where that is known: fewer or more break the answer off.
    pub(crate) fn pieces(pieces: mpsc::Receiver<io::Result<Bytes>>, length: Option<u64>) -> Body {
        Body(Kind::Pieces { pieces, left: length })
    }

    /// The bytes of an object; the URL when the client is to fetch them elsewhere.
    pub(crate) fn of(content: BlobContent, length: u64) -> Result<Body, String> {
        match content {
            BlobContent::File { file, range } => Ok(Body(Kind::File(FilePieces {
                file: Arc::new(file),
                rest: range,
                left: Some(range.length()),
                growing: None,
                reading: None,
                spare: Spare::default(),
                size: PIECE_BYTES,
                given: None,
            }))),
            BlobContent::Stream(stream) => Ok(Body(Kind::Stream { stream, left: length })),
            BlobContent::Redirect(url) => Err(url),
        }
    }

    /// A range of what grows, as it grows; without a range all of it, however long that will be.
    pub(crate) fn growing(growth: Growth, range: Option<ByteRange>) -> Body {
        Body(Kind::File(FilePieces {
            file: growth.file(),
            rest: range.unwrap_or(ByteRange::all(u64::MAX)),
            left: range.map(ByteRange::length),
            growing: Some(Growing {
                readable: 0,
                waiting: Waiting::Rests(Some(growth)),
            }),
            reading: None,
            spare: Spare::default(),
            size: PIECE_BYTES,
            given: None,
        }))
    }
}

impl FilePieces {
    fn read_on(&mut self) {
        if is_much_held() {
            self.size = PIECE_BYTES_MIN;
        }
        let readable = self.growing.as_ref().map_or(u64::MAX, |growing| growing.readable);
        let there = readable.saturating_sub(self.rest.start);
        let length = self.rest.length().min(self.size).min(there);
        if length == 0 {
            return;
        }
        let (file, start) = (Arc::clone(&self.file), self.rest.start);
        self.rest.start += length;
        let spare = self.spare.clone();
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let length = usize::try_from(length).unwrap_or_default();
            let mut piece = spare.piece(length);
            let bytes = piece
                .buffer
                .as_mut()
                .and_then(|buffer| buffer.0.get_mut(..length));
            file.read_exact_at(bytes.unwrap_or_default(), start)?;
            Ok(Bytes::from_owner(piece))
        }));
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.reading.is_none() {
            if let Some(growing) = &mut self.growing
                && self.rest.length() > 0
            {
                match ready!(growing.poll(self.rest.start, context)) {
                    Ok(None) => {}
                    // Its length is known now. Where another was announced, too little is given and that is noticed.
                    Ok(Some(end)) => self.rest.end = end,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            self.read_on();
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let piece =
            ready!(Pin::new(reading).poll(context)).unwrap_or_else(|error| Err(io::Error::other(error)));
        self.reading = None;
        if let Ok(piece) = &piece {
            self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
            self.size = next_size(self.size, self.given.replace(Instant::now()));
            if !is_much_held() {
                self.read_on();
            }
        }
        Poll::Ready(Some(piece))
    }
}

/// How much to read at a time, after a piece of `size` bytes that was given out at a time.
fn next_size(size: u64, given: Option<Instant>) -> u64 {
    match given.map(|given| given.elapsed()) {
        Some(took) if took < FAST => (size * 2).min(PIECE_BYTES_MAX),
        Some(took) if took > SLOW => (size / 2).max(PIECE_BYTES_MIN),
        _ => size,
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match &mut self.0 {
            Kind::Whole(content) => content.take().map(Ok),
            Kind::File(pieces) => ready!(pieces.poll(context)),
            Kind::Stream { stream, left } => ready!(poll_stream(stream, left, context)),
            Kind::Pieces { pieces, left } => ready!(poll_pieces(pieces, left, context)),
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.0 {
            Kind::Whole(content) => Some(content.as_ref().map_or(0, |content| content.len() as u64)),
            Kind::File(FilePieces { left, .. }) | Kind::Pieces { left, .. } => *left,
            Kind::Stream { left, .. } => Some(*left),
        };
        left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

/// The next piece of a stream that has to have `left` bytes.
fn poll_stream(
    stream: &mut Pin<Box<dyn AsyncRead + Send>>,
    left: &mut u64,
    context: &mut Context<'_>,
) -> Poll<Option<io::Result<Bytes>>> {
    if *left == 0 {
        return Poll::Ready(None);
    }
    let mut piece = vec![0; usize::try_from((*left).min(PIECE_BYTES)).unwrap_or_default()];
    let mut buffer = ReadBuf::new(&mut piece);
    if let Err(error) = ready!(stream.as_mut().poll_read(context, &mut buffer)) {
        return Poll::Ready(Some(Err(error)));
    }
    let count = buffer.filled().len();
    if count == 0 {
        return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
    }
    piece.truncate(count);
    *left -= count as u64;
    Poll::Ready(Some(Ok(Bytes::from(piece))))
}

/// The next of pieces that have to have `left` bytes.
fn poll_pieces(
    pieces: &mut mpsc::Receiver<io::Result<Bytes>>,
    left: &mut Option<u64>,
    context: &mut Context<'_>,
) -> Poll<Option<io::Result<Bytes>>> {
    if *left == Some(0) {
        return Poll::Ready(None);
    }
    let piece = match ready!(pieces.poll_recv(context)) {
        Some(Ok(piece)) => piece,
        Some(Err(error)) => return Poll::Ready(Some(Err(error))),
        None if left.is_none() => return Poll::Ready(None),
        None => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
    };
    if let Some(left) = left {
        let Some(rest) = left.checked_sub(piece.len() as u64) else {
            return Poll::Ready(Some(Err(io::ErrorKind::InvalidData.into())));
        };
        *left = rest;
    }
    Poll::Ready(Some(Ok(piece)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http_body_util::BodyExt as _;

    use super::*;

    const LENGTH: usize = 3 << 20;

    fn content() -> Vec<u8> {
        (0..LENGTH as u32 / 4).flat_map(u32::to_le_bytes).collect()
    }

    fn body() -> Body {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content()).unwrap();
        let range = ByteRange::all(LENGTH as u64);
        Body::of(BlobContent::File { file, range }, LENGTH as u64).unwrap()
    }

    #[tokio::test]
    async fn a_piece_is_read_into_again_only_after_it_was_sent() {
        let (mut body, mut held) = (body(), Vec::new());
        while let Some(frame) = body.frame().await {
            held.push(frame.unwrap().into_data().unwrap());
        }
        assert!(held.concat() == content());

        let (mut body, mut sent) = (self::body(), Vec::new());
        while let Some(frame) = body.frame().await {
            sent.extend_from_slice(frame.unwrap().data_ref().unwrap());
        }
        assert!(sent == content());
    }

    #[tokio::test]
    async fn bodies_that_nobody_takes_hold_little_together() {
        let mut bodies: Vec<Body> = (0..100).map(|_| body()).collect();
        let mut held = Vec::new();
        // Each is taken at once until its pieces are large, and then left with one that was read ahead.
        for body in &mut bodies {
            for _ in 0..4 {
                body.frame().await.unwrap().unwrap();
            }
            held.push(body.frame().await.unwrap().unwrap());
        }
        let most = HELD_BYTES_MAX + 100 * PIECE_BYTES_MIN + 4 * PIECE_BYTES_MAX;
        let bytes = HELD_BYTES.load(Ordering::Relaxed);
        assert!(bytes <= most, "{bytes} > {most}");
        drop((bodies, held));
    }

    #[test]
    fn pieces_follow_the_speed_of_the_client_within_bounds() {
        let ago = |time: Duration| Instant::now().checked_sub(time);
        assert_eq!(next_size(PIECE_BYTES, None), PIECE_BYTES);
        // In the future is as fast as it can be, however slow this machine is.
        let at_once = Instant::now().checked_add(Duration::from_secs(3600));
        assert_eq!(next_size(PIECE_BYTES, at_once), 2 * PIECE_BYTES);
        assert_eq!(next_size(PIECE_BYTES_MAX, at_once), PIECE_BYTES_MAX);
        assert_eq!(next_size(PIECE_BYTES, ago(2 * SLOW)), PIECE_BYTES / 2);
        assert_eq!(next_size(PIECE_BYTES_MIN, ago(2 * SLOW)), PIECE_BYTES_MIN);
    }
}
