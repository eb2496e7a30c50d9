//! A client that knows of every request whether it was answered.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Far more than any answer takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The server went away before it had answered.
#[derive(Debug)]
pub(crate) struct Cut;

pub(crate) struct Connection {
    sender: SendRequest<Pieces>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

/// A request's body, whose length is told or not.
pub(crate) struct Pieces {
    left: VecDeque<Bytes>,
    is_streamed: bool,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection, Cut> {
        let stream = TcpStream::connect(address).await.map_err(|_| Cut)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| Cut)?;
        tokio::spawn(connection);
        Ok(Connection { sender })
    }

    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Pieces,
    ) -> Result<Reply, Cut> {
        let asked = tokio::time::timeout(PATIENCE, self.ask_now(method, path, headers, body)).await;
        asked.unwrap_or_else(|_| panic!("no answer to {method} {path}"))
    }

    async fn ask_now(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Pieces,
    ) -> Result<Reply, Cut> {
        self.sender.ready().await.map_err(|_| Cut)?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        let answer = self.sender.send_request(request).await.map_err(|_| Cut)?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        Ok(Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Reply, Cut> {
        self.ask("GET", path, &[], Pieces::none()).await
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Fails when the status is none of these.
    pub(crate) fn with_status(self, statuses: &[u16]) -> Reply {
        let text = String::from_utf8_lossy(&self.body);
        assert!(statuses.contains(&self.status), "{} {text}", self.status);
        self
    }
}

impl Pieces {
    pub(crate) fn none() -> Pieces {
        Pieces::whole(Bytes::new())
    }

    pub(crate) fn whole(bytes: Bytes) -> Pieces {
        Pieces {
            left: [bytes].into(),
            is_streamed: false,
        }
    }

    pub(crate) fn streamed(bytes: &Bytes) -> Pieces {
        Pieces {
            left: bytes.chunks(10_000).map(Bytes::copy_from_slice).collect(),
            is_streamed: true,
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.left.iter().map(|piece| piece.len() as u64).sum();
        match self.is_streamed {
            true => SizeHint::default(),
            false => SizeHint::with_exact(left),
        }
    }
}
