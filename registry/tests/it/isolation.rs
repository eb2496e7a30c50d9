//! The ways to a blob or a right that somebody does not have.

use oci::Digest;

use crate::server::{Server, image_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_of_another_package_is_out_of_reach_until_it_is_mounted() {
    let server = Server::start().await;
    let digest = server.push_blob("mine", b"secret").await;
    let path = format!("/v2/theirs/blobs/{digest}");
    for method in ["HEAD", "GET", "DELETE"] {
        assert_eq!(
            server.ask(method, &path, &[], b"").await.status.as_u16(),
            404,
            "{method}"
        );
    }
    let config = server.push_blob("theirs", b"{}").await;
    let manifest = image_of(config, digest, 6);
    let reply = server.put_manifest("theirs", "latest", &manifest).await;
    assert_eq!(reply.refusal(), (400, "MANIFEST_BLOB_UNKNOWN".to_owned()));
    assert_eq!(
        server.get("/v2/theirs/manifests/latest").await.status.as_u16(),
        404
    );
    let mount = format!("/v2/theirs/blobs/uploads/?mount={digest}&from=nobody");
    assert_eq!(server.ask("POST", &mount, &[], b"").await.status.as_u16(), 202);
    let mount = format!("/v2/theirs/blobs/uploads/?mount={digest}&from=mine");
    assert_eq!(server.ask("POST", &mount, &[], b"").await.status.as_u16(), 201);
    assert_eq!(server.get(&path).await.text(), "secret");
    assert_eq!(
        server
            .put_manifest("theirs", "latest", &manifest)
            .await
            .status
            .as_u16(),
        201
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_without_a_source_finds_one_or_begins_an_upload() {
    let server = Server::start().await;
    let digest = server.push_blob("a", b"x").await;
    let mount = format!("/v2/b/blobs/uploads/?mount={digest}");
    assert_eq!(server.ask("POST", &mount, &[], b"").await.status.as_u16(), 201);
    let unknown = Digest::sha256_of(b"unknown");
    let mount = format!("/v2/b/blobs/uploads/?mount={unknown}");
    assert_eq!(server.ask("POST", &mount, &[], b"").await.status.as_u16(), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_of_the_package_that_it_was_begun_in() {
    let server = Server::start().await;
    let reply = server.ask("POST", "/v2/a/blobs/uploads/", &[], b"").await;
    let location = reply.header("location").replace("/v2/a/", "/v2/b/");
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(
            server.ask(method, &location, &[], b"x").await.status.as_u16(),
            404,
            "{method}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_come_from_elsewhere_only_read() {
    let server = Server::start().await;
    let digest = server.push_image("a", "latest", b"layer").await;
    let elsewhere: [&[(&str, &str)]; 3] = [
        &[("host", "registry.example")],
        &[("x-forwarded-for", "10.0.0.1")],
        &[("origin", "http://evil.example")],
    ];
    for headers in elsewhere {
        let read = server.ask("GET", "/v2/a/manifests/latest", headers, b"").await;
        assert_eq!(read.status.as_u16(), 200, "{headers:?}");
        for (method, path) in [
            ("POST", "/v2/a/blobs/uploads/".to_owned()),
            ("PUT", "/v2/a/manifests/other".to_owned()),
            ("DELETE", format!("/v2/a/manifests/{digest}")),
            ("DELETE", format!("/v2/a/blobs/{digest}")),
        ] {
            let reply = server.ask(method, &path, headers, b"{}").await;
            assert_eq!(
                reply.refusal(),
                (403, "DENIED".to_owned()),
                "{method} {path} {headers:?}"
            );
        }
    }
    assert_eq!(server.get("/v2/a/manifests/latest").await.status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_one_host_and_asks_for_what_is_there() {
    let server = Server::start().await;
    let two = [("host", "localhost"), ("host", "registry.example")];
    assert_eq!(server.ask("GET", "/v2/", &two, b"").await.status.as_u16(), 400);
    assert_eq!(
        server
            .ask("GET", "/v2/", &[("host", "")], b"")
            .await
            .status
            .as_u16(),
        400
    );
    let reply = server.ask("OPTIONS", "/v2/", &[], b"").await;
    assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "GET, HEAD"));
}
