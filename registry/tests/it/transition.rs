//! A repository that replaces an old registry: which side answers, with whose right, and that nothing is lost on the way
//! there and back. The old side is another registry of ours.

use access::Role;
use oci::Digest;
use serde_json::{Value, json};

use crate::accounts::{DEFAULT, PASSWORD, basic, of};
use crate::server::image_of;
use crate::sides::{Sides, administer, ensure_repository, message, switch_off, tag, until};

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_disabled_the_old_side_answers_everything_under_our_names() {
    let sides = Sides::open().await;
    sides.shift("disabled", json!({})).await;
    let new = &sides.new;
    let reply = new.get("/v2/a/manifests/v1").await;
    let digest: Digest = reply.header("docker-content-digest").parse().unwrap();
    assert_eq!(Digest::sha256_of(&reply.body), digest);
    let layer = Digest::sha256_of(b"layer");
    assert_eq!(new.get(&format!("/v2/a/blobs/{layer}")).await.body, "layer");
    let range = [("range", "bytes=1-2")];
    let part = new.ask("GET", &format!("/v2/a/blobs/{layer}"), &range, b"").await;
    assert_eq!((part.status.as_u16(), part.text()), (206, "ay"));
    let head = new.ask("HEAD", &format!("/v2/a/blobs/{layer}"), &[], b"").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "5"));
    let tags: Value = serde_json::from_slice(&new.get("/v2/a/tags/list").await.body).unwrap();
    assert_eq!(tags, json!({"name": "a", "tags": ["v1"]}));
    // A push goes there, in chunks and with a mount, and comes back under our names.
    let begun = new.ask("POST", "/v2/b/blobs/uploads/", &[], b"").await;
    let location = begun.header("location").to_owned();
    assert!(
        location.starts_with("/v2/b/blobs/uploads/") && !location.contains("team"),
        "{location}"
    );
    let patched = new.ask("PATCH", &location, &[], b"more").await;
    assert_eq!(patched.status.as_u16(), 202, "{}", patched.text());
    let location = format!(
        "{}&digest={}",
        patched.header("location"),
        Digest::sha256_of(b"more")
    );
    let put = new.ask("PUT", &location, &[], b"").await;
    assert_eq!(
        (put.status.as_u16(), put.header("location")),
        (201, &*format!("/v2/b/blobs/{}", Digest::sha256_of(b"more")))
    );
    let mount = format!("/v2/b/blobs/uploads/?mount={layer}&from=a");
    assert_eq!(new.ask("POST", &mount, &[], b"").await.status.as_u16(), 201);
    new.push_image("b", "w", b"other layer").await;
    assert_eq!(tag(&sides.old, "team/b", "w").await.0, 200);
    assert!(!sides.is_here("v1").await);
    // An address of one package is good for no other, nor is one that we did not seal.
    let begun = new.ask("POST", "/v2/b/blobs/uploads/", &[], b"").await;
    let elsewhere = begun.header("location").replace("/v2/b/", "/v2/c/");
    assert_eq!(new.ask("PATCH", &elsewhere, &[], b"x").await.status.as_u16(), 404);
    assert_eq!(
        new.ask(
            "PATCH",
            "/v2/b/blobs/uploads/relayed?lightship-relay=x",
            &[],
            b"x"
        )
        .await
        .status
        .as_u16(),
        404
    );
    let deleted = new.ask("DELETE", "/v2/b/manifests/w", &[], b"").await;
    assert_eq!(deleted.status.as_u16(), 202);
    assert_eq!(tag(&sides.old, "team/b", "w").await.0, 404);
    assert_eq!(tag(new, "a", "none").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_relayed_caller_gets_what_the_old_side_gives_him_and_nothing_else() {
    let sides = Sides::closed().await;
    sides.shift("disabled", json!({})).await;
    let new = &sides.new;
    let pull = async |token: String| {
        let shown = [("authorization", &*token)];
        let reply = new.ask("GET", "/v2/a/manifests/v1", &shown, b"").await;
        reply.status.as_u16()
    };
    // Who is known there needs no account here; and who is known here is what he is there.
    for name in ["bob", "ann"] {
        let token = new.token(&of(name), "repository:a:pull").await.bearer();
        assert_eq!(pull(token.clone()).await, 200, "{name}");
        assert!(!token.contains("Basic"), "it travels sealed");
    }
    // Some clients send it as a form.
    for name in ["bob", "ann"] {
        let form = format!(
            "grant_type=password&username={name}&password={}&client_id=c&service={}&scope=repository:a:pull",
            PASSWORD.replace(' ', "+"),
            new.address
        );
        let token = new.ask("POST", "/v2/token", &[], form.as_bytes()).await.bearer();
        assert_eq!(pull(token).await, 200, "{name}");
    }
    let form = format!(
        "grant_type=password&username=bob&password=wrong&service={}",
        new.address
    );
    assert_eq!(
        new.ask("POST", "/v2/token", &[], form.as_bytes())
            .await
            .status
            .as_u16(),
        401
    );
    let wrong = new.token(&basic("bob", "wrong"), "repository:a:pull").await;
    assert_eq!(wrong.status.as_u16(), 401);
    // Nobody is nobody there, although our own credential may write there.
    let anonymous = new.token("", "repository:a:pull").await;
    assert_eq!(pull(anonymous.bearer()).await, 401);
    assert_eq!(new.get("/v2/a/manifests/v1").await.status.as_u16(), 401);
    let bob = new.token(&of("bob"), "repository:a:pull,push").await.bearer();
    let shown = [("authorization", &*bob)];
    let push = new.ask("POST", "/v2/a/blobs/uploads/", &shown, b"").await;
    assert!([401, 403].contains(&push.status.as_u16()), "{}", push.status);
    let challenge = push.header("www-authenticate");
    assert!(!challenge.contains(&sides.old.address.to_string()), "{challenge}");
    // A role here is no role there.
    new.bind(DEFAULT, &[(Role::Administrator, "user:ann")]).await;
    let ann = new.token(&of("ann"), "repository:a:pull,push").await.bearer();
    let shown = [("authorization", &*ann)];
    let push = new.ask("POST", "/v2/a/blobs/uploads/", &shown, b"").await;
    assert!([401, 403].contains(&push.status.as_u16()), "{}", push.status);
    // Nor does what is relayed count here.
    sides.shift("enabled-and-copying", json!({})).await;
    let reply = new
        .ask("GET", "/v2/a/manifests/v1", &[("authorization", &*bob)], b"")
        .await;
    assert_eq!(reply.status.as_u16(), 401);
    assert_eq!(
        new.token(&of("bob"), "repository:a:pull").await.status.as_u16(),
        401
    );
    assert_eq!(
        new.ask("GET", "/v2/a/manifests/v1", &[("authorization", &*ann)], b"")
            .await
            .status
            .as_u16(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_reads_here_what_the_old_side_says_that_tags_name() {
    let sides = Sides::open().await;
    sides.canary(100).await;
    let first = tag(&sides.old, "team/a", "v1").await;
    assert_eq!(tag(&sides.new, "a", "v1").await, first);
    let layer = Digest::sha256_of(b"layer");
    assert_eq!(sides.new.get(&format!("/v2/a/blobs/{layer}")).await.body, "layer");
    assert_eq!(
        (
            sides.counted("here", "good").await,
            sides.counted("old", "good").await
        ),
        (2, 2)
    );
    // The tag moves there, and new ones are there at once; what is deleted there is gone here.
    sides.old.push_image("team/a", "v1", b"moved").await;
    let moved = tag(&sides.old, "team/a", "v1").await;
    assert_ne!(moved, first);
    assert_eq!(tag(&sides.new, "a", "v1").await, moved);
    assert_eq!(
        tag(&sides.new, "a", &first.1).await,
        (200, first.1.clone()),
        "by digest it stays"
    );
    sides.old.ask("DELETE", "/v2/team/a/manifests/v1", &[], b"").await;
    assert_eq!(tag(&sides.new, "a", "v1").await.0, 404);
    // Pushes go there.
    sides.new.push_image("a", "v2", b"pushed").await;
    assert_eq!(tag(&sides.old, "team/a", "v2").await.0, 200);
    // One of nobody's share is answered there.
    sides.canary(0).await;
    let before = sides.counted("old", "good").await;
    assert_eq!(tag(&sides.new, "a", "v2").await.0, 200);
    assert_eq!(sides.counted("old", "good").await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_this_side_denies_in_a_canary_the_old_side_answers_and_it_counts_as_a_failure() {
    let sides = Sides::closed().await;
    sides
        .shift(
            "partial-and-copying",
            json!({"readsPercent": "100", "errorLimitPercent": "10"}),
        )
        .await;
    let token = sides.new.token(&of("ann"), "repository:a:pull").await.bearer();
    let pull = || async {
        let shown = [("authorization", &*token)];
        sides
            .new
            .ask("GET", "/v2/a/manifests/v1", &shown, b"")
            .await
            .status
            .as_u16()
    };
    assert_eq!(pull().await, 200);
    assert_eq!(sides.status().await["sides"]["deniedHereAnsweredThere"], 1);
    for _ in 0..60 {
        assert_eq!(pull().await, 200);
    }
    // Enough of them, and it steps back by itself.
    until("it steps back", async || {
        sides.status().await["state"] == "disabled"
    })
    .await;
    assert_eq!(sides.status().await["state"], "disabled");
    assert_eq!(pull().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_fetched_and_what_was_pushed_or_deleted_here_counts() {
    let sides = Sides::open().await;
    sides.old.push_image("team/a", "both", b"theirs").await;
    sides.old.push_image("team/a", "gone", b"to be deleted").await;
    sides.shift("enabled-and-copying", json!({})).await;
    let new = &sides.new;
    assert_eq!(tag(new, "a", "v1").await, tag(&sides.old, "team/a", "v1").await);
    let layer = Digest::sha256_of(b"layer");
    assert_eq!(new.get(&format!("/v2/a/blobs/{layer}")).await.body, "layer");
    let ours = new.push_image("a", "both", b"ours").await;
    assert_eq!(tag(new, "a", "both").await, (200, ours.to_string()));
    let theirs = tag(&sides.old, "team/a", "both").await;
    assert_eq!(tag(new, "a", &theirs.1).await.0, 200, "by digest it is to be had");
    assert_eq!(tag(new, "a", "both").await, (200, ours.to_string()));
    // Deleted before it was ever fetched, and after.
    let gone = tag(new, "a", "gone").await.1;
    assert_eq!(
        new.ask("DELETE", &format!("/v2/a/manifests/{gone}"), &[], b"")
            .await
            .status
            .as_u16(),
        202
    );
    for reference in ["gone", &gone] {
        assert_eq!(tag(new, "a", reference).await.0, 404, "{reference}");
    }
    let tags: Value = serde_json::from_slice(&new.get("/v2/a/tags/list").await.body).unwrap();
    assert_eq!(tags["tags"], json!(["both", "v1"]));
    // A push may name what is there alone: who looks for it is told that it is there.
    let config = sides.old.push_blob("team/a", b"{}").await;
    let there = sides.old.push_blob("team/a", b"only there").await;
    assert_eq!(
        new.ask("HEAD", &format!("/v2/a/blobs/{there}"), &[], b"")
            .await
            .status
            .as_u16(),
        200
    );
    let put = new.put_manifest("a", "mixed", &image_of(config, there, 10)).await;
    assert_eq!(put.status.as_u16(), 201, "{}", put.text());
    assert_eq!(
        new.get(&format!("/v2/a/blobs/{there}")).await.text(),
        "only there"
    );
    assert_eq!(tag(&sides.old, "team/a", "mixed").await.0, 404);
    // From here on this side has to do alone, and what it has not it does not say is nowhere.
    switch_off(sides.old).await;
    assert_eq!(tag(&sides.new, "a", "v1").await.0, 200);
    assert_eq!(tag(&sides.new, "a", "never-seen").await.0, 502);
    // A push goes on, though it looks for its blobs first.
    let nowhere = Digest::sha256_of(b"nowhere");
    let look = sides
        .new
        .ask("HEAD", &format!("/v2/a/blobs/{nowhere}"), &[], b"")
        .await;
    assert_eq!(look.status.as_u16(), 404);
    sides.new.push_image("a", "later", b"nowhere").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_both_sides_is_answered_when_both_have_it() {
    for (state, more) in [
        ("disabled", json!({"pushes": "both"})),
        (
            "partial-and-copying",
            json!({"pushes": "both", "readsPercent": "50"}),
        ),
        ("enabled-and-copying", json!({"pushes": "both"})),
    ] {
        let sides = Sides::open().await;
        sides.shift(state, more).await;
        let digest = sides.new.push_image("a", "v2", b"of both").await.to_string();
        assert_eq!(
            tag(&sides.old, "team/a", "v2").await,
            (200, digest.clone()),
            "{state}"
        );
        assert!(sides.is_here("v2").await, "{state}");
        switch_off(sides.old).await;
        let config = sides.new.push_blob("a", b"{}").await;
        let layer = sides.new.push_blob("a", b"of one").await;
        let put = sides
            .new
            .put_manifest("a", "v3", &image_of(config, layer, 6))
            .await;
        assert_eq!(put.status.as_u16(), 503, "{state}: {}", put.text());
        let status = administer(&sides.new, "GET", "transition", &json!({})).await.1;
        let owed: &[&str] = if state == "enabled-and-copying" {
            &["a v3"]
        } else {
            &[]
        };
        assert_eq!(status["owedToOld"], json!(owed), "{state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_takes_along_what_was_pushed_here() {
    let sides = Sides::open().await;
    sides.shift("enabled-and-copying", json!({})).await;
    let pushed = sides.new.push_image("a", "v2", b"pushed here").await.to_string();
    let moved = sides.new.push_image("a", "v1", b"moved here").await.to_string();
    let down = json!({"state": "disabled"});
    let (status, answer) = sides.administer("POST", "shift", &down).await;
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer["error"]["message"].as_str().unwrap().contains("rollback"),
        "{answer}"
    );
    let (status, answer) = sides.administer("POST", "rollback", &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["state"], &answer["pushesGoTo"]),
        (&json!("disabled"), &json!("old"))
    );
    assert_eq!(answer["rollback"]["report"]["imagesCopied"], 2, "{answer}");
    for server_name in [(&sides.old, "team/a"), (&sides.new, "a")] {
        let (server, name) = server_name;
        assert_eq!(tag(server, name, "v2").await, (200, pushed.clone()));
        assert_eq!(tag(server, name, "v1").await, (200, moved.clone()));
    }
    // And forward again, to the end.
    sides.shift("enabled-and-copying", json!({})).await;
    sides.shift("enabled", json!({})).await;
    let (status, _) = sides.administer("POST", "finish", &json!({})).await;
    assert_eq!(status, 200);
    switch_off(sides.old).await;
    assert_eq!(tag(&sides.new, "a", "v2").await, (200, pushed));
    assert_eq!(
        administer(&sides.new, "GET", "transition", &json!({})).await.0,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_cannot_copy_changes_nothing_unless_it_may_leave_behind() {
    let sides = Sides::open().await;
    sides.shift("enabled-and-copying", json!({})).await;
    let pushed = sides.new.push_image("a", "v2", b"pushed here").await.to_string();
    let Sides { old, new } = sides;
    switch_off(old).await;
    let ask = async |verb: &str, method: &str, body: Value| administer(&new, method, verb, &body).await;
    let (status, answer) = ask("rollback", "POST", json!({})).await;
    assert_eq!(status, 400, "{answer}");
    let (_, now) = ask("transition", "GET", json!({})).await;
    assert_eq!(
        (&now["state"], &now["pushesGoTo"]),
        (&json!("enabled-and-copying"), &json!("here")),
        "{answer}"
    );
    assert_eq!(tag(&new, "a", "v2").await, (200, pushed.clone()));
    let (status, answer) = ask("rollback", "POST", json!({"leaveBehind": true})).await;
    assert_eq!((status, &answer["state"]), (200, &json!("disabled")), "{answer}");
    // The old side is not there, so what is known here is given.
    assert_eq!(tag(&new, "a", "v2").await, (200, pushed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_that_cannot_be_is_refused() {
    let sides = Sides::open().await;
    ensure_repository(&sides.new).await;
    for (body, problem) in [
        (
            json!({"state": "disabled"}),
            "begins with where the old registry is",
        ),
        (json!({"state": "on"}), "is none of disabled"),
        (
            json!({"state": "partial-and-copying", "old": "x.example"}),
            "needs the share of reads",
        ),
        (
            json!({"state": "partial-and-copying", "readsPercent": "101", "old": "x.example"}),
            "from 0 to 100",
        ),
        (
            json!({"state": "enabled", "readsPercent": "1", "old": "x.example"}),
            "only partial-and-copying",
        ),
        (json!({"state": "disabled", "old": "https://x"}), "HOST"),
        (
            json!({"state": "disabled", "old": "x.example", "pushes": "some"}),
            "neither one nor both",
        ),
    ] {
        let (status, told) = message(&sides.new, "shift", &body).await;
        assert!(status == 400 && told.contains(problem), "{body}: {status} {told}");
    }
    sides.shift("disabled", json!({})).await;
    let other = json!({"state": "disabled", "old": "other.example"});
    let (_, told) = message(&sides.new, "shift", &other).await;
    assert!(told.contains("finish it or roll it back"), "{told}");
    let (_, told) = message(&sides.new, "finish", &json!({})).await;
    assert!(told.contains("only one that is enabled"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_written_here_whatever_the_state_and_does_not_undo_what_was_done_here() {
    let sides = Sides::open().await;
    let (new, side) = (&sides.new, ("lightship-side", "here"));
    sides.shift("disabled", json!({})).await;
    let copy = async |reference: &str, layer: &[u8]| {
        for content in [layer, b"{}"] {
            let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::sha256_of(content));
            let reply = new.ask("POST", &path, &[side], content).await;
            assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
        }
        let manifest = image_of(Digest::sha256_of(b"{}"), Digest::sha256_of(layer), layer.len());
        let headers = [
            side,
            ("content-type", "application/vnd.oci.image.manifest.v1+json"),
        ];
        let path = format!("/v2/a/manifests/{reference}");
        let reply = new.ask("PUT", &path, &headers, manifest.as_bytes()).await;
        (
            reply.status.as_u16(),
            reply.header("docker-content-digest").to_owned(),
        )
    };
    assert_eq!(copy("copied", b"of a copy").await.0, 201);
    assert!(sides.is_here("copied").await);
    assert_eq!(tag(&sides.old, "team/a", "copied").await.0, 404);
    assert_eq!(tag(new, "a", "copied").await.0, 404, "the old side answers");
    sides.shift("enabled-and-copying", json!({})).await;
    assert_eq!(copy("later", b"of a later copy").await.0, 201);
    let ours = new.push_image("a", "ours", b"ours").await.to_string();
    assert_eq!(copy("ours", b"theirs").await.0, 409);
    assert_eq!(tag(new, "a", "ours").await, (200, ours));
    new.ask("DELETE", "/v2/a/manifests/later", &[], b"").await;
    assert_eq!(copy("later", b"of a later copy").await.0, 409);
    assert_eq!(tag(new, "a", "later").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_not_told_of_an_image_that_was_only_begun_to_be_pulled() {
    let sides = Sides::open().await;
    let (new, side) = (&sides.new, ("lightship-side", "here"));
    sides.canary(100).await;
    assert_eq!(tag(new, "a", "v1").await.0, 200);
    // It is answered before it is kept, and its layer is not here even then.
    until("it is kept", async || sides.is_here("v1").await).await;
    let look = async |method: &str, path: &str| {
        let reply = new.ask(method, path, &[side], b"").await;
        (reply.status.as_u16(), reply.body)
    };
    let tags = async || serde_json::from_slice::<Value>(&look("GET", "/v2/a/tags/list").await.1).unwrap();
    assert_eq!(look("HEAD", "/v2/a/manifests/v1").await.0, 404);
    assert_eq!(tags().await["tags"], json!([]));
    for blob in [Digest::sha256_of(b"layer"), Digest::sha256_of(b"{}")] {
        assert_eq!(look("HEAD", "/v2/a/manifests/v1").await.0, 404);
        assert_eq!(new.get(&format!("/v2/a/blobs/{blob}")).await.status.as_u16(), 200);
    }
    until("it is whole", async || {
        look("HEAD", "/v2/a/manifests/v1").await.0 == 200
    })
    .await;
    assert_eq!(look("HEAD", "/v2/a/manifests/v1").await.0, 200);
    assert_eq!(tags().await["tags"], json!(["v1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_step_is_made_that_needs_what_this_server_cannot_read() {
    let sides = Sides::open().await;
    sides.shift("disabled", json!({})).await;
    sides.canary(100).await;
    assert_eq!(tag(&sides.new, "a", "v1").await.0, 200);
    until("it is kept", async || sides.is_here("v1").await).await;
    let Sides { old, new } = sides;
    switch_off(old).await;
    let (status, told) = message(&new, "shift", &json!({"state": "enabled-and-copying"})).await;
    assert!(status == 400 && told.contains("[upstream]"), "{status} {told}");
    let (status, told) = message(&new, "shift", &json!({"state": "disabled"})).await;
    assert_eq!(status, 200, "{told}");
}
