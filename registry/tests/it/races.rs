//! Clients that do two things at once, or go away in the middle of one.

use std::path::Path;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper_util::rt::TokioIo;
use oci::Digest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::accounts::{DEFAULT, of};
use crate::server::{Reply, Server, image_of};

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_while_an_upload_ends_are_never_under_its_digest() {
    let server = Server::start().await;
    for round in 0..150_u32 {
        let name = format!("of/{round}");
        let content = round.to_be_bytes().repeat(40_000);
        let digest = Digest::sha256_of(&content);
        let begun = server
            .ask("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"")
            .await;
        let location = begun.header("location").to_owned();
        server.ask("PATCH", &location, &[], &content).await;
        let end = format!("{location}?digest={digest}");
        let (ended, _, _) = tokio::join!(
            server.ask("PUT", &end, &[], b""),
            server.ask("PATCH", &location, &[], b"more"),
            server.ask("PATCH", &location, &[], b"and more"),
        );
        let read = server.get(&format!("/v2/{name}/blobs/{digest}")).await;
        match ended.status.as_u16() {
            201 => assert!(read.body == content, "round {round}: {}", read.status),
            // The bytes that came are of the upload, and so its digest is another.
            400 | 409 | 416 => assert_eq!(read.status.as_u16(), 404),
            other => panic!("round {round}: {other}"),
        }
    }
}

/// The store writes although its client is gone, so what is kept in memory must not be of before.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_while_it_moves_a_tag_leaves_nothing_old_behind() {
    let files = tempfile::tempdir().unwrap();
    let data = files.path().join("data");
    let server = Server::amid_trouble(&data, |blobs| blobs).await;
    server.push_image("a", "latest", b"old").await;
    server.push_blob("a", b"new").await;
    let new = image_of(Digest::sha256_of(b"{}"), Digest::sha256_of(b"new"), 3);
    abandon(&server, &data, ("PUT", "/v2/a/manifests/latest"), &new).await;
    until(&server, |reply| reply.text() == new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_while_it_administers_leaves_nothing_old_behind() {
    const LOCATION: &str = "/v1/projects/d/locations/l/repositories/r";
    let old = image_of(Digest::sha256_of(b"{}"), Digest::sha256_of(b"old"), 3);
    let digest = Digest::sha256_of(old.as_bytes());
    for gone in [
        "/packages/a/tags/latest",
        &format!("/packages/a/versions/{digest}?force=true"),
        "/packages/a",
        "",
    ] {
        let files = tempfile::tempdir().unwrap();
        let data = files.path().join("data");
        let server = Server::amid_trouble(&data, |blobs| blobs).await;
        assert_eq!(server.push_image("a", "latest", b"old").await, digest);
        abandon(&server, &data, ("DELETE", &format!("{LOCATION}{gone}")), "").await;
        until(&server, |reply| reply.status.as_u16() == 404).await;
    }
}

/// Sends a request that writes, and goes away before the store has. The tag `latest` of `a` is in memory then.
async fn abandon(server: &Server, data: &Path, (method, path): (&str, &str), body: &str) {
    assert_eq!(server.get("/v2/a/manifests/latest").await.status.as_u16(), 200);
    let held_up = rusqlite::Connection::open(data.join("metadata.sqlite")).unwrap();
    held_up.execute_batch("BEGIN IMMEDIATE").unwrap();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", server.address.to_string())
        .body(Full::new(bytes::Bytes::from(body.to_owned())))
        .unwrap();
    let patience = Duration::from_millis(300);
    let answer = tokio::time::timeout(patience, sender.send_request(request)).await;
    assert!(answer.is_err(), "the store is held up");
    connection.abort();
    drop(sender);
    tokio::time::sleep(patience).await;
    held_up.execute_batch("ROLLBACK").unwrap();
}

/// Asks for the tag until it is answered as it is to be once the store has written.
async fn until(server: &Server, is_right: impl Fn(&Reply) -> bool) {
    for _ in 0..200 {
        if is_right(&server.get("/v2/a/manifests/latest").await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("what was before is still served");
}

/// A request of `ann` whose head was taken, with its body still to come.
struct Begun {
    stream: TcpStream,
    body: String,
}

impl Begun {
    async fn of(server: &Server, (method, path): (&str, &str), body: String) -> Begun {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\ncontent-length: {}\r\n\
             content-type: application/vnd.oci.image.manifest.v1+json\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
            server.address,
            of("ann"),
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // It comes when the body is asked for: when it was seen that ann may.
        let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        stream.read_exact(&mut go_on).await.unwrap();
        assert!(go_on.starts_with(b"HTTP/1.1 100"), "{}", go_on.escape_ascii());
        Begun { stream, body }
    }

    /// The answer's first line.
    async fn end(mut self) -> String {
        self.stream.write_all(self.body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

/// A body may take as long as it likes, so long as something of it comes.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_with_a_right_is_not_done_without_it() {
    let server = Server::start().await;
    server.push_as_registry("a", "latest").await;
    server.create_account("user:ann", &[]).await;
    server.create_account("user:root", &[]).await;
    let policy =
        r#"{"policy":{"bindings":[{"role":"roles/artifactregistry.admin","members":["user:eve"]}]}}"#;
    let manifest = image_of(Digest::sha256_of(b"{}"), Digest::sha256_of(b"layer"), 5);
    let works = [
        ("POST", "/lightship/v1/registry:setIamPolicy".to_owned(), policy),
        ("POST", format!("/v1/{DEFAULT}:setIamPolicy"), policy),
        (
            "POST",
            "/lightship/v1/accounts".to_owned(),
            r#"{"member":"user:eve"}"#,
        ),
        ("PATCH", format!("/v1/{DEFAULT}"), r#"{"description":"mine"}"#),
        ("PUT", "/v2/a/manifests/other".to_owned(), &manifest),
    ];
    for (method, path, body) in works {
        let root = (access::Role::Administrator, "user:root");
        server
            .bind("registry", &[(access::Role::Administrator, "user:ann"), root])
            .await;
        let begun = Begun::of(&server, (method, &path), body.to_owned()).await;
        server.bind("registry", &[root]).await;
        let answer = begun.end().await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{method} {path}: {answer}");
    }
}
