use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::{Body, Bytes, Frame};
use oci::{Algorithm, Digest};

use crate::server::{Server, options};

async fn begin(server: &Server, name: &str) -> String {
    let reply = server
        .ask("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"")
        .await;
    assert_eq!(reply.status.as_u16(), 202);
    reply.header("location").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_come_in_order_and_the_server_says_where_to_go_on() {
    let server = Server::start().await;
    let location = begin(&server, "a").await;
    let reply = server
        .ask("PATCH", &location, &[("content-range", "0-2")], b"abc")
        .await;
    assert_eq!((reply.status.as_u16(), reply.header("range")), (202, "0-2"));
    for (range, chunk) in [("4-5", b"ef"), ("0-1", b"ab")] {
        let reply = server
            .ask("PATCH", &location, &[("content-range", range)], chunk)
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("range")),
            (416, "0-2"),
            "{range}"
        );
    }
    for malformed in ["\u{109}", "x", "5-3"] {
        let reply = server
            .ask("PATCH", &location, &[("content-range", malformed)], b"de")
            .await;
        assert_eq!(
            reply.refusal(),
            (400, "BLOB_UPLOAD_INVALID".to_owned()),
            "{malformed}"
        );
    }
    let reply = server
        .ask("PATCH", &location, &[("content-range", "3-9")], b"de")
        .await;
    assert_eq!(reply.refusal(), (400, "SIZE_INVALID".to_owned()));
    let reply = server.get(&location).await;
    assert_eq!((reply.status.as_u16(), reply.header("range")), (204, "0-2"));
    let digest = Digest::sha256_of(b"abcde");
    let reply = server
        .ask(
            "PUT",
            &format!("{location}?digest={digest}"),
            &[("content-range", "3-4")],
            b"de",
        )
        .await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.text(), "abcde");
    assert_eq!(
        server.get(&location).await.refusal(),
        (404, "BLOB_UPLOAD_UNKNOWN".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_another_digest_is_never_kept() {
    let server = Server::start().await;
    let other = Digest::sha256_of(b"other");
    let reply = server
        .ask("POST", &format!("/v2/a/blobs/uploads/?digest={other}"), &[], b"x")
        .await;
    assert_eq!(reply.refusal(), (400, "DIGEST_INVALID".to_owned()));
    let location = begin(&server, "a").await;
    server.ask("PATCH", &location, &[], b"x").await;
    let reply = server
        .ask("PUT", &format!("{location}?digest={other}"), &[], b"")
        .await;
    assert_eq!(reply.refusal(), (400, "DIGEST_INVALID".to_owned()));
    assert_eq!(
        server.get(&format!("/v2/a/blobs/{other}")).await.status.as_u16(),
        404
    );
    assert_eq!(server.get(&location).await.status.as_u16(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_may_be_of_an_algorithm_that_was_not_announced() {
    let server = Server::start().await;
    let location = begin(&server, "a").await;
    server.ask("PATCH", &location, &[], b"abc").await;
    let digest = Digest::of(Algorithm::Sha512, b"abc");
    let reply = server
        .ask("PUT", &format!("{location}?digest={digest}"), &[], b"")
        .await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.text(), "abc");
    let reply = server
        .ask("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", &[], b"")
        .await;
    assert_eq!(reply.refusal(), (400, "DIGEST_INVALID".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_upload_is_gone() {
    let server = Server::start().await;
    let location = begin(&server, "a").await;
    assert_eq!(
        server.ask("DELETE", &location, &[], b"").await.status.as_u16(),
        204
    );
    assert_eq!(
        server.ask("DELETE", &location, &[], b"").await.status.as_u16(),
        404
    );
    assert_eq!(
        server.ask("PATCH", &location, &[], b"x").await.status.as_u16(),
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_have_a_largest_size() {
    let mut options = options();
    options.limits.blob_bytes_max = 4;
    let server = Server::with(options).await;
    server.push_blob("a", b"1234").await;
    let digest = Digest::sha256_of(b"12345");
    let reply = server
        .ask(
            "POST",
            &format!("/v2/a/blobs/uploads/?digest={digest}"),
            &[],
            b"12345",
        )
        .await;
    assert_eq!(reply.refusal(), (413, "SIZE_INVALID".to_owned()));
    let location = begin(&server, "a").await;
    server.ask("PATCH", &location, &[], b"123").await;
    assert_eq!(
        server.ask("PATCH", &location, &[], b"45").await.status.as_u16(),
        413
    );
}

/// A body that breaks off after its first piece.
struct Broken(Option<Bytes>);

impl Body for Broken {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let piece = self.0.take().map(Frame::data);
        std::task::Poll::Ready(Some(piece.ok_or("broken off")))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_connection_answers_are_the_same_and_what_came_is_kept() {
    let server = Server::start().await;
    let location = begin(&server, "a").await;
    let ask = async |method: &str, path: &str, body| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        let answer = server.registry.ask(server.address, request.body(body).unwrap());
        answer.await.unwrap()
    };
    let piece = Bytes::from_static(b"abc");
    let answer = ask("PATCH", &location, Broken(Some(piece)).boxed_unsync()).await;
    assert_eq!(answer.status().as_u16(), 400);
    assert_eq!(server.get(&location).await.header("range"), "0-2");
    let whole = |content: &'static [u8]| {
        let body = Full::new(Bytes::from_static(content));
        body.map_err(|never| match never {}).boxed_unsync()
    };
    let digest = Digest::sha256_of(b"abcdef");
    let answer = ask("PUT", &format!("{location}?digest={digest}"), whole(b"def")).await;
    assert_eq!(answer.status().as_u16(), 201);
    let path = format!("/v2/a/blobs/{digest}");
    let answer = ask("GET", &path, whole(b"")).await;
    assert_eq!(&answer.body()[..], b"abcdef");
    let answer = ask("HEAD", &path, whole(b"")).await;
    assert_eq!(
        (&answer.headers()["content-length"], answer.body().len()),
        (&6.into(), 0)
    );
}
