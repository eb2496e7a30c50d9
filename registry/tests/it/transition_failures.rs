//! What counts as a failure of this side, and when it steps back by itself.

use serde_json::json;
use testkit::registry::{FakeRegistry, Trouble, Ways};

use crate::accounts::of;
use crate::server::Server;
use crate::sides::{Sides, administer, ensure_repository, hold, switch_off, tag, until};

/// More than are judged at least.
const ENOUGH: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn that_the_old_side_does_not_answer_is_no_failure_of_this_one() {
    let sides = Sides::open().await;
    sides
        .shift("enabled-and-copying", json!({"errorLimitPercent": "10"}))
        .await;
    let Sides { old, new } = sides;
    switch_off(old).await;
    for _ in 0..ENOUGH {
        assert_eq!(tag(&new, "a", "never-seen").await.0, 502);
    }
    let status = administer(&new, "GET", "transition", &json!({})).await.1;
    assert_eq!(status["sides"]["lastRequestsHere"]["failed"], 0, "{status}");
    assert_eq!(
        (&status["state"], &status["rollback"]),
        (&json!("enabled-and-copying"), &json!(null)),
        "{status}"
    );
    assert!(status["sides"]["here"]["answers"]["failed"].as_u64() >= Some(ENOUGH as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_step_back_to_who_does_not_answer() {
    let old = FakeRegistry::start(Ways::default());
    hold(&old, "team/a", "v1", b"layer");
    let new = Server::showing(&old.host(), "lightship").await;
    new.create_account("user:ann", &[]).await;
    ensure_repository(&new).await;
    let begin = json!({
        "state": "partial-and-copying", "readsPercent": "100", "errorLimitPercent": "10",
        "old": format!("{}/team", old.host()),
    });
    assert_eq!(administer(&new, "POST", "shift", &begin).await.0, 200);
    let token = new.token(&of("ann"), "repository:a:pull").await.bearer();
    for _ in 0..99 {
        // What a step back asks first.
        old.trouble("GET /v2/team/a/tags/list", Trouble::Status(500, Vec::new()));
    }
    for _ in 0..ENOUGH {
        let shown = [("authorization", &*token)];
        let reply = new.ask("GET", "/v2/a/manifests/v1", &shown, b"").await;
        assert_eq!(reply.status.as_u16(), 200, "denied here, answered there");
    }
    let status = async || administer(&new, "GET", "transition", &json!({})).await.1;
    until("it thinks of it", async || {
        status().await["rollback"]["state"] == "FAILED"
    })
    .await;
    let status = status().await;
    assert_eq!(status["state"], "partial-and-copying", "{status}");
    let error = status["rollback"]["error"].as_str().unwrap();
    assert!(error.contains("nobody to go back to"), "{status}");
}
