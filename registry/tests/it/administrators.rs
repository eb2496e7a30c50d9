//! Who administers a registry does so until somebody else does, and nobody inherits what an account could.

use access::Role;
use serde_json::{Value, json};
use store::Accounts as _;

use crate::accounts::{DEFAULT, of};
use crate::administration::send_as;
use crate::server::Server;

const ACCOUNTS: &str = "/lightship/v1/accounts";

async fn administered_by(names: &[&str]) -> Server {
    let server = Server::start().await;
    server.push_image("a", "latest", b"layer").await;
    let members: Vec<String> = names.iter().map(|name| format!("user:{name}")).collect();
    for member in &members {
        server.create_account(member, &[]).await;
    }
    let bindings: Vec<_> = members
        .iter()
        .map(|member| (Role::Administrator, member.as_str()))
        .collect();
    server.bind("registry", &bindings).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_has_nothing_of_an_old_one_of_its_name() {
    let server = administered_by(&["root"]).await;
    server.create_account("user:ann", &[]).await;
    server.bind(DEFAULT, &[(Role::Writer, "user:ann")]).await;
    let status = async || {
        let shown = [("authorization", &*of("ann"))];
        let reply = server.ask("GET", "/v2/a/manifests/latest", &shown, b"").await;
        reply.status.as_u16()
    };
    assert_eq!(status().await, 200);
    let path = format!("{ACCOUNTS}/ann");
    let (code, told) = send_as(&server, "root", ("DELETE", &path), &Value::Null).await;
    assert_eq!(
        (code, &told["policiesChanged"]),
        (200, &json!([DEFAULT])),
        "{told}"
    );
    let audited = server.audited().pop().unwrap();
    assert_eq!(
        audited,
        format!(
            "audit user:root accounts.delete {path} done its bindings went from the policies of {DEFAULT}"
        )
    );
    server.create_account("user:ann", &[]).await;
    assert_eq!(status().await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_can_neither_be_shut_nor_leave() {
    let server = administered_by(&["root"]).await;
    server.create_account("user:ann", &[]).await;
    let root = format!("{ACCOUNTS}/root");
    let without =
        json!({"policy": {"bindings": [{"role": "roles/artifactregistry.admin", "members": ["user:gone"]}]}});
    for (method, path, body) in [
        ("PATCH", root.clone(), json!({"disabled": true})),
        ("DELETE", root.clone(), Value::Null),
        ("POST", format!("{root}:setPassword"), json!({})),
        ("POST", "/lightship/v1/registry:setIamPolicy".to_owned(), without),
    ] {
        let (status, told) = send_as(&server, "root", (method, &path), &body).await;
        let error = &told["error"];
        assert_eq!(
            (status, &error["status"]),
            (400, &json!("FAILED_PRECONDITION")),
            "{told}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("account create NAME --admin --data DIR"),
            "{message}"
        );
    }
    let (status, _) = send_as(&server, "root", ("GET", ACCOUNTS), &Value::Null).await;
    assert_eq!(status, 200, "nothing of it happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_who_remove_each_other_at_once_leave_one() {
    for _ in 0..4 {
        let server = administered_by(&["one", "two"]).await;
        let (one, two) = (format!("{ACCOUNTS}/one"), format!("{ACCOUNTS}/two"));
        let shut = json!({"disabled": true});
        let (first, second) = tokio::join!(
            send_as(&server, "one", ("DELETE", &two), &Value::Null),
            send_as(&server, "two", ("PATCH", &one), &shut),
        );
        let left = [("one", first), ("two", second)];
        let done = left.iter().filter(|(_, (status, _))| *status == 200).count();
        assert_eq!(done, 1, "{left:?}");
        for (name, (status, _)) in &left {
            let expected = if *status == 200 { 200 } else { 401 };
            let (may, _) = send_as(&server, name, ("GET", ACCOUNTS), &Value::Null).await;
            assert_eq!(may, expected, "{name}: {left:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_whose_accounts_are_gone_stays_closed() {
    let server = Server::start().await;
    server.push_image("a", "latest", b"layer").await;
    server.create_account("user:ann", &[]).await;
    let metadata = server.directory.metadata();
    let now = registry::Clock::now(&*server.clock);
    let actor = crate::accounts::nobody();
    metadata
        .delete_account("ann", &actor, now)
        .await
        .unwrap()
        .unwrap();
    server.registry.forget_access();
    let path = "/v2/a/manifests/latest";
    assert_eq!(server.get(path).await.status.as_u16(), 401);
    metadata.reopen(&actor, now).await.unwrap();
    server.registry.forget_access();
    assert_eq!(server.get(path).await.status.as_u16(), 200);
}
