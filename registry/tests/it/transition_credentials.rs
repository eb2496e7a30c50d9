//! What callers show at `/v2/token` goes to the old side only where that answers, and is not guessed at through this one.

use access::Role;
use oci::Digest;
use serde_json::json;
use testkit::registry::{FakeRegistry, Ways};

use crate::accounts::{DEFAULT, basic, of};
use crate::server::Server;
use crate::sides::{Sides, administer, ensure_repository, hold, switch_off, until};

async fn pull(server: &Server, token: &str) -> u16 {
    let shown = [("authorization", token)];
    let reply = server.ask("GET", "/v2/a/manifests/v1", &shown, b"").await;
    reply.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_answered_while_the_old_side_cannot_be_asked_about_its_caller() {
    let sides = Sides::closed().await;
    sides.new.bind(DEFAULT, &[(Role::Reader, "user:ann")]).await;
    sides.new.create_account("user:carl", &[]).await;
    sides.canary(100).await;
    let token = sides.new.token(&of("ann"), "repository:a:pull").await.bearer();
    assert_eq!(pull(&sides.new, &token).await, 200);
    until("it is kept", async || sides.is_here("v1").await).await;
    sides.shift("disabled", json!({})).await;
    let Sides { old, new } = sides;
    switch_off(old).await;
    let reply = new.token(&of("ann"), "repository:a:pull").await;
    assert!(
        reply.json()["expires_in"].as_u64() <= Some(60),
        "{}",
        reply.text()
    );
    assert_eq!(pull(&new, &reply.bearer()).await, 200);
    // Only to whom the policies here give it, and nobody is asked for another token.
    let token = new.token(&of("carl"), "repository:a:pull").await.bearer();
    assert_eq!(pull(&new, &token).await, 503);
    // Whom nobody knows here gets no token.
    assert_eq!(
        new.token(&of("bob"), "repository:a:pull").await.status.as_u16(),
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_go_to_the_old_side_only_while_it_answers_callers() {
    let old = FakeRegistry::start(Ways::default());
    hold(&old, "team/a", "v1", b"layer");
    for (seconds, scope, asked) in [
        (0, "repository:a:pull", 0),
        (3600, "repository:a:pull,push", 0),
        // An upload may have been begun there just before.
        (0, "repository:a:pull,push", 1),
    ] {
        let new = Server::showing(&old.host(), "lightship").await;
        new.create_account("user:ann", &[]).await;
        ensure_repository(&new).await;
        let body = json!({"state": "enabled-and-copying", "old": format!("{}/team", old.host())});
        assert_eq!(administer(&new, "POST", "shift", &body).await.0, 200);
        new.clock.forward(seconds);
        let reply = new.token(&of("ann"), scope).await;
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        assert_eq!(old.requests("GET").len(), asked, "{seconds} {scope}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_the_old_side_is_not_guessed_at_through_this_one() {
    let sides = Sides::closed().await;
    sides.shift("disabled", json!({})).await;
    let token = async |header: &str| {
        let reply = sides.new.token(header, "repository:a:pull").await;
        reply.status.as_u16()
    };
    // Who is right is not kept waiting, although nobody knows him here, or by another password.
    sides.new.create_account("user:bob", &[]).await;
    sides
        .new
        .change_account("bob", |bob| bob.password_hash = None)
        .await;
    for _ in 0..9 {
        assert_eq!(token(&of("bob")).await, 200);
    }
    for number in 0..5 {
        assert_eq!(token(&basic("bob", &format!("guess {number}"))).await, 401);
    }
    assert_eq!(token(&of("bob")).await, 429, "he has to wait as well");
    sides.new.clock.forward(120);
    assert_eq!(token(&of("bob")).await, 200);
    let layer = Digest::sha256_of(b"layer");
    let bearer = sides.new.token(&of("bob"), "repository:a:pull").await.bearer();
    let shown = [("authorization", &*bearer)];
    let reply = sides
        .new
        .ask("GET", &format!("/v2/a/blobs/{layer}"), &shown, b"")
        .await;
    assert_eq!(reply.text(), "layer");
}
