//! Transitions that somebody makes trouble for: with manifests that lie, answers without an end, and two things asked for at once.

use access::Role;
use oci::{Digest, MANIFEST_BYTES_MAX};
use serde_json::{Value, json};
use store::{ImmutableTags, Repositories as _};
use testkit::Fault;

use crate::accounts::{DEFAULT, nobody, of};
use crate::remote::{Files, host_of};
use crate::server::{Server, image_of};
use crate::sides::{Sides, ensure_repository, message, switch_off, tag, until};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_pushes_go_to_both_sides_goes_from_the_side_that_owns_the_tags_too() {
    for (state, more) in [
        ("disabled", json!({"pushes": "both"})),
        (
            "partial-and-copying",
            json!({"pushes": "both", "readsPercent": "50"}),
        ),
    ] {
        let sides = Sides::open().await;
        sides.shift(state, more).await;
        let new = &sides.new;
        let both = new.push_image("a", "v2", b"of both").await.to_string();
        let delete = async |path: String| new.ask("DELETE", &path, &[], b"").await.status.as_u16();
        assert_eq!(delete("/v2/a/manifests/v2".to_owned()).await, 202, "{state}");
        assert_eq!(tag(new, "a", "v2").await.0, 404, "{state}");
        assert_eq!(tag(&sides.old, "team/a", "v2").await.0, 404, "{state}");
        assert!(!sides.is_here("v2").await, "{state}");
        assert_eq!(delete(format!("/v2/a/manifests/{both}")).await, 202, "{state}");
        // What the old side alone has, what this one alone has, and what nobody has.
        assert_eq!(delete("/v2/a/manifests/v1".to_owned()).await, 202, "{state}");
        assert_eq!(tag(new, "a", "v1").await.0, 404, "{state}");
        let layer = new.push_blob("a", b"here alone").await;
        assert_eq!(delete(format!("/v2/a/blobs/{layer}")).await, 202, "{state}");
        assert_eq!(delete(format!("/v2/a/blobs/{layer}")).await, 404, "{state}");
        assert_eq!(delete("/v2/a/manifests/v1".to_owned()).await, 404, "{state}");
        // Without the side that owns the tags nothing is deleted.
        let kept = new.push_image("a", "v3", b"kept").await.to_string();
        let Sides { old, new } = sides;
        switch_off(old).await;
        let reply = new.ask("DELETE", "/v2/a/manifests/v3", &[], b"").await;
        assert_eq!(reply.status.as_u16(), 503, "{state}");
        assert_eq!(tag(&new, "a", "v3").await, (200, kept), "{state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_immutable_here_is_deleted_on_no_side() {
    let sides = Sides::open().await;
    sides.shift("disabled", json!({"pushes": "both"})).await;
    let kept = sides.new.push_image("a", "kept", b"kept").await.to_string();
    let metadata = sides.new.directory.metadata();
    let path = DEFAULT.parse().unwrap();
    let mut repository = metadata.repository(&path).await.unwrap().unwrap();
    repository.immutable_tags = ImmutableTags::Matching(vec!["k*".to_owned()]);
    let somebody = nobody();
    let update = metadata.update_repository(&repository, &somebody);
    update.await.unwrap().unwrap();
    for reference in ["kept", &kept] {
        let path = format!("/v2/a/manifests/{reference}");
        let reply = sides.new.ask("DELETE", &path, &[], b"").await;
        assert!(reply.status.is_client_error(), "{reference}: {}", reply.status);
        assert_eq!(tag(&sides.old, "team/a", reference).await, (200, kept.clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_delete_on_one_side_alone_deletes_nothing_while_pushes_go_to_both() {
    let sides = Sides::closed().await;
    sides.shift("disabled", json!({"pushes": "both"})).await;
    sides.new.bind(DEFAULT, &[(Role::Reader, "user:ann")]).await;
    let delete = async || {
        let token = sides.new.token(&of("ann"), "repository:a:pull,delete").await;
        let bearer = token.bearer();
        let shown = [("authorization", &*bearer)];
        let reply = sides.new.ask("DELETE", "/v2/a/manifests/v1", &shown, b"").await;
        reply.status.as_u16()
    };
    let is_there = async || {
        let shown = [("authorization", &*of("ann"))];
        let reply = sides.old.ask("GET", "/v2/team/a/manifests/v1", &shown, b"").await;
        reply.status.as_u16() == 200
    };
    // She may there, and not here.
    sides
        .old
        .bind(DEFAULT, &[(Role::Administrator, "user:ann")])
        .await;
    assert!([401, 403].contains(&delete().await) && is_there().await);
    // She may here, and not there.
    sides.old.bind(DEFAULT, &[(Role::Reader, "user:ann")]).await;
    sides
        .new
        .bind(DEFAULT, &[(Role::Administrator, "user:ann")])
        .await;
    assert!([401, 403].contains(&delete().await) && is_there().await);
    sides
        .old
        .bind(DEFAULT, &[(Role::Administrator, "user:ann")])
        .await;
    assert_eq!(delete().await, 202);
    assert!(!is_there().await);
}

/// As a large number as a size may be, of a configuration that is two bytes long.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_says_a_size_nobody_can_have_hinders_neither_listings_nor_a_rollback() {
    let sides = Sides::open().await;
    sides.shift("enabled-and-copying", json!({})).await;
    let new = &sides.new;
    let pushed = new.push_image("a", "v2", b"pushed here").await.to_string();
    let config = new.push_blob("a", b"[]").await;
    let layer = new.push_blob("a", b"of a liar").await;
    let lie = image_of(config, layer, 9).replace("\"size\":2}", &format!("\"size\":{}}}", i64::MAX));
    let put = new.put_manifest("a", "lie", &lie).await;
    assert_eq!(put.status.as_u16(), 201, "{}", put.text());
    let own = format!("Bearer {}", new.registry.own_token());
    let images = format!("/v1/{DEFAULT}/dockerImages");
    let images = new.ask("GET", &images, &[("authorization", &own)], b"").await;
    assert_eq!(images.status.as_u16(), 200, "{}", images.text());
    let (status, told) = message(new, "rollback", &json!({})).await;
    assert!(
        status == 400 && told.contains("1 images could not be copied"),
        "{status} {told}"
    );
    let (status, answer) = sides
        .administer("POST", "rollback", &json!({"leaveBehind": true}))
        .await;
    assert_eq!((status, &answer["state"]), (200, &json!("disabled")), "{answer}");
    let report = &answer["rollback"]["report"];
    let named = report["failed"][0]["image"].as_str().unwrap();
    assert!(named.ends_with(put.header("docker-content-digest")), "{report}");
    assert_eq!(tag(&sides.old, "team/a", "v2").await, (200, pushed));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_step_is_made_while_a_rollback_runs() {
    let sides = Sides::open().await;
    sides.shift("enabled-and-copying", json!({})).await;
    sides.shift("enabled", json!({})).await;
    let meanwhile = async {
        until("it sends pushes to both sides", async || {
            sides.status().await["pushesGoTo"] == "both"
        })
        .await;
        let shifted = message(&sides.new, "shift", &json!({"state": "enabled-and-copying"})).await;
        (shifted, message(&sides.new, "finish", &json!({})).await)
    };
    let none = json!({});
    let ((status, back), (shifted, finished)) =
        tokio::join!(sides.administer("POST", "rollback", &none), meanwhile);
    for (refused, told) in [shifted, finished] {
        assert!(refused == 400 && told.contains("rollback"), "{refused} {told}");
    }
    assert_eq!((status, &back["state"]), (200, &json!("disabled")), "{back}");
    // Nobody asked for pushes to both sides.
    assert_eq!(sides.status().await["pushes"], "one");
    sides.shift("enabled-and-copying", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_names_the_same_a_thousand_ways_is_whole_all_the_same() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    let sides = Sides::open().await;
    let new = &sides.new;
    sides.shift("enabled-and-copying", json!({})).await;
    new.push_image("a", "level-0", b"at the bottom").await;
    let mut named = new.get("/v2/a/manifests/level-0").await;
    for level in 1..=7 {
        let media_type = if level == 1 { IMAGE } else { INDEX };
        let entry = json!({
            "mediaType": media_type,
            "digest": named.header("docker-content-digest"),
            "size": named.body.len(),
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": vec![entry; 20]});
        let path = format!("/v2/a/manifests/level-{level}");
        let headers = [("content-type", INDEX)];
        let put = new
            .ask("PUT", &path, &headers, index.to_string().as_bytes())
            .await;
        assert_eq!(put.status.as_u16(), 201, "{}", put.text());
        named = new.get(&path).await;
    }
    let side = [("lightship-side", "here")];
    let reply = new.ask("GET", "/v2/a/manifests/level-7", &side, b"").await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_relayed_without_its_length_is_a_stream_or_no_longer_than_such_a_thing_may_be() {
    let files = Files::new();
    let old = files.serve();
    let new = Server::start_amid_trouble().await;
    ensure_repository(&new).await;
    let shift = json!({"state": "disabled", "old": format!("{}/team", host_of(&old))});
    let (status, told) = message(&new, "shift", &shift).await;
    assert_eq!(status, 200, "{told}");
    // Longer than anything that is held.
    let large = vec![7; (64 << 20) + 1];
    let blob = format!("v2/team/a/blobs/{}", Digest::sha256_of(b"whatever"));
    files.put(&blob, &large);
    old.fault_always(&format!("/{blob}"), Fault::WithoutLength);
    let reply = new.get(&format!("/{}", blob.replace("team/", ""))).await;
    assert!(reply.status == 200 && reply.body == large, "{}", reply.status);
    for (name, length, status) in [
        ("fits", MANIFEST_BYTES_MAX, 200),
        ("not", MANIFEST_BYTES_MAX + 1, 503),
    ] {
        let manifest = format!("v2/team/a/manifests/{name}");
        files.put(&manifest, &vec![b' '; length]);
        old.fault_always(&format!("/{manifest}"), Fault::WithoutLength);
        let reply = new.get(&format!("/v2/a/manifests/{name}")).await;
        assert_eq!(reply.status, status, "{name}");
    }
    files.put("v2/team/a/tags/list", br#"{"tags":["v1"],"name":"team/a"}"#);
    old.fault_always("/v2/team/a/tags/list", Fault::WithoutLength);
    let tags: Value = serde_json::from_slice(&new.get("/v2/a/tags/list").await.body).unwrap();
    assert_eq!(tags, json!({"name": "a", "tags": ["v1"]}));
}
