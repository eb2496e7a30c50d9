//! Clients that send on after their request was refused: they come to read why.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{Server, http2, options};

/// Longer than anything here takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(120);
const PIECE: usize = 64 << 10;

/// A server that takes blobs of at most a few bytes, and an upload on it.
async fn with_an_upload() -> (Server, String) {
    let mut options = options();
    options.limits.blob_bytes_max = 100;
    let server = Server::with(options).await;
    let begun = server.ask("POST", "/v2/a/blobs/uploads/", &[], b"").await;
    let location = begun.header("location").to_owned();
    (server, location)
}

async fn begin_chunks(server: &Server, location: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("PATCH {location} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

fn chunk() -> Vec<u8> {
    let mut chunk = format!("{PIECE:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + PIECE, 7);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_all_before_it_reads_hears_why_it_is_refused() {
    let (server, location) = with_an_upload().await;
    let mut stream = begin_chunks(&server, &location).await;
    let chunk = chunk();
    // More than the buffers of both ends hold.
    for _ in 0..512 {
        stream.write_all(&chunk).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    // The connection goes on.
    let next = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(next).await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    assert!(told.ends_with("\r\n\r\nok\n"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_stops_is_cut_off() {
    let (server, location) = with_an_upload().await;
    let mut stream = begin_chunks(&server, &location).await;
    let chunk = chunk();
    // Twice what is read on, with room for what the buffers of both ends hold.
    let pieces_max = (128 << 20) / PIECE;
    let sends = async {
        let mut sent = 0;
        while sent < pieces_max && stream.write_all(&chunk).await.is_ok() {
            sent += 1;
        }
        sent
    };
    let sent = tokio::time::timeout(LONG, sends)
        .await
        .expect("the server waits for ever");
    assert!(sent < pieces_max, "the server reads for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_first_is_not_told_to_send_nor_waited_for() {
    let (server, _) = with_an_upload().await;
    server.create_account("user:ann", &[]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\
                expect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = String::new();
    // What is read on is read on for ten seconds.
    let begun = tokio::time::Instant::now();
    let read = tokio::time::timeout(LONG, stream.read_to_string(&mut told)).await;
    read.expect("the server waits for ever").unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "it waits for what does not come"
    );
    assert!(told.starts_with("HTTP/1.1 401 "), "{told}");
}

/// Pieces, and how many of them were taken.
struct Pieces {
    left: usize,
    taken: Arc<AtomicUsize>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.taken.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![7; PIECE])))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_http2_is_read_on_too() {
    let (server, location) = with_an_upload().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, _connection) = http2(stream).await;
    let taken = Arc::new(AtomicUsize::new(0));
    // More than the windows of both ends hold.
    let pieces = Pieces {
        left: 256,
        taken: Arc::clone(&taken),
    };
    let request = Request::patch(format!("http://localhost{location}"))
        .body(pieces)
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
    let all = async {
        while taken.load(Ordering::SeqCst) < 256 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let all = tokio::time::timeout(LONG, all).await;
    assert!(all.is_ok(), "{} came", taken.load(Ordering::SeqCst));
}
