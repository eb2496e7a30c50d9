//! What operators see and change while the registry serves.

use std::time::Duration;

use registry::NewRepositories;
use store::{Actor, CollectionOptions, GRACE_MIN};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::server::{Server, image_of, options};

#[tokio::test]
async fn each_request_is_told_once_without_its_query_and_under_an_id_of_ours() {
    let server = Server::start().await;
    let headers = [("x-request-id", "mine")];
    let reply = server
        .ask("GET", "/v2/a/tags/list?n=1&token=secret", &headers, b"")
        .await;
    let id = reply.header("x-request-id").to_owned();
    assert_ne!(id, "mine");
    assert_eq!(id.len(), 16);
    let told = server.told();
    let [record] = told.as_slice() else {
        panic!("{told:?}");
    };
    let length = reply.body.len();
    assert_eq!(
        record,
        &format!("{id} allUsers GET /v2/a/tags/list tags 404 {length}")
    );
}

#[tokio::test]
async fn a_collection_takes_untagged_manifests_also_from_memory_and_is_counted() {
    let server = Server::start().await;
    let first = server.push_image("a", "latest", b"first").await;
    server.push_image("a", "latest", b"second").await;
    let path = format!("/v2/a/manifests/{first}");
    assert_eq!(server.get(&path).await.status, 200);
    let options = CollectionOptions {
        grace: GRACE_MIN,
        upload_idle: GRACE_MIN,
        untagged_after: Some(Duration::from_secs(60)),
        dry_run: false,
        actor: Actor("test".to_owned()),
    };
    server.clock.forward(61);
    let report = server.registry.collect(&options).await.unwrap();
    assert_eq!(report.manifests, 1);
    assert_eq!(server.get(&path).await.status, 404);
    let metrics = server.get("/metrics").await;
    for line in [
        "lightship_collections_total{outcome=\"done\"} 1",
        "lightship_collection_freed_total{kind=\"manifest\"} 1",
        "lightship_collection_last_end_timestamp_seconds 1800000061",
        "lightship_manifest_cache_total{result=\"miss\"} 2",
    ] {
        assert!(
            metrics.text().contains(line),
            "{line} is not in\n{}",
            metrics.text()
        );
    }
}

#[tokio::test]
async fn an_upload_that_its_client_gives_up_is_not_open_any_more() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // With a digest the answer waits for the bytes.
    let digest = oci::Digest::sha256_of(b"");
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let uploads = async |count: u32| {
        let line = format!("lightship_open_requests{{operation=\"upload\"}} {count}\n");
        while !server.get("/metrics").await.text().contains(&line) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let limit = Duration::from_secs(120);
    assert!(tokio::time::timeout(limit, uploads(1)).await.is_ok());
    drop(stream);
    assert!(tokio::time::timeout(limit, uploads(0)).await.is_ok());
}

#[tokio::test]
async fn a_push_makes_a_repository_only_where_it_may() {
    let server = Server::start().await;
    let mut closed = options();
    closed.new_repositories = NewRepositories::Refused;
    server.registry.configure(closed);
    let reply = server.ask("POST", "/v2/a/blobs/uploads/", &[], b"").await;
    assert_eq!(reply.refusal(), (404, "NAME_UNKNOWN".to_owned()));

    let mut immutable = options();
    immutable.new_repositories = NewRepositories::Made {
        immutable_tags: store::ImmutableTags::Matching(vec!["v*".to_owned()]),
    };
    server.registry.configure(immutable);
    server.push_image("a", "v1", b"first").await;
    server.push_image("a", "latest", b"first").await;
    let config = server.push_blob("a", b"{}").await;
    let layer = server.push_blob("a", b"second").await;
    let manifest = image_of(config, layer, 6);
    let reply = server.put_manifest("a", "v1", &manifest).await;
    assert_eq!(reply.refusal(), (400, "TAG_INVALID".to_owned()));
    assert_eq!(server.put_manifest("a", "latest", &manifest).await.status, 201);
}
