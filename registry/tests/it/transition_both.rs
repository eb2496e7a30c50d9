//! Pushes to both sides, pushes that a step back overtakes, lists, and virtual repositories with members that are moved.

use std::sync::Arc;

use oci::Digest;
use serde_json::{Value, json};
use store::{Content as _, PackagePath, TagMove};
use testkit::registry::{FakeRegistry, Trouble, Ways};

use crate::accounts::{DEFAULT, nobody};
use crate::server::{Server, image_of};
use crate::sides::{Sides, administer, before, hold, shift, tag, until};

async fn owed(new: &Server) -> Value {
    let status = administer(new, "GET", "transition", &json!({})).await.1;
    status["owedToOld"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_pushes_of_a_tag_at_once_the_older_does_not_come_last_at_the_old_side() {
    let old = FakeRegistry::start(Ways::default());
    hold(&old, "team/a", "v0", b"layer");
    let both = json!({"state": "enabled-and-copying", "pushes": "both"});
    let new = Arc::new(before(&old, both).await);
    let second = new.push_image("a", "w", b"second").await;
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    old.before("PUT /v2/team/a/manifests/v1", move |_| {
        begun.send(()).unwrap();
        is_done.recv().unwrap();
    });
    let pushing = Arc::clone(&new);
    let first = tokio::spawn(async move { pushing.push_image("a", "v1", b"first").await });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
        .await
        .unwrap();
    // The second one is kept here while the first one is written there.
    let package = PackagePath {
        repository: DEFAULT.parse().unwrap(),
        name: "a".parse().unwrap(),
    };
    let tag_move = TagMove {
        tag: "v1".parse().unwrap(),
        to: second,
    };
    let (metadata, now) = (new.directory.metadata(), jiff::Timestamp::UNIX_EPOCH);
    let moved = metadata.move_tag(&package, &tag_move, &nobody(), now).await;
    moved.unwrap().unwrap();
    done.send(()).unwrap();
    first.await.unwrap();
    assert_eq!(old.content().tag("team/a", "v1"), Some(second.to_string()));
    assert_eq!(owed(&new).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_side_never_takes_does_not_stand_before_what_it_takes() {
    let old = FakeRegistry::start(Ways::default());
    let new = before(&old, json!({"state": "enabled-and-copying", "pushes": "both"})).await;
    for _ in 0..99 {
        old.trouble("PUT /v2/team/a/manifests/bad", Trouble::Status(400, Vec::new()));
    }
    old.trouble("PUT /v2/team/a/manifests/late", Trouble::Status(400, Vec::new()));
    let config = new.push_blob("a", b"{}").await;
    let layer = new.push_blob("a", b"layer").await;
    for name in ["bad", "late"] {
        let put = new.put_manifest("a", name, &image_of(config, layer, 5)).await;
        assert_eq!(put.status.as_u16(), 503, "{}", put.text());
    }
    assert_eq!(owed(&new).await, json!(["a bad", "a late"]));
    new.push_image("a", "good", b"layer").await;
    until("it is repaid", async || owed(&new).await == json!(["a bad"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_owed_is_not_written_over_what_the_old_side_has_after_a_rollback() {
    let old = FakeRegistry::start(Ways::default());
    hold(&old, "team/a", "v0", b"layer");
    let new = before(&old, json!({"state": "enabled-and-copying", "pushes": "both"})).await;
    for _ in 0..99 {
        old.trouble("PUT /v2/team/a/manifests/v1", Trouble::Status(400, Vec::new()));
    }
    let config = new.push_blob("a", b"{}").await;
    let layer = new.push_blob("a", b"layer").await;
    let put = new.put_manifest("a", "v1", &image_of(config, layer, 5)).await;
    assert_eq!(put.status.as_u16(), 503, "{}", put.text());
    assert_eq!(owed(&new).await, json!(["a v1"]));
    let (status, answer) = administer(&new, "POST", "rollback", &json!({"leaveBehind": true})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(owed(&new).await, json!([]), "the old side owns the tags");
    // What it has since is not what this side wanted to write.
    let moved = hold(&old, "team/a", "v1", b"moved there");
    new.clock.forward(1);
    shift(&new, &old, json!({"state": "enabled-and-copying"})).await;
    new.push_image("a", "another", b"layer").await;
    assert_eq!(owed(&new).await, json!([]));
    assert_eq!(tag(&new, "a", "v1").await, (200, moved.clone()));
    assert_eq!(old.content().tag("team/a", "v1"), Some(moved));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_blob_cannot_be_kept_is_refused() {
    let old = FakeRegistry::start(Ways::default());
    hold(&old, "team/a", "v1", &[7; 5000]);
    let new = before(&old, json!({"state": "enabled-and-copying"})).await;
    let quota = json!({"lightshipConfig": {"quotaBytes": "1000"}});
    let own = format!("Bearer {}", new.registry.own_token());
    let path = format!("/v1/{DEFAULT}?updateMask=lightshipConfig");
    let headers = [("authorization", &*own)];
    let changed = new
        .ask("PATCH", &path, &headers, quota.to_string().as_bytes())
        .await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text());
    let config = new.push_blob("a", b"{}").await;
    let image = image_of(config, Digest::sha256_of(&[7; 5000]), 5000);
    let put = new.put_manifest("a", "w", &image).await;
    assert_eq!(put.refusal(), (403, "DENIED".to_owned()), "{}", put.text());
    assert!(put.text().contains("quota"), "{}", put.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_a_step_back_overtakes_ends_at_the_old_side() {
    let sides = Sides::open().await;
    sides.shift("enabled-and-copying", json!({})).await;
    let config = sides.new.push_blob("a", b"{}").await;
    let layer = sides.new.push_blob("a", b"of a slow push").await;
    let (status, answer) = sides.administer("POST", "rollback", &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let image = image_of(config, layer, 14);
    let put = sides.new.put_manifest("a", "slow", &image).await;
    assert_eq!(put.status.as_u16(), 201, "{}", put.text());
    assert_eq!(tag(&sides.old, "team/a", "slow").await.0, 200);
    let blob = sides.old.get(&format!("/v2/team/a/blobs/{layer}")).await;
    assert_eq!(blob.text(), "of a slow push");
    // Long after it nothing is of before.
    let late = sides.old.push_blob("team/a", b"{}").await;
    assert_eq!(late, config);
    sides.new.clock.forward(3600);
    let put = sides
        .new
        .put_manifest("a", "none", &image_of(config, Digest::sha256_of(b"nowhere"), 7))
        .await;
    assert_ne!(put.status.as_u16(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_both_sides_is_asked_for_once_and_says_when_it_is_not_whole() {
    let old = FakeRegistry::start(Ways::default());
    for name in ["t1", "t2", "t3"] {
        hold(&old, "team/a", name, b"layer");
    }
    let new = before(&old, json!({"state": "enabled-and-copying"})).await;
    new.push_image("a", "ours", b"ours").await;
    let lists = || old.requests("GET /v2/team/a/tags/list").len();
    let begun = lists();
    let list = async |query: &str| {
        let reply = new.get(&format!("/v2/a/tags/list{query}")).await;
        let names: Value = serde_json::from_slice(&reply.body).unwrap();
        (names["tags"].clone(), reply.header("warning").to_owned())
    };
    assert_eq!(list("?n=2").await, (json!(["ours", "t1"]), String::new()));
    assert_eq!(list("?n=2&last=t1").await, (json!(["t2", "t3"]), String::new()));
    assert_eq!(lists(), begun + 1);
    new.clock.forward(600);
    old.trouble("GET /v2/team/a/tags/list", Trouble::Status(400, Vec::new()));
    let (names, warning) = list("").await;
    assert_eq!(names, json!(["ours"]));
    assert!(warning.contains("may have changed"), "{warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_standard_repository_is_moved() {
    let sides = Sides::open().await;
    let remote = json!({
        "format": "DOCKER", "mode": "REMOTE_REPOSITORY",
        "remoteRepositoryConfig": {"dockerRepository": {"customRepository": {"uri": "https://x.example"}}},
    });
    let (status, answer) = create(&sides.new, "far", &remote).await;
    assert_eq!(status, 200, "{answer}");
    let own = format!("Bearer {}", sides.new.registry.own_token());
    let path = format!("/v1/{}:shift", sibling("far"));
    let body = json!({"state": "disabled", "old": sides.place()}).to_string();
    let shown = [("authorization", &*own)];
    let reply = sides.new.ask("POST", &path, &shown, body.as_bytes()).await;
    assert_eq!(reply.status.as_u16(), 400, "{}", reply.text());
    assert!(
        reply.text().contains("is a remote repository"),
        "{}",
        reply.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_repository_does_not_answer_for_a_member_that_has_not_everything_yet() {
    let sides = Sides::open().await;
    sides.shift("disabled", json!({})).await;
    let policies = json!([
        {"id": "moving", "repository": DEFAULT, "priority": 20},
        {"id": "below", "repository": sibling("below"), "priority": 10},
    ]);
    let below = json!({"format": "DOCKER", "mode": "STANDARD_REPOSITORY"});
    assert_eq!(create(&sides.new, "below", &below).await.0, 200);
    let all = json!({
        "format": "DOCKER", "mode": "VIRTUAL_REPOSITORY",
        "virtualRepositoryConfig": {"upstreamPolicies": policies},
    });
    let (status, answer) = create(&sides.new, "all", &all).await;
    assert_eq!(status, 200, "{answer}");
    let google = ("host", "l-docker.pkg.dev");
    let own = format!("Bearer {}", sides.new.registry.own_token());
    let own = ("authorization", &*own);
    let image = image_of(Digest::sha256_of(b"{}"), Digest::sha256_of(b"of a stranger"), 13);
    for package in ["a", "other"] {
        for content in [b"{}".as_slice(), b"of a stranger"] {
            let digest = Digest::sha256_of(content);
            let path = format!("/v2/d/below/{package}/blobs/uploads/?digest={digest}");
            let reply = sides.new.ask("POST", &path, &[google, own], content).await;
            assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
        }
        let headers = [
            google,
            own,
            ("content-type", "application/vnd.oci.image.manifest.v1+json"),
        ];
        let path = format!("/v2/d/below/{package}/manifests/v1");
        let reply = sides.new.ask("PUT", &path, &headers, image.as_bytes()).await;
        assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    }
    let through = async |package: &str| {
        let path = format!("/v2/d/all/{package}/manifests/v1");
        let reply = sides.new.ask("GET", &path, &[google], b"").await;
        (
            reply.status.as_u16(),
            reply.header("docker-content-digest").to_owned(),
        )
    };
    for state in ["disabled", "enabled-and-copying"] {
        sides.shift(state, json!({})).await;
        assert_eq!(through("a").await.0, 503, "{state}");
        assert_eq!(through("other").await.0, 200, "{state}: nobody else's");
    }
    let theirs = tag(&sides.new, "a", "v1").await;
    until("it is kept", async || sides.is_here("v1").await).await;
    assert_eq!(through("a").await, theirs);
}

fn sibling(name: &str) -> String {
    let (parent, _) = DEFAULT.rsplit_once('/').unwrap();
    format!("{parent}/{name}")
}

async fn create(server: &Server, name: &str, body: &Value) -> (u16, String) {
    let own = format!("Bearer {}", server.registry.own_token());
    let (parent, _) = DEFAULT.rsplit_once('/').unwrap();
    let path = format!("/v1/{parent}?repositoryId={name}");
    let body = body.to_string();
    let reply = server
        .ask("POST", &path, &[("authorization", &own)], body.as_bytes())
        .await;
    (reply.status.as_u16(), reply.text().to_owned())
}
