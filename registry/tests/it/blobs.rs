use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn blobs_come_whole_and_in_parts() {
    let server = Server::start().await;
    let content: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let digest = server.push_blob("a", &content).await;
    let path = format!("/v2/a/blobs/{digest}");
    let reply = server.get(&path).await;
    assert!(reply.body == content);
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    let reply = server
        .ask("GET", &path, &[("range", "bytes=1000-700000")], b"")
        .await;
    assert_eq!(reply.status.as_u16(), 206);
    assert_eq!(reply.header("content-range"), "bytes 1000-700000/1048576");
    assert!(reply.body == content[1000..=700_000]);
    let reply = server
        .ask("GET", &path, &[("range", "bytes=1048576-")], b"")
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-range")),
        (416, "bytes */1048576")
    );
    let reply = server.ask("HEAD", &path, &[], b"").await;
    assert_eq!((reply.header("content-length"), reply.body.len()), ("1048576", 0));
    assert_eq!(server.ask("DELETE", &path, &[], b"").await.status.as_u16(), 202);
    assert_eq!(
        server.get(&path).await.refusal(),
        (404, "BLOB_UNKNOWN".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_a_blob_gets_no_more_than_what_it_lacks() {
    let server = Server::start().await;
    let digest = server.push_blob("a", b"0123456789").await;
    let path = format!("/v2/a/blobs/{}", digest.to_string().replace(':', "%3A"));
    let etag = server.get(&path).await.header("etag").to_owned();
    let known = server.ask("GET", &path, &[("if-none-match", &etag)], b"").await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    let range = ("range", "bytes=5-");
    let same = server.ask("GET", &path, &[range, ("if-range", &etag)], b"").await;
    assert_eq!((same.status.as_u16(), &same.body[..]), (206, &b"56789"[..]));
    let other = server
        .ask("GET", &path, &[range, ("if-range", "\"x\"")], b"")
        .await;
    assert_eq!((other.status.as_u16(), other.body.len()), (200, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_empty_blob_is_a_blob() {
    let server = Server::start().await;
    let digest = server.push_blob("a", b"").await;
    let reply = server.get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-length")),
        (200, "0")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn being_told_of_a_blob_renews_it() {
    let server = Server::start().await;
    let digest = server.push_blob("a", b"x").await;
    for _ in 0..3 {
        server.clock.forward(3000);
        let reply = server
            .ask("HEAD", &format!("/v2/a/blobs/{digest}"), &[], b"")
            .await;
        assert_eq!(reply.status.as_u16(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_that_it_lives_and_what_it_does() {
    let server = Server::start().await;
    server.push_blob("a", b"x").await;
    assert_eq!(server.get("/healthz").await.text(), "ok\n");
    assert_eq!(server.get("/readyz").await.text(), "ready\n");
    let metrics = server.get("/metrics").await;
    let line = r#"lightship_requests_total{operation="upload",status="2xx"} 1"#;
    assert!(
        metrics.text().lines().any(|metric| metric == line),
        "{}",
        metrics.text()
    );
    assert!(metrics.text().contains("lightship_received_bytes_total 1\n"));
}
