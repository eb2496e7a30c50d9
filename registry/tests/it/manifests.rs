use oci::Digest;
use store::{Actor, ImmutableTags, Repositories as _};

use crate::server::{Server, image_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_tag_is_seen_at_once_and_bytes_stay_as_they_were() {
    let server = Server::start().await;
    let first = server.push_image("a", "latest", b"1").await;
    for _ in 0..2 {
        let reply = server.get("/v2/a/manifests/latest").await;
        assert_eq!(reply.header("docker-content-digest"), first.to_string());
        assert_eq!(Digest::sha256_of(&reply.body), first);
    }
    let second = server.push_image("a", "latest", b"2").await;
    assert_eq!(
        server
            .get("/v2/a/manifests/latest")
            .await
            .header("docker-content-digest"),
        second.to_string()
    );
    let etag = format!("\"{second}\"");
    let reply = server
        .ask("GET", "/v2/a/manifests/latest", &[("if-none-match", &etag)], b"")
        .await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (304, 0));
    assert_eq!(
        server
            .ask("DELETE", "/v2/a/manifests/latest", &[], b"")
            .await
            .status
            .as_u16(),
        202
    );
    assert_eq!(server.get("/v2/a/manifests/latest").await.status.as_u16(), 404);
    assert_eq!(
        server
            .get(&format!("/v2/a/manifests/{second}"))
            .await
            .status
            .as_u16(),
        200
    );
    assert_eq!(
        server
            .ask("DELETE", &format!("/v2/a/manifests/{second}"), &[], b"")
            .await
            .status
            .as_u16(),
        202
    );
    assert_eq!(
        server
            .get(&format!("/v2/a/manifests/{second}"))
            .await
            .status
            .as_u16(),
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_manifest_is_refused_in_words() {
    let server = Server::start().await;
    for (manifest, words) in [
        ("{", "cannot be read"),
        (r#"{"schemaVersion":1,"fsLayers":[]}"#, "schema 1"),
        (r#"{"schemaVersion":2}"#, "missing field `config`"),
    ] {
        let reply = server.put_manifest("a", "latest", manifest).await;
        assert_eq!(reply.refusal(), (400, "MANIFEST_INVALID".to_owned()));
        assert!(reply.text().contains(words), "{}", reply.text());
    }
    let large = format!(
        r#"{{"schemaVersion":2,"x":"{}"}}"#,
        "x".repeat(oci::MANIFEST_BYTES_MAX)
    );
    assert_eq!(
        server.put_manifest("a", "latest", &large).await.refusal(),
        (413, "SIZE_INVALID".to_owned())
    );
    let child = Digest::sha256_of(b"missing");
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{child}","size":7}}]}}"#
    );
    let headers = [("content-type", "application/vnd.oci.image.index.v1+json")];
    let reply = server
        .ask("PUT", "/v2/a/manifests/all", &headers, index.as_bytes())
        .await;
    assert_eq!(reply.refusal(), (400, "MANIFEST_BLOB_UNKNOWN".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_push_sets_several_tags_and_lists_are_paged() {
    let server = Server::start().await;
    let layer = server.push_blob("a", b"layer").await;
    let config = server.push_blob("a", b"{}").await;
    let manifest = image_of(config, layer, 5);
    let digest = Digest::sha256_of(manifest.as_bytes());
    let reply = server
        .put_manifest("a", &format!("{digest}?tag=v1&tag=v2&tag=v3"), &manifest)
        .await;
    assert_eq!((reply.status.as_u16(), reply.header("oci-tag")), (201, "v1"));
    let page = server.get("/v2/a/tags/list?n=2").await;
    assert_eq!(page.text(), r#"{"name":"a","tags":["v1","v2"]}"#);
    assert_eq!(
        page.header("link"),
        r#"</v2/a/tags/list?n=2&last=v2>; rel="next""#
    );
    let page = server.get("/v2/a/tags/list?n=2&last=v2").await;
    assert_eq!(
        (page.text(), page.header("link")),
        (r#"{"name":"a","tags":["v3"]}"#, "")
    );
    assert_eq!(
        server.get("/v2/unknown/tags/list").await.refusal(),
        (404, "NAME_UNKNOWN".to_owned())
    );
    assert_eq!(
        server.get("/v2/_catalog").await.text(),
        r#"{"repositories":["a"]}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn referrers_are_found_by_the_listing_and_by_the_fallback_tag() {
    let server = Server::start().await;
    let subject = server.push_image("a", "latest", b"layer").await;
    let layer = server.push_blob("a", b"sbom").await;
    let config = server.push_blob("a", b"{}").await;
    let referrer = image_of(config, layer, 4).replacen(
        '{',
        &format!(
            r#"{{"artifactType":"application/spdx+json","subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{subject}","size":1}},"#
        ),
        1,
    );
    let digest = Digest::sha256_of(referrer.as_bytes());
    let reply = server.put_manifest("a", &digest.to_string(), &referrer).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("oci-subject")),
        (201, subject.to_string().as_str())
    );
    // An older client's way.
    let old = server.push_image("a", "old", b"signature").await;
    let fallback = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{old}","size":7,"artifactType":"signature/x"}}]}}"#
    );
    let headers = [("content-type", "application/vnd.oci.image.index.v1+json")];
    let tag = format!("/v2/a/manifests/sha256-{}", subject.hex());
    assert_eq!(
        server
            .ask("PUT", &tag, &headers, fallback.as_bytes())
            .await
            .status
            .as_u16(),
        201
    );
    let listing = server.get(&format!("/v2/a/referrers/{subject}")).await;
    assert!(listing.text().contains(&digest.to_string()) && listing.text().contains(&old.to_string()));
    let filtered = server
        .get(&format!("/v2/a/referrers/{subject}?artifactType=signature/x"))
        .await;
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    assert!(!filtered.text().contains(&digest.to_string()) && filtered.text().contains(&old.to_string()));
    // Deleted here, it may still stand in the client's index.
    let deleted = server
        .ask("DELETE", &format!("/v2/a/manifests/{old}"), &[], b"")
        .await;
    assert_eq!(deleted.status.as_u16(), 202);
    let listing = server.get(&format!("/v2/a/referrers/{subject}")).await;
    assert!(listing.text().contains(&digest.to_string()) && !listing.text().contains(&old.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_with_too_many_tags_sets_none() {
    let server = Server::start().await;
    let layer = server.push_blob("a", b"layer").await;
    let config = server.push_blob("a", b"{}").await;
    let manifest = image_of(config, layer, 5);
    let digest = Digest::sha256_of(manifest.as_bytes());
    let push = |count: usize| {
        let tags: String = (0..count).map(|number| format!("&tag=v{number}")).collect();
        format!("{digest}?x{tags}")
    };
    let reply = server.put_manifest("a", &push(65), &manifest).await;
    assert_eq!(reply.refusal(), (414, "TAG_INVALID".to_owned()));
    assert_eq!(
        server
            .get(&format!("/v2/a/manifests/{digest}"))
            .await
            .status
            .as_u16(),
        404
    );
    assert_eq!(
        server
            .put_manifest("a", &push(64), &manifest)
            .await
            .status
            .as_u16(),
        201
    );
    let tags: serde_json::Value = serde_json::from_slice(&server.get("/v2/a/tags/list").await.body).unwrap();
    assert_eq!(tags["tags"].as_array().unwrap().len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_told_what_its_user_cannot_know() {
    let server = Server::start().await;
    let digest = server.push_image("a", "v1", b"layer").await;
    let metadata = server.directory.metadata();
    let path = "projects/d/locations/l/repositories/r".parse().unwrap();
    let mut repository = metadata.repository(&path).await.unwrap().unwrap();
    repository.immutable_tags = ImmutableTags::Matching(vec!["v*".to_owned()]);
    let ann = Actor("ann".to_owned());
    let update = metadata.update_repository(&repository, &ann);
    update.await.unwrap().unwrap();
    let image = server
        .get(&format!("/v2/a/manifests/{digest}"))
        .await
        .text()
        .to_owned();
    assert!(
        server
            .put_manifest("a", "latest", &image)
            .await
            .all("warning")
            .is_empty()
    );
    let reply = server.put_manifest("a", "v1", &image).await;
    assert_eq!(
        reply.all("warning"),
        [r#"299 - "Tag v1 is immutable here: it cannot be moved or deleted any more.""#]
    );
    let foreign = image.replace("layer.v1.tar", "layer.nondistributable.v1.tar");
    let reply = server.put_manifest("a", "foreign", &foreign).await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    let warnings = reply.all("warning");
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("299 - \"1 of the layers"),
        "{warnings:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_of_referrers_keeps_the_filter_and_the_namespace() {
    let server = Server::start().await;
    let subject = server.push_image("a", "v1", b"layer").await;
    let kind = "application/vnd.example+json";
    for number in 0..3 {
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":"{kind}","manifests":[],"annotations":{{"n":"{number}"}},"subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{subject}","size":1}}}}"#
        );
        let digest = Digest::sha256_of(index.as_bytes());
        let headers = [("content-type", "application/vnd.oci.image.index.v1+json")];
        let path = format!("/v2/a/manifests/{digest}");
        let reply = server.ask("PUT", &path, &headers, index.as_bytes()).await;
        assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    }
    let mut path =
        format!("/v2/a/referrers/{subject}?n=1&artifactType=application/vnd.example%2Bjson&ns=docker.io");
    for page in 1..=3 {
        let reply = server.get(&path).await;
        let index: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "page {page}");
        assert_eq!(index["manifests"][0]["artifactType"], kind);
        let link = reply.header("link");
        assert_eq!(link.is_empty(), page == 3, "{link}");
        if page < 3 {
            path = link.split(['<', '>']).nth(1).unwrap().to_owned();
            assert!(path.contains("ns=docker.io"), "{path}");
        }
    }
}
