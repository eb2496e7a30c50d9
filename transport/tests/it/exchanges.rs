//! Requests with a method, headers and a body, and their answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use transport::{
    Body, Bytes, Chunks, FetchError, Floor, HEADERS_BYTES_MAX, Method, Request, Response, Secret, Transport,
    Url,
};

use crate::options;

/// A server that gives these answers, one a connection, and what it was asked, body included.
fn server(answers: Vec<String>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for (answer, stream) in answers.into_iter().zip(listener.incoming()) {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut request, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                let line = line.to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                request.push_str(&line);
            }
            let mut body = vec![0; length];
            let _ = reader.read_exact(&mut body);
            request.push_str(&String::from_utf8_lossy(&body));
            let _ = sender.send(request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, requests)
}

fn answer(head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn request(method: Method, url: &str) -> Request {
    let mut request = Request::new(method, url.parse::<Url>().unwrap());
    request.authorization = Some(Secret::new("Basic secret"));
    request
}

fn transport() -> Transport {
    Transport::new(options())
}

fn chunks(pieces: Vec<std::io::Result<Bytes>>, length: u64) -> Body {
    let (sender, receiver) = mpsc::channel(8);
    for piece in pieces {
        sender.try_send(piece).unwrap();
    }
    Body::Chunks(Chunks {
        pieces: receiver,
        length: Some(length),
    })
}

#[tokio::test]
async fn sends_a_body_in_pieces_and_reads_any_status() {
    let (url, requests) = server(vec![answer("404 x\r\nX-Y: z", "body")]);
    let mut request = request(Method::Patch, &url);
    request.headers.push(("content-type", "a/b".to_owned()));
    request.body = chunks(
        vec![Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"cd"))],
        4,
    );
    let response = transport().exchange(request).await.unwrap();
    assert_eq!((response.status(), response.header("x-y")), (404, Some("z")));
    assert_eq!(response.read(4).await.unwrap(), b"body");
    let sent = requests.recv().unwrap();
    assert!(sent.starts_with("patch / ") && sent.ends_with("abcd"), "{sent}");
    assert!(
        sent.contains("authorization: basic secret\r\n") && sent.contains("content-type: a/b\r\n"),
        "{sent}"
    );
}

#[tokio::test]
async fn a_body_that_fails_breaks_the_request_off() {
    let (url, _requests) = server(vec![answer("200 x", "")]);
    let mut request = request(Method::Put, &url);
    request.body = chunks(
        vec![
            Ok(Bytes::from_static(b"ab")),
            Err(std::io::ErrorKind::Other.into()),
        ],
        4,
    );
    let error = transport().exchange(request).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::NoAnswer {
                method: Method::Put,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn shows_credentials_to_nobody_else_after_a_redirect() {
    let (other, at_other) = server(vec![answer("200 x", "there")]);
    let away = answer(&format!("307 x\r\nLocation: {other}/b?signature=s"), "");
    let (url, at_first) = server(vec![answer("302 x\r\nLocation: /again", ""), away]);
    let response = transport().exchange(request(Method::Get, &url)).await.unwrap();
    assert_eq!(response.url().without_query().to_string(), format!("{other}/b"));
    assert_eq!(response.read(10).await.unwrap(), b"there");
    for _ in 0..2 {
        assert!(at_first.recv().unwrap().contains("authorization"));
    }
    assert!(!at_other.recv().unwrap().contains("authorization"));
}

#[tokio::test]
async fn does_not_follow_what_would_change_something_nor_for_ever() {
    let (url, _requests) = server(vec![answer("307 x\r\nLocation: /b", "")]);
    let response = transport().exchange(request(Method::Post, &url)).await.unwrap();
    assert_eq!(response.status(), 307);
    let (url, _requests) = server(vec![answer("307 x\r\nLocation: /b", ""); 20]);
    let error = transport()
        .exchange(request(Method::Get, &url))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error}");
    let (url, _requests) = server(vec![answer("307 x\r\nLocation: file:///etc/passwd", "")]);
    let error = transport()
        .exchange(request(Method::Get, &url))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error}");
}

#[tokio::test]
async fn tries_again_what_can_be_sent_again() {
    let (url, requests) = server(vec![
        answer("503 x\r\nRetry-After: 0", ""),
        String::new(),
        answer("201 x", ""),
    ]);
    let mut post = request(Method::Post, &url);
    post.body = Body::Bytes(Bytes::from_static(b"form"));
    assert_eq!(transport().exchange(post).await.unwrap().status(), 201);
    assert_eq!(
        requests
            .iter()
            .filter(|request| request.ends_with("form"))
            .count(),
        3
    );

    let (url, _requests) = server(vec![answer("503 x", ""), answer("201 x", "")]);
    let mut patch = request(Method::Patch, &url);
    patch.body = chunks(Vec::new(), 0);
    assert_eq!(transport().exchange(patch).await.unwrap().status(), 503);
}

#[tokio::test]
async fn headers_have_a_limit() {
    let line = |bytes: usize| answer(&format!("200 x\r\nX-Y: {}", "z".repeat(bytes)), "");
    let (url, _requests) = server(vec![line(HEADERS_BYTES_MAX - 1000)]);
    assert!(transport().exchange(request(Method::Get, &url)).await.is_ok());
    let (url, _requests) = server(vec![line(HEADERS_BYTES_MAX)]);
    let error = transport()
        .exchange(request(Method::Get, &url))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::HeadersTooLarge { .. }), "{error}");
}

#[tokio::test]
async fn waits_for_a_slow_producer_but_not_for_a_silent_server() {
    let (url, requests) = server(vec![answer("201 x", "")]);
    let (sender, pieces) = mpsc::channel(1);
    let mut put = request(Method::Put, &url);
    put.body = Body::Chunks(Chunks {
        pieces,
        length: Some(2),
    });
    let producer = tokio::spawn(async move {
        for piece in [&b"a"[..], b"b"] {
            // Longer than the limit without a byte.
            tokio::time::sleep(Duration::from_millis(700)).await;
            sender.send(Ok(Bytes::from_static(piece))).await.unwrap();
        }
    });
    assert_eq!(transport().exchange(put).await.unwrap().status(), 201);
    producer.await.unwrap();
    assert!(requests.recv().unwrap().ends_with("ab"));

    // One that accepts and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut options = options();
    options.retry.attempts_max = 1;
    let started = Instant::now();
    let error = Transport::new(options)
        .exchange(request(Method::Get, &url))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Stalled { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// An answer whose body comes in pieces of these bytes, each after a pause, as often as it says.
async fn dripping((piece, pause, times): (&'static str, Duration, usize), floor: Floor) -> Response {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let length = piece.len() * times;
        let mut sent = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        for _ in 0..times {
            if sent.is_err() {
                return;
            }
            std::thread::sleep(pause);
            sent = stream.write_all(piece.as_bytes());
        }
        // Until the other side has read it.
        let _ = stream.read(&mut [0; 1]);
    });
    let mut options = options();
    options.limits.floor = floor;
    Transport::new(options)
        .exchange(request(Method::Get, &url))
        .await
        .unwrap()
}

#[tokio::test]
async fn what_drips_is_given_up_though_it_is_never_silent_for_long() {
    let floor = Floor {
        window: Duration::from_millis(400),
        bytes: 64,
        ..Floor::default()
    };
    let drip = ("x", Duration::from_millis(20), 500);
    let error = dripping(drip, floor).await.read(1000).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::TooSlow { bytes, time, .. } if *bytes < 64 && *time >= floor.window),
        "{error}"
    );
    let mut response = dripping(drip, floor).await;
    let error = loop {
        match response.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was taken to its end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, FetchError::TooSlow { .. }), "{error}");
}

#[tokio::test]
async fn what_is_slow_but_not_too_slow_is_taken_and_a_reader_takes_its_time() {
    let floor = Floor {
        window: Duration::from_millis(200),
        bytes: 2,
        ..Floor::default()
    };
    let drip = ("xy", Duration::from_millis(20), 40);
    assert_eq!(dripping(drip, floor).await.read(80).await.unwrap().len(), 80);
    // Who reads slowly does not make the other side slow.
    let quick = Floor { bytes: 1000, ..floor };
    let mut response = dripping(("xy", Duration::ZERO, 40), quick).await;
    let mut taken = 0;
    while let Some(piece) = response.chunk().await.unwrap() {
        taken += piece.len();
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(taken, 80);
}

#[tokio::test]
async fn a_body_that_is_read_as_a_whole_has_to_come_in_time() {
    let floor = Floor {
        whole: Duration::from_millis(300),
        ..Floor::default()
    };
    let drip = ("x", Duration::from_millis(20), 500);
    let error = dripping(drip, floor).await.read(1000).await.unwrap_err();
    assert!(matches!(error, FetchError::TooSlow { .. }), "{error}");
}

#[tokio::test]
async fn messages_hold_no_signatures_and_requests_print_no_credentials() {
    let (url, _requests) = server(Vec::new());
    let mut options = options();
    options.retry.attempts_max = 1;
    let request = request(Method::Get, &format!("{url}/b?signature=abc"));
    assert!(!format!("{request:?}").contains("secret"));
    let error = Transport::new(options).exchange(request).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("abc") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn a_server_without_tls_is_recognised_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        // What it hears is no HTTP, and it says so.
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(answer("400 x", "").as_bytes());
    });
    match transport().exchange(request(Method::Get, &url)).await {
        Err(error @ FetchError::NoAnswer { attempts: 1, .. }) => assert!(error.is_not_tls(), "{error}"),
        // A machine without trust roots does not even try.
        Err(FetchError::NoTrustRoots { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn where_nobody_listens_is_asked_only_once_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    match transport().exchange(request(Method::Get, &url)).await {
        Err(FetchError::NoAnswer { attempts: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
}
