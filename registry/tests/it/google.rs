//! Container Registry's and Artifact Registry's hosts.

use serde_json::Value;

use crate::server::{Server, image_of};

const GCR: &[(&str, &str)] = &[("host", "gcr.io")];

#[tokio::test(flavor = "multi_thread")]
async fn one_repository_is_reached_by_several_hosts() {
    let mut options = crate::server::options();
    // Nobody is on this machine by the name of gcr.io.
    options.writes = registry::Writes::Anybody;
    let server = Server::with(options).await;
    let config = push(&server, "p/a/b", b"{}").await;
    let layer = push(&server, "p/a/b", b"layer").await;
    let manifest = image_of(config, layer, 5);
    let headers = [
        GCR[0],
        ("content-type", "application/vnd.oci.image.manifest.v1+json"),
    ];
    let reply = server
        .ask("PUT", "/v2/p/a/b/manifests/v1", &headers, manifest.as_bytes())
        .await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    let there = [("host", "us-docker.pkg.dev")];
    let reply = server
        .ask("GET", "/v2/p/gcr.io/a/b/manifests/v1", &there, b"")
        .await;
    assert_eq!(reply.text(), manifest);
    let reply = server
        .ask("GET", "/v2/p/a/b/manifests/v1", &[("host", "eu.gcr.io")], b"")
        .await;
    assert_eq!(reply.status.as_u16(), 404);

    let listing = |path: &'static str| {
        let server = &server;
        async move { serde_json::from_slice::<Value>(&server.ask("GET", path, GCR, b"").await.body).unwrap() }
    };
    assert_eq!(
        listing("/v2/p/tags/list").await["child"],
        serde_json::json!(["a"])
    );
    assert_eq!(
        listing("/v2/p/a/tags/list").await["child"],
        serde_json::json!(["b"])
    );
    let after = listing("/v2/p/a/b/tags/list?last=v1").await;
    assert_eq!(after["tags"], serde_json::json!([]));
    let image = listing("/v2/p/a/b/tags/list").await;
    assert_eq!(
        (&image["tags"], &image["child"]),
        (&serde_json::json!(["v1"]), &serde_json::json!([]))
    );
    let entry = image["manifest"].as_object().unwrap().values().next().unwrap();
    assert_eq!(
        entry["imageSizeBytes"],
        Value::from((7 + manifest.len()).to_string())
    );
    assert_eq!(entry["timeUploadedMs"], "1800000000000");
    assert_eq!(
        server.ask("GET", "/v2/q/tags/list", GCR, b"").await.refusal().1,
        "NAME_UNKNOWN"
    );
    assert_eq!(
        server.ask("GET", "/v2/_catalog", GCR, b"").await.status.as_u16(),
        404
    );
}

async fn push(server: &Server, name: &str, content: &[u8]) -> oci::Digest {
    let digest = oci::Digest::sha256_of(content);
    let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
    let reply = server.ask("POST", &path, GCR, content).await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    digest
}
