//! Bodies of answers.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use store::{BlobContent, ByteRange};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinHandle;

/// Bytes that are read at a time.
const PIECE_BYTES: u64 = 256 << 10;

/// The body of an answer; what it holds is sent piece by piece, as fast as the client takes it.
pub(crate) struct Body(Kind);

enum Kind {
    Whole(Option<Bytes>),
    File(FilePieces),
    Stream {
        stream: Pin<Box<dyn AsyncRead + Send>>,
        left: u64,
    },
}

/// Reads a file off the threads that serve. One piece is read while another is sent, and no thread waits for a client.
struct FilePieces {
    file: Arc<File>,
    /// What was not asked for yet.
    rest: ByteRange,
    /// What was not given out yet.
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Body {
    pub(crate) fn empty() -> Body {
        Body(Kind::Whole(None))
    }

    pub(crate) fn whole(content: Bytes) -> Body {
        Body(Kind::Whole(Some(content).filter(|content| !content.is_empty())))
    }

    /// The bytes of an object; the URL when the client is to fetch them elsewhere.
    pub(crate) fn of(content: BlobContent, length: u64) -> Result<Body, String> {
        match content {
            BlobContent::File { file, range } => Ok(Body(Kind::File(FilePieces {
                file: Arc::new(file),
                rest: range,
                left: range.length(),
                reading: None,
            }))),
            BlobContent::Stream(stream) => Ok(Body(Kind::Stream { stream, left: length })),
            BlobContent::Redirect(url) => Err(url),
        }
    }
}

impl FilePieces {
    fn read_on(&mut self) {
        let length = self.rest.length().min(PIECE_BYTES);
        if length == 0 {
            return;
        }
        let (file, start) = (Arc::clone(&self.file), self.rest.start);
        self.rest.start += length;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
            file.read_exact_at(&mut piece, start)?;
            Ok(Bytes::from(piece))
        }));
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.reading.is_none() {
            self.read_on();
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let piece =
            ready!(Pin::new(reading).poll(context)).unwrap_or_else(|error| Err(io::Error::other(error)));
        self.reading = None;
        if let Ok(piece) = &piece {
            self.left -= piece.len() as u64;
            self.read_on();
        }
        Poll::Ready(Some(piece))
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
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.0 {
            Kind::Whole(content) => content.as_ref().map_or(0, |content| content.len() as u64),
            Kind::File(pieces) => pieces.left,
            Kind::Stream { left, .. } => *left,
        })
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
