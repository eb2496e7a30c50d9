//! The client against servers on loopback that misbehave.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exchanges;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::{Fault, TestServer};
use transport::{
    Download, FetchError, HostProxy, Limits, Proxies, RetryPolicy, Transport, TransportOptions, Url,
};

const BODY: &[u8] = b"0123456789abcdefghij";

fn server() -> (TempDir, TestServer) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), BODY).unwrap();
    let server = TestServer::start(directory.path().to_path_buf());
    (directory, server)
}

fn options() -> TransportOptions {
    let mut options = TransportOptions::new("lightship-test");
    options.retry = RetryPolicy {
        first_delay: Duration::from_millis(1),
        ..RetryPolicy::default()
    };
    options.limits = Limits {
        idle: Duration::from_millis(300),
        ..Limits::default()
    };
    options
}

fn transport() -> Transport {
    Transport::new(options())
}

fn url(server: &TestServer) -> Url {
    format!("{}/file", server.url()).parse().unwrap()
}

fn to(path: &Path) -> Download<'_> {
    Download {
        path,
        size: Some(BODY.len() as u64),
        limit_bytes: 1000,
        task: None,
    }
}

#[tokio::test]
async fn takes_a_body_up_to_the_limit_and_not_one_byte_more() {
    let (_directory, server) = server();
    let size = BODY.len() as u64;
    assert_eq!(transport().read(&url(&server), size).await.unwrap(), BODY);
    let error = transport().read(&url(&server), size - 1).await.unwrap_err();
    assert!(
        matches!(error, FetchError::TooLarge { limit_bytes, .. } if limit_bytes == size - 1),
        "{error}"
    );
}

#[tokio::test]
async fn a_body_without_an_end_is_cut_at_the_limit() {
    let (_directory, server) = server();
    server.fault_always("/file", Fault::Endless);
    let error = transport().read(&url(&server), 1 << 20).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn tries_again_after_trouble_at_the_server() {
    let (_directory, server) = server();
    for status in [500, 502, 503, 429] {
        server.fault_once("/file", Fault::Status(status, Some(0)));
    }
    assert_eq!(transport().read(&url(&server), 100).await.unwrap(), BODY);
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn gives_up_after_the_last_attempt() {
    let (_directory, server) = server();
    server.fault_always("/file", Fault::Status(503, None));
    let error = transport().read(&url(&server), 100).await.unwrap_err();
    assert!(matches!(error, FetchError::Status { status: 503, .. }), "{error}");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn all_requests_together_have_a_budget_of_retries() {
    let (_directory, server) = server();
    server.fault_always("/file", Fault::Status(503, None));
    let mut options = options();
    options.retry.retries_total_max = 6;
    let transport = Transport::new(options);
    for _ in 0..4 {
        transport.read(&url(&server), 100).await.unwrap_err();
    }
    assert_eq!(server.requests().len(), 4 + 6);
}

#[tokio::test]
async fn waits_as_long_as_the_server_asks() {
    let (_directory, server) = server();
    server.fault_once("/file", Fault::Status(429, Some(1)));
    let begin = Instant::now();
    transport().read(&url(&server), 100).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn does_not_ask_again_for_what_is_not_there() {
    let (_directory, server) = server();
    let missing: Url = format!("{}/missing", server.url()).parse().unwrap();
    let error = transport().read(&missing, 100).await.unwrap_err();
    assert!(error.is_missing(), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_not_waited_for() {
    let (_directory, server) = server();
    server.fault_always("/file", Fault::Delay(Duration::from_secs(20)));
    let mut options = options();
    options.retry.attempts_max = 2;
    let begin = Instant::now();
    let error = Transport::new(options)
        .read(&url(&server), 100)
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Stalled { .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn goes_on_where_a_download_broke_off() {
    let (directory, server) = server();
    let path = directory.path().join("download");
    server.fault_once("/file", Fault::CutAfter(5));
    let downloaded = transport().download(&url(&server), &to(&path)).await.unwrap();
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (20, 0));
    assert_eq!(std::fs::read(&path).unwrap(), BODY);
    std::fs::write(&path, &BODY[..7]).unwrap();
    let downloaded = transport().download(&url(&server), &to(&path)).await.unwrap();
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (20, 7));
    assert_eq!(std::fs::read(&path).unwrap(), BODY);
    assert_eq!(server.requests().last().unwrap(), "GET /file bytes=7-");
}

#[tokio::test]
async fn begins_anew_where_the_server_knows_no_ranges() {
    let (directory, server) = server();
    let path = directory.path().join("download");
    std::fs::write(&path, b"0123").unwrap();
    server.fault_always("/file", Fault::IgnoreRange);
    transport().download(&url(&server), &to(&path)).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), BODY);
}

#[tokio::test]
async fn a_file_of_another_size_is_an_error() {
    let (directory, server) = server();
    let path = directory.path().join("download");
    let wanted = Download {
        size: Some(21),
        ..to(&path)
    };
    let error = transport().download(&url(&server), &wanted).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::SizeDiffers {
                expected: 21,
                actual: 20,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn reads_files_of_this_machine_with_the_same_limits() {
    let (directory, _server) = server();
    let url: Url = format!("file://{}/file", directory.path().display())
        .parse()
        .unwrap();
    assert_eq!(transport().read(&url, 20).await.unwrap(), BODY);
    assert!(matches!(
        transport().read(&url, 19).await.unwrap_err(),
        FetchError::TooLarge { .. }
    ));
    let missing: Url = format!("file://{}/none", directory.path().display())
        .parse()
        .unwrap();
    assert!(transport().read(&missing, 20).await.unwrap_err().is_missing());
}

#[tokio::test]
async fn goes_through_proxies_but_not_for_hosts_that_are_exempt() {
    let (_directory, server) = server();
    let proxy = server.url().replace("http://", "");
    let through = |proxies: Proxies| {
        let mut options = options();
        options.retry.attempts_max = 1;
        options.proxies = proxies;
        Transport::new(options)
    };
    let far: Url = "http://user:secret@far.invalid/file".parse().unwrap();
    let all = Proxies {
        http: Some(proxy.clone()),
        ..Proxies::default()
    };
    assert_eq!(through(all.clone()).read(&far, 100).await.unwrap(), BODY);

    let exempt = Proxies {
        no_proxy: Some("invalid".to_owned()),
        ..all.clone()
    };
    let error = through(exempt).read(&far, 100).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");

    let host = ("http".to_owned(), "far.invalid".to_owned());
    let direct = Proxies {
        hosts: BTreeMap::from([(host.clone(), HostProxy::Direct)]),
        ..all
    };
    assert!(through(direct).read(&far, 100).await.is_err());
    let only = Proxies {
        hosts: BTreeMap::from([(host, HostProxy::Through(server.url()))]),
        ..Proxies::default()
    };
    assert_eq!(through(only).read(&far, 100).await.unwrap(), BODY);
}

#[tokio::test]
async fn a_proxy_that_is_none_is_named_as_the_trouble() {
    let (_directory, server) = server();
    let mut options = options();
    options.proxies.http = Some("socks5h://user:secret@localhost".to_owned());
    let error = Transport::new(options)
        .read(&url(&server), 100)
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Setup { .. }), "{error}");
    assert!(
        error.to_string().contains("socks5h") && !error.to_string().contains("secret"),
        "{error}"
    );
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let counting = std::thread::spawn(move || {
        let mut count = 0;
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut request = [0; 2048];
            let length = stream.read(&mut request).unwrap();
            if request[..length].starts_with(b"GET /stop") {
                return count;
            }
            count += 1;
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: /{count}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
        count
    });
    let error = transport().read(&url, 100).await.unwrap_err();
    assert!(
        matches!(error, FetchError::Connection { attempts: 1, .. }),
        "{error:?}"
    );
    let mut options = options();
    options.retry.attempts_max = 1;
    let _ = Transport::new(options).read(&url.join("stop"), 100).await;
    assert_eq!(counting.join().unwrap(), Limits::default().redirects_max + 1);
}
