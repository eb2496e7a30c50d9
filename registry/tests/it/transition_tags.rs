//! Tags that moved at the old side before they changed hands, and what may go wrong when they are compared. The old side is a
//! registry that misbehaves on request where it has to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use oci::Digest;
use serde_json::json;
use store::{Content as _, PackagePath, RepositoryPath, Transition, TransitionState, Transitions as _};
use testkit::registry::{FakeRegistry, Trouble, Ways};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::accounts::{DEFAULT, nobody};
use crate::server::image_of;
use crate::sides::{
    Sides, administer, administer_path, before, ensure_repository, hold, is_here, message, shift, switch_off,
    tag, until,
};

/// `v1` was copied, and moved at the old side before this side owned the tags: what it names there.
async fn moved_before_the_tags_changed_hands(sides: &Sides) -> String {
    sides.canary(100).await;
    assert_eq!(tag(&sides.new, "a", "v1").await.0, 200);
    until("it is kept", async || sides.is_here("v1").await).await;
    let moved = sides.old.push_image("team/a", "v1", b"moved").await.to_string();
    sides.new.clock.forward(1);
    sides.shift("enabled-and-copying", json!({})).await;
    moved
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moved_before_the_tags_changed_hands_is_read_as_it_was_there_then() {
    let sides = Sides::open().await;
    sides.old.push_image("team/a", "w", b"layer").await;
    sides.canary(100).await;
    assert_eq!(tag(&sides.new, "a", "w").await.0, 200);
    until("it is kept", async || sides.is_here("w").await).await;
    let moved = moved_before_the_tags_changed_hands(&sides).await;
    let pushed = sides.new.push_image("a", "w", b"pushed here").await.to_string();
    assert_eq!(tag(&sides.new, "a", "v1").await, (200, moved));
    assert_eq!(tag(&sides.new, "a", "w").await, (200, pushed));
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_were_pulled_in_part_are_whole_before_the_old_side_is_let_go() {
    let sides = Sides::open().await;
    let config = sides.old.push_blob("team/a", b"{}").await;
    let layer = sides.old.push_blob("team/a", b"of a child").await;
    let child = image_of(config, layer, 10);
    let put = sides.old.put_manifest("team/a", "child", &child).await;
    assert_eq!(put.status.as_u16(), 201, "{}", put.text());
    let digest = Digest::sha256_of(child.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":{}}}]}}"#,
        child.len()
    );
    let headers = [("content-type", "application/vnd.oci.image.index.v1+json")];
    let put = sides
        .old
        .ask("PUT", "/v2/team/a/manifests/all", &headers, index.as_bytes());
    assert_eq!(put.await.status.as_u16(), 201);
    sides.canary(100).await;
    for name in ["v1", "all"] {
        // Neither its layers nor its children are pulled.
        assert_eq!(tag(&sides.new, "a", name).await.0, 200);
        until("it is kept", async || sides.is_here(name).await).await;
    }
    sides.shift("enabled", json!({})).await;
    switch_off(sides.old).await;
    assert_eq!(tag(&sides.new, "a", &digest.to_string()).await.0, 200);
    for content in ["layer", "{}", "of a child"] {
        let path = format!("/v2/a/blobs/{}", Digest::sha256_of(content.as_bytes()));
        assert_eq!(sides.new.get(&path).await.text(), content);
    }
}

/// A way to a server on which manifests that are pushed take a while; when the first one has begun is told.
async fn slow_for_manifests(to: SocketAddr) -> (SocketAddr, tokio::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, has_begun) = tokio::sync::mpsc::channel(9);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (begun, server) = (begun.clone(), TcpStream::connect(to).await.unwrap());
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                let mut piece = vec![0; 65_536];
                while let Ok(length @ 1..) = from_client.read(&mut piece).await {
                    if piece.starts_with(b"PUT /v2/team/a/manifests/") {
                        let _ = begun.send(()).await;
                        // Longer than every server needs to hear of a step.
                        tokio::time::sleep(Duration::from_secs(3)).await;
                    }
                    if to_server.write_all(&piece[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, has_begun)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_waits_for_pushes_that_the_old_side_is_still_taking() {
    let Sides { old, new } = Sides::open().await;
    let (way, mut has_begun) = slow_for_manifests(old.address).await;
    ensure_repository(&new).await;
    let canary = json!({"state": "partial-and-copying", "readsPercent": "100", "old": format!("{way}/team")});
    let (status, told) = message(&new, "shift", &canary).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(tag(&new, "a", "v1").await.0, 200);
    until("it is kept", async || is_here(&new, "v1").await).await;
    new.clock.forward(1);
    let new = Arc::new(new);
    let pushing = Arc::clone(&new);
    let push = tokio::spawn(async move { pushing.push_image("a", "v1", b"pushed last").await });
    has_begun.recv().await.unwrap();
    let (status, told) = message(&new, "shift", &json!({"state": "enabled"})).await;
    assert_eq!(status, 200, "{told}");
    let pushed = push.await.unwrap().to_string();
    assert_eq!(tag(&new, "a", "v1").await, (200, pushed));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_completed_keeps_the_old_side_asked() {
    let path = format!("GET /v2/team/a/blobs/{}", Digest::sha256_of(b"layer"));
    for (trouble, expected) in [
        (Trouble::Status(403, Vec::new()), 400),
        (Trouble::Flip, 400),
        // As a page for people is, which is shown while somebody works on a registry.
        (Trouble::Status(200, Vec::new()), 400),
        // What nobody can pull there is no reason to stay.
        (Trouble::Status(404, Vec::new()), 200),
    ] {
        let old = FakeRegistry::start(Ways::default());
        hold(&old, "team/a", "v1", b"layer");
        let new = before(&old, json!({"state": "enabled-and-copying"})).await;
        assert_eq!(tag(&new, "a", "v1").await.0, 200);
        until("it is kept", async || is_here(&new, "v1").await).await;
        for _ in 0..99 {
            old.trouble(&path, trouble.clone());
        }
        let (status, told) = message(&new, "shift", &json!({"state": "enabled"})).await;
        assert_eq!(status, expected, "{trouble:?}: {told}");
        assert_eq!(
            told.contains("team/a@sha256:"),
            expected == 400,
            "{trouble:?}: {told}"
        );
        let status = administer(&new, "GET", "transition", &json!({})).await.1;
        let state = ["enabled", "enabled-and-copying"][usize::from(expected == 400)];
        assert_eq!(status["state"], state, "{trouble:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_does_not_write_an_old_copy_of_a_tag_over_what_the_old_side_has() {
    let sides = Sides::open().await;
    let moved = moved_before_the_tags_changed_hands(&sides).await;
    let ours = sides.new.push_image("a", "ours", b"ours").await.to_string();
    let (status, answer) = sides.administer("POST", "rollback", &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(tag(&sides.old, "team/a", "v1").await, (200, moved));
    assert_eq!(tag(&sides.old, "team/a", "ours").await, (200, ours));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_compared_before_the_old_side_is_not_asked_any_more() {
    let sides = Sides::open().await;
    let moved = moved_before_the_tags_changed_hands(&sides).await;
    sides.shift("enabled", json!({})).await;
    switch_off(sides.old).await;
    assert_eq!(tag(&sides.new, "a", "v1").await, (200, moved));
    // The same in one step.
    let sides = Sides::open().await;
    sides.canary(100).await;
    assert_eq!(tag(&sides.new, "a", "v1").await.0, 200);
    until("it is kept", async || sides.is_here("v1").await).await;
    let moved = sides.old.push_image("team/a", "v1", b"moved").await.to_string();
    sides.new.clock.forward(1);
    sides.shift("enabled", json!({})).await;
    assert_eq!(tag(&sides.new, "a", "v1").await, (200, moved));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_cannot_be_compared_keep_the_old_side_asked_unless_they_may_stay() {
    let sides = Sides::open().await;
    moved_before_the_tags_changed_hands(&sides).await;
    let Sides { old, new } = sides;
    switch_off(old).await;
    let (status, told) = message(&new, "shift", &json!({"state": "enabled"})).await;
    assert!(status == 400 && told.contains("team/a:v1"), "{status} {told}");
    let status = administer(&new, "GET", "transition", &json!({})).await.1;
    assert_eq!(status["state"], "enabled-and-copying");
    let body = json!({"state": "enabled", "leaveUnsettled": true});
    let (status, told) = message(&new, "shift", &body).await;
    assert_eq!(status, 200, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_what_a_tag_names_already_is_not_undone_by_the_old_side() {
    let sides = Sides::open().await;
    let first = tag(&sides.old, "team/a", "v1").await;
    moved_before_the_tags_changed_hands(&sides).await;
    sides.new.push_image("a", "v1", b"layer").await;
    assert_eq!(tag(&sides.new, "a", "v1").await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_here_is_answered_although_what_it_moved_to_cannot_be_fetched() {
    let old = FakeRegistry::start(Ways::default());
    let first = hold(&old, "team/a", "v1", b"layer");
    let new = before(
        &old,
        json!({"state": "partial-and-copying", "readsPercent": "100"}),
    )
    .await;
    assert_eq!(tag(&new, "a", "v1").await, (200, first.clone()));
    until("it is kept", async || {
        let side = [("lightship-side", "here")];
        for blob in [Digest::sha256_of(b"layer"), Digest::sha256_of(b"{}")] {
            new.get(&format!("/v2/a/blobs/{blob}")).await;
        }
        let reply = new.ask("HEAD", "/v2/a/manifests/v1", &side, b"").await;
        reply.status.as_u16() == 200
    })
    .await;
    let moved = hold(&old, "team/a", "v1", b"moved");
    new.clock.forward(1);
    shift(&new, &old, json!({"state": "enabled-and-copying"})).await;
    let broken = Trouble::Status(500, Vec::new());
    for _ in 0..8 {
        old.trouble(&format!("GET /v2/team/a/manifests/{moved}"), broken.clone());
    }
    assert_eq!(tag(&new, "a", "v1").await, (200, first));
    // It is compared again with the next read.
    until("it is compared", async || {
        tag(&new, "a", "v1").await == (200, moved.clone())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_not_heard_of_it_does_not_move_tags_that_this_side_owns() {
    let sides = Sides::open().await;
    sides.canary(100).await;
    let first = tag(&sides.new, "a", "v1").await;
    until("it is kept", async || sides.is_here("v1").await).await;
    let path: RepositoryPath = DEFAULT.parse().unwrap();
    let metadata = sides.new.directory.metadata();
    let found = metadata.transitions().await.unwrap();
    let owned = Transition {
        state: TransitionState::EnabledAndCopying,
        owned_since: found[0].1.owned_since.or(Some(found[0].1.since)),
        ..found[0].1.clone()
    };
    // By another server; this one looks once in a second, and its clock stands still.
    let set = metadata.set_transition(&path, &owned, &nobody()).await;
    set.unwrap().unwrap();
    let moved = sides.old.push_image("team/a", "v1", b"moved").await;
    assert_ne!(
        tag(&sides.new, "a", "v1").await,
        first,
        "it is still a canary here"
    );
    let package = PackagePath {
        repository: path,
        name: "a".parse().unwrap(),
    };
    // What is asked for after it is kept after it; while it comes by its tag, it is not asked for again.
    until("it is kept", async || {
        assert_eq!(tag(&sides.new, "a", &moved.to_string()).await.0, 200);
        let kept = metadata.manifest(&package, &moved).await;
        kept.unwrap().is_some()
    })
    .await;
    let named = metadata.tagged(&package, &"v1".parse().unwrap()).await;
    assert_eq!(named.unwrap().unwrap().digest.to_string(), first.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_old_side_has_can_be_deleted_here() {
    let sides = Sides::open().await;
    let by_digest = sides
        .old
        .push_image("team/a", "w", b"by digest")
        .await
        .to_string();
    sides.old.push_image("team/b", "v1", b"of another").await;
    sides.shift("enabled-and-copying", json!({})).await;
    let new = &sides.new;
    let delete = async |path: &str| {
        let reply = new.ask("DELETE", path, &[], b"").await;
        reply.status.as_u16()
    };
    for reference in ["v1", &by_digest] {
        let path = format!("/v2/a/manifests/{reference}");
        assert_eq!(delete(&path).await, 202, "{reference}");
        assert_eq!(delete(&path).await, 404, "it is gone: {reference}");
        assert_eq!(tag(new, "a", reference).await.0, 404, "{reference}");
    }
    assert_eq!(tag(new, "a", "w").await.0, 404, "by its other name");
    assert_eq!(delete("/v2/a/manifests/none").await, 404);
    let blob = format!("/v2/b/blobs/{}", Digest::sha256_of(b"of another"));
    assert_eq!(delete(&blob).await, 202);
    assert_eq!(new.get(&blob).await.status.as_u16(), 404);
    // And a package as a whole, also with what of it was never copied.
    sides.old.push_image("team/b", "w", b"later").await;
    for (package, expected) in [("b", 200), ("b", 404), ("none", 404)] {
        let (status, answer) = administer_path(new, "DELETE", &format!("packages/{package}")).await;
        assert_eq!(status, expected, "{package}: {answer}");
    }
    for name in ["v1", "w"] {
        assert_eq!(tag(new, "b", name).await.0, 404, "{name}");
    }
    assert_eq!(new.get("/v2/b/tags/list").await.status.as_u16(), 404);
    let ours = new.push_image("b", "v1", b"ours").await.to_string();
    assert_eq!(tag(new, "b", "v1").await, (200, ours));
    assert_eq!(tag(new, "b", "w").await.0, 404);
    assert_eq!(tag(&sides.old, "team/b", "w").await.0, 200, "there it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_for_one_name_is_not_denied_to_another_that_asks_at_the_same_time() {
    let old = FakeRegistry::start(Ways::default());
    hold(&old, "team/y", "v1", b"layer");
    let new = Arc::new(before(&old, json!({"state": "enabled-and-copying"})).await);
    let layer = Digest::sha256_of(b"layer");
    let (begun, has_begun) = std::sync::mpsc::channel();
    old.before(&format!("GET /v2/team/x/blobs/{layer}"), move |_| {
        begun.send(()).unwrap();
        // Meanwhile the other asks, and joins; the old side says nothing to anybody until this ends.
        std::thread::sleep(std::time::Duration::from_millis(500));
    });
    let asking = Arc::clone(&new);
    let wrong = tokio::spawn(async move {
        let reply = asking.get(&format!("/v2/x/blobs/{layer}")).await;
        reply.status.as_u16()
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
        .await
        .unwrap();
    let right = new.get(&format!("/v2/y/blobs/{layer}")).await;
    assert_eq!((right.status.as_u16(), right.text()), (200, "layer"));
    assert_eq!(wrong.await.unwrap(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_passes_on_what_our_own_credential_is_told_is_not_there() {
    let old = FakeRegistry::start(Ways::default());
    let digest = hold(&old, "team/a", "v1", b"layer");
    let new = before(
        &old,
        json!({"state": "partial-and-copying", "readsPercent": "100"}),
    )
    .await;
    // What our credential may not see is not there for it.
    old.trouble("HEAD /v2/team/a/manifests/v1", Trouble::Status(404, Vec::new()));
    assert_eq!(tag(&new, "a", "v1").await, (200, digest));
    let status = administer(&new, "GET", "transition", &json!({})).await.1;
    assert_eq!(status["sides"]["deniedHereAnsweredThere"], 1, "{status}");
    // One answer, which is judged once.
    let judged = json!({"requests": 1, "failed": 1});
    assert_eq!(status["sides"]["lastRequestsHere"], judged, "{status}");
    assert_eq!(tag(&new, "a", "none").await.0, 404);
}
