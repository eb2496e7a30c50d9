//! Container Registry's and Artifact Registry's hosts.

use serde_json::Value;

use oci::Digest;
use registry::{HostRoutes, Options, Writes};

use crate::server::{Reply, Server, image_of};

const GCR: &[(&str, &str)] = &[("host", "gcr.io")];
const PKG: (&str, &str) = ("host", "us-docker.pkg.dev");
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

#[tokio::test(flavor = "multi_thread")]
async fn one_repository_is_reached_by_several_hosts() {
    let server = Server::with(options()).await;
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

/// Nobody is on this machine by the name of gcr.io.
fn options() -> Options {
    let mut options = crate::server::options();
    options.writes = Writes::Anybody;
    options
}

fn strict() -> Options {
    let mut options = options();
    options.routes = options.routes.strict();
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_host_deletes_only_what_nothing_holds() {
    for strictly in [true, false] {
        let server = Server::with(if strictly { strict() } else { options() }).await;
        let image = push_image(&server, "p/a", "v1").await;
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{{"mediaType":"{IMAGE}","digest":"{image}","size":1}}]}}"#
        );
        let pushed = put(&server, "/v2/p/a/manifests/all", INDEX, &index).await;
        assert_eq!(pushed.status.as_u16(), 201, "{}", pushed.text());
        let index = Digest::sha256_of(index.as_bytes());
        let referrer = format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[],"subject":{{"mediaType":"{IMAGE}","digest":"{image}","size":1}}}}"#
        );
        let digest = Digest::sha256_of(referrer.as_bytes());
        let pushed = put(&server, &format!("/v2/p/a/manifests/{digest}"), INDEX, &referrer).await;
        assert_eq!(pushed.header("oci-subject"), image.to_string());
        let delete = async |reference: String| {
            let path = format!("/v2/p/a/manifests/{reference}");
            server.ask("DELETE", &path, GCR, b"").await
        };
        if !strictly {
            assert_eq!(delete(image.to_string()).await.status.as_u16(), 202);
            continue;
        }
        let reply = delete(image.to_string()).await;
        assert_eq!(reply.refusal(), (400, "GOOGLE_MANIFEST_DANGLING_TAG".to_owned()));
        assert!(reply.text().contains("Manifest is still referenced by tag: v1"));
        assert_eq!(delete("v1".to_owned()).await.status.as_u16(), 202);
        let reply = delete(image.to_string()).await;
        let dangling_parent = (400, "GOOGLE_MANIFEST_DANGLING_PARENT_IMAGE".to_owned());
        assert_eq!(reply.refusal(), dangling_parent);
        // A tool takes the last word of the message for the parent.
        assert!(
            reply.text().contains(&format!("image: {index}\"")),
            "{}",
            reply.text()
        );
        for reference in ["all".to_owned(), index.to_string()] {
            assert_eq!(delete(reference).await.status.as_u16(), 202);
        }
        let reply = delete(image.to_string()).await;
        assert_eq!(reply.refusal(), dangling_parent);
        assert!(reply.text().contains("GOOGLE_MANIFEST_REFERRING_MANIFEST"));
        for gone in [digest, image] {
            assert_eq!(delete(gone.to_string()).await.status.as_u16(), 202);
            assert_eq!(delete(gone.to_string()).await.refusal().1, "MANIFEST_UNKNOWN");
        }
        // Elsewhere the specification counts.
        let other = server.push_image("a", "v1", b"layer").await;
        let reply = server
            .ask("DELETE", &format!("/v2/a/manifests/{other}"), &[], b"")
            .await;
        assert_eq!(reply.status.as_u16(), 202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_host_gives_a_manifest_to_who_accepts_it() {
    let server = Server::with(strict()).await;
    push_image(&server, "p/a", "v1").await;
    let ask = async |accept: &str| {
        let headers = [GCR[0], ("accept", accept)];
        server.ask("GET", "/v2/p/a/manifests/v1", &headers, b"").await
    };
    assert_eq!(ask(&format!("{INDEX}, {IMAGE}")).await.status.as_u16(), 200);
    let reply = ask(INDEX).await;
    assert_eq!(reply.refusal(), (404, "MANIFEST_UNKNOWN".to_owned()));
    let expected = format!("Manifest with tag 'v1' has media type '{IMAGE}', but client accepts '{INDEX}'.");
    assert!(reply.text().contains(&expected), "{}", reply.text());
    let lenient = Server::with(options()).await;
    push_image(&lenient, "p/a", "v1").await;
    let headers = [GCR[0], ("accept", INDEX)];
    let reply = lenient.ask("GET", "/v2/p/a/manifests/v1", &headers, b"").await;
    assert_eq!(reply.status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_artifact_registry_takes_no_chunks() {
    let server = Server::with(strict()).await;
    for (host, name, chunks) in [(PKG, "p/r/a", 400), (GCR[0], "p/a", 202)] {
        let begin = async || {
            let path = format!("/v2/{name}/blobs/uploads/");
            let reply = server.ask("POST", &path, &[host], b"").await;
            reply.header("location").to_owned()
        };
        let location = begin().await;
        let ranged = [host, ("content-range", "0-2")];
        let reply = server.ask("PATCH", &location, &ranged, b"abc").await;
        assert_eq!(reply.status.as_u16(), chunks, "{}", reply.text());
        // In one stream, as most clients send it.
        let location = begin().await;
        assert_eq!(
            server
                .ask("PATCH", &location, &[host], b"abc")
                .await
                .status
                .as_u16(),
            202
        );
        assert_eq!(
            server
                .ask("PATCH", &location, &[host], b"def")
                .await
                .status
                .as_u16(),
            chunks
        );
        let content: &[u8] = if chunks == 400 { b"abc" } else { b"abcdef" };
        let path = format!("{location}?digest={}", Digest::sha256_of(content));
        let reply = server.ask("PUT", &path, &[host], b"").await;
        assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_several_hosts_is_told_which_one_is_meant() {
    let server = Server::with(options()).await;
    let image = push_image(&server, "p/a", "v1").await;
    server.push_image("p/a", "v2", b"of the default repository").await;
    // As containerd does: HEAD by tag, GET by digest, and what the manifest names.
    let ask = async |method: &str, path: &str| server.ask(method, path, &[], b"").await;
    let reply = ask("HEAD", "/v2/p/a/manifests/v1?ns=gcr.io").await;
    assert_eq!(reply.header("docker-content-digest"), image.to_string());
    assert_eq!(reply.header("oci-namespace"), "gcr.io");
    let reply = ask("GET", &format!("/v2/p/a/manifests/{image}?ns=GCR.io:443")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("oci-namespace")),
        (200, "GCR.io:443")
    );
    let config = Digest::sha256_of(b"{}");
    let reply = ask("GET", &format!("/v2/p/a/blobs/{config}?ns=gcr.io")).await;
    assert_eq!((reply.text(), reply.header("oci-namespace")), ("{}", "gcr.io"));
    let reply = ask("GET", "/v2/p/gcr.io/a/manifests/v1?ns=us-docker.pkg.dev").await;
    assert_eq!(reply.status.as_u16(), 200);
    // A host of which there is no route says nothing.
    for namespace in ["docker.io", "", "localhost", "-docker.pkg.dev"] {
        let reply = ask("GET", &format!("/v2/p/a/manifests/v1?ns={namespace}")).await;
        assert_eq!((reply.status.as_u16(), reply.header("oci-namespace")), (404, ""));
        let reply = ask("GET", &format!("/v2/p/a/manifests/v2?ns={namespace}")).await;
        assert_eq!((reply.status.as_u16(), reply.header("oci-namespace")), (200, ""));
    }
    // Where a route names the host, that one has decided.
    let eu = [("host", "eu.gcr.io")];
    let reply = server
        .ask("GET", "/v2/p/a/manifests/v1?ns=gcr.io", &eu, b"")
        .await;
    assert_eq!((reply.status.as_u16(), reply.header("oci-namespace")), (404, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_goes_where_it_was_sent() {
    // This machine may write to hosts of its own name only, whatever it says of others.
    let server = Server::start().await;
    let digest = server.push_image("p/a", "v1", b"layer").await;
    for (method, path) in [
        ("PUT", "/v2/p/b/manifests/v1?ns=gcr.io"),
        ("POST", "/v2/p/b/blobs/uploads/?ns=gcr.io"),
        ("DELETE", "/v2/p/b/manifests/v1?ns=gcr.io"),
    ] {
        let reply = server.ask(method, path, &[], b"{}").await;
        assert_eq!(reply.header("oci-namespace"), "", "{method}");
        let reply = server.ask(method, path, GCR, b"{}").await;
        assert_eq!(reply.refusal(), (403, "DENIED".to_owned()), "{method}");
        let elsewhere = [("host", "registry.example")];
        let path = path.replace("gcr.io", "localhost");
        let reply = server.ask(method, &path, &elsewhere, b"{}").await;
        assert_eq!(reply.refusal(), (403, "DENIED".to_owned()), "{method}");
    }
    let path = format!("/v2/p/a/manifests/{digest}");
    let reply = server.ask("DELETE", &format!("{path}?ns=gcr.io"), &[], b"").await;
    assert_eq!(reply.status.as_u16(), 202);
    assert_eq!(server.get(&path).await.status.as_u16(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_can_be_switched_off_for_all_and_for_one_route() {
    let mut off = options();
    off.routes = off.routes.without_namespaces();
    let mut closed = options();
    let private = registry::HostRoute {
        host: "gcr.io".to_owned(),
        style: registry::Style::Whole("projects/x/locations/y/repositories/z".parse().unwrap()),
        strict: false,
        namespace: false,
    };
    let google = HostRoutes::google("projects/d/locations/l/repositories/r".parse().unwrap()).unwrap();
    closed.routes = google.with(vec![private]);
    for options in [off, closed] {
        let server = Server::with(options).await;
        push_image(&server, "p/a", "v1").await;
        let reply = server.get("/v2/p/a/manifests/v1?ns=gcr.io").await;
        assert_eq!((reply.status.as_u16(), reply.header("oci-namespace")), (404, ""));
    }
}

async fn put(server: &Server, path: &str, media_type: &str, manifest: &str) -> Reply {
    let headers = [GCR[0], ("content-type", media_type)];
    server.ask("PUT", path, &headers, manifest.as_bytes()).await
}

/// An image at gcr.io.
async fn push_image(server: &Server, name: &str, tag: &str) -> Digest {
    let config = push(server, name, b"{}").await;
    let layer = push(server, name, b"layer").await;
    let manifest = image_of(config, layer, 5);
    let path = format!("/v2/{name}/manifests/{tag}");
    let reply = put(server, &path, IMAGE, &manifest).await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    Digest::sha256_of(manifest.as_bytes())
}

async fn push(server: &Server, name: &str, content: &[u8]) -> Digest {
    let digest = Digest::sha256_of(content);
    let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
    let reply = server.ask("POST", &path, GCR, content).await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    digest
}
