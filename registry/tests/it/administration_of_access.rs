//! Administration of who may do what, and of what runs beside requests.

use serde_json::{Value, json};

use crate::administration::{R, names, refused, send, send_as};
use crate::jobs::report_of_job;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_set_by_those_who_may_and_by_one_at_a_time() {
    let server = Server::start().await;
    assert_eq!(
        refused(&server, "GET", "/lightship/v1/accounts", &Value::Null)
            .await
            .1,
        "PERMISSION_DENIED"
    );
    server.push_as_registry("a", "latest").await;
    server.create_account("user:root", &[]).await;
    server.create_account("user:ann", &["group:dev"]).await;
    server
        .bind("registry", &[(access::Role::Administrator, "user:root")])
        .await;
    let reply = server.ask("GET", R, &[], b"").await;
    assert_eq!(reply.status.as_u16(), 401);
    assert!(
        reply.header("www-authenticate").contains("auth/cloud-platform"),
        "{}",
        reply.header("www-authenticate")
    );
    let as_root =
        async |method: &str, path: &str, body: Value| send_as(&server, "root", (method, path), &body).await;
    let as_ann =
        async |method: &str, path: &str, body: Value| send_as(&server, "ann", (method, path), &body).await.0;
    for (method, path) in [
        ("GET", R.to_owned()),
        ("DELETE", R.to_owned()),
        ("GET", format!("{R}:getIamPolicy")),
    ] {
        assert_eq!(as_ann(method, &path, Value::Null).await, 403, "{method} {path}");
    }
    let (_, policy) = as_root("GET", &format!("{R}:getIamPolicy"), Value::Null).await;
    let bindings = json!([{"role": "roles/artifactregistry.reader", "members": ["group:dev"]}]);
    let body = json!({"policy": {"etag": policy["etag"], "bindings": bindings}});
    let (status, set) = as_root("POST", &format!("{R}:setIamPolicy"), body.clone()).await;
    assert_eq!((status, &set["bindings"]), (200, &bindings));
    let (status, conflict) = as_root("POST", &format!("{R}:setIamPolicy"), body).await;
    assert_eq!((status, &conflict["error"]["status"]), (409, &json!("ABORTED")));
    assert_eq!(as_ann("GET", R, Value::Null).await, 200);
    assert_eq!(as_ann("DELETE", R, Value::Null).await, 403);
    let ask =
        json!({"permissions": ["artifactregistry.repositories.get", "artifactregistry.repositories.delete"]});
    let (_, may) = send_as(&server, "ann", ("POST", &format!("{R}:testIamPermissions")), &ask).await;
    assert_eq!(may["permissions"], json!(["artifactregistry.repositories.get"]));
    let bad = json!({"policy": {"bindings": [{"role": "roles/owner", "members": ["user:a"]}]}});
    assert_eq!(as_root("POST", &format!("{R}:setIamPolicy"), bad).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_the_binding_or_what_is_held_instead() {
    let server = Server::start().await;
    server.push_as_registry("a", "latest").await;
    server.create_account("user:root", &[]).await;
    server.create_account("user:ann", &["group:dev"]).await;
    server
        .bind("registry", &[(access::Role::Administrator, "user:root")])
        .await;
    server
        .bind(
            "projects/d/locations/l/repositories/r",
            &[(access::Role::Reader, "group:dev")],
        )
        .await;
    let as_root =
        async |method: &str, path: &str, body: Value| send_as(&server, "root", (method, path), &body).await;
    let as_ann =
        async |method: &str, path: &str, body: Value| send_as(&server, "ann", (method, path), &body).await.0;
    let check = |action: &str| {
        json!({"principal": "user:ann", "permission": format!("artifactregistry.repositories.{action}"),
        "resource": "projects/d/locations/l/repositories/r"})
    };
    let (_, yes) = as_root("POST", "/lightship/v1/iam:check", check("downloadArtifacts")).await;
    assert_eq!(
        (&yes["allowed"], &yes["reason"]["member"]),
        (&json!(true), &json!("group:dev"))
    );
    let (_, no) = as_root("POST", "/lightship/v1/iam:check", check("uploadArtifacts")).await;
    assert_eq!(
        (&no["allowed"], &no["held"][0]["role"]),
        (&json!(false), &json!("roles/artifactregistry.reader"))
    );
    assert_eq!(as_ann("POST", "/lightship/v1/iam:check", check("get")).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_keys_are_looked_after_by_administrators_alone() {
    let server = Server::start().await;
    server.create_account("user:root", &[]).await;
    server.create_account("user:ann", &[]).await;
    server
        .bind("registry", &[(access::Role::Administrator, "user:root")])
        .await;
    let accounts = "/lightship/v1/accounts";
    let as_root =
        async |method: &str, path: &str, body: Value| send_as(&server, "root", (method, path), &body).await;
    let body = json!({"member": "serviceAccount:ci@x", "password": "first one", "groups": ["group:g"]});
    assert_eq!(send_as(&server, "ann", ("POST", accounts), &body).await.0, 403);
    let (status, made) = as_root("POST", accounts, body.clone()).await;
    assert_eq!(
        (status, &made["hasPassword"], made.get("password")),
        (200, &json!(true), None)
    );
    assert_eq!(as_root("POST", accounts, body).await.0, 409);
    let (_, all) = as_root("GET", accounts, Value::Null).await;
    assert_eq!(names(&all, "accounts"), ["ann", "ci@x", "root"]);
    let log_in = async |password: &str| {
        let shown = crate::accounts::basic("ci@x", password);
        server
            .ask("GET", "/v2/", &[("authorization", &shown)], b"")
            .await
            .status
            .as_u16()
    };
    let one = format!("{accounts}/ci%40x");
    assert_eq!(
        (log_in("first one").await, log_in("second one").await),
        (200, 401)
    );
    assert_eq!(
        as_root(
            "POST",
            &format!("{one}:setPassword"),
            json!({"password": "second one"})
        )
        .await
        .0,
        200
    );
    assert_eq!(log_in("second one").await, 200);
    assert_eq!(as_root("PATCH", &one, json!({"disabled": true})).await.0, 200);
    assert_eq!(log_in("second one").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_without_their_private_halves() {
    let server = Server::start().await;
    server.create_account("user:root", &[]).await;
    server.create_account("serviceAccount:ci@x", &[]).await;
    server
        .bind("registry", &[(access::Role::Administrator, "user:root")])
        .await;
    let one = "/lightship/v1/accounts/ci%40x";
    let as_root =
        async |method: &str, path: &str, body: Value| send_as(&server, "root", (method, path), &body).await;
    let file = access::new_key_file("ci@x", "k1", &[7; access::KEY_SEED_BYTES]).unwrap();
    let keys = format!("{one}/keys");
    assert_eq!(
        as_root("POST", &keys, json!({"publicKey": file.json})).await.0,
        400
    );
    let public = json!({"id": "k1", "publicKey": file.public_key.to_pem().unwrap()});
    assert_eq!(as_root("POST", &keys, public.clone()).await.0, 200);
    assert_eq!(as_root("POST", &keys, public).await.0, 409);
    assert_eq!(names(&as_root("GET", &keys, Value::Null).await.1, "keys"), ["k1"]);
    assert_eq!(as_root("DELETE", &format!("{keys}/k1"), Value::Null).await.0, 200);
    assert_eq!(as_root("DELETE", &format!("{keys}/k1"), Value::Null).await.0, 404);
    for (member, status) in [
        ("group:g", 400),
        ("user:_json_key", 400),
        ("user:a:b", 400),
        // In a path this would be andrew.
        ("user:a%6Edrew", 400),
        ("user:..", 400),
        ("ann", 400),
    ] {
        assert_eq!(
            as_root("POST", "/lightship/v1/accounts", json!({"member": member}))
                .await
                .0,
            status,
            "{member}"
        );
    }
    assert_eq!(as_root("DELETE", one, Value::Null).await.0, 200);
    assert_eq!(as_root("GET", one, Value::Null).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_beside_and_say_what_they_did() {
    let server = Server::start().await;
    server.push_image("a", "latest", b"layer").await;
    for (body, field) in [
        (json!({"kind": "SCRUB"}), "blobs"),
        (json!({"kind": "COLLECTION", "dryRun": true}), "bytes_freed"),
        (json!({"kind": "CLEANUP"}), "repositories"),
    ] {
        let report = report_of_job(&server, &body).await;
        assert!(report[field].is_u64(), "{report}");
    }
    assert_eq!(
        refused(&server, "POST", "/lightship/v1/jobs", &json!({"kind": "NAP"}))
            .await
            .0,
        400
    );
    let elsewhere = [("host", "registry.example")];
    let reply = server
        .ask("POST", "/lightship/v1/jobs", &elsewhere, b"{\"kind\":\"SCRUB\"}")
        .await;
    assert_eq!(reply.status.as_u16(), 403);
}

/// A password is hashed for a while, in which somebody else may shut the account.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_does_not_open_an_account_that_was_shut_at_the_same_moment() {
    let server = Server::start().await;
    server.create_account("user:root", &[]).await;
    server.create_account("user:ann", &[]).await;
    server
        .bind("registry", &[(access::Role::Administrator, "user:root")])
        .await;
    let as_root =
        async |method: &str, path: &str, body: Value| send_as(&server, "root", (method, path), &body).await;
    let path = "/lightship/v1/accounts/ann";
    for _ in 0..4 {
        let open = json!({"disabled": false});
        assert_eq!(as_root("PATCH", path, open).await.0, 200);
        let password = format!("{path}:setPassword");
        let (set, shut) = tokio::join!(
            as_root("POST", &password, json!({"password": "another one"})),
            as_root("PATCH", path, json!({"disabled": true})),
        );
        assert_eq!((set.0, shut.0), (200, 200));
        let (_, account) = as_root("GET", path, Value::Null).await;
        assert_eq!(account["disabled"], json!(true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_account_cannot_be_removed_since_the_registry_would_be_open() {
    let server = Server::start().await;
    server.push_as_registry("a", "latest").await;
    server.create_account("user:root", &[]).await;
    server.create_account("user:ann", &[]).await;
    server
        .bind("registry", &[(access::Role::Administrator, "user:root")])
        .await;
    let delete = async |name: &str| {
        let path = format!("/lightship/v1/accounts/{name}");
        send_as(&server, "root", ("DELETE", &path), &Value::Null).await.0
    };
    assert_eq!(delete("ann").await, 200);
    assert_eq!(delete("root").await, 400);
    assert_eq!(server.get("/v2/a/manifests/latest").await.status.as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_says_what_it_would_remove_and_removes_it_when_it_is_to() {
    const R: &str = "projects/d/locations/l/repositories/r";
    let server = Server::start().await;
    let digest = server.push_image("a", "old", b"1").await;
    server.clock.forward(7200);
    server.push_image("a", "new", b"22").await;
    let status = |path: &'static str| async { server.get(path).await.status.as_u16() };
    assert_eq!(status("/v2/a/manifests/old").await, 200);
    let policies = json!({"cleanupPolicyDryRun": true, "cleanupPolicies": {"aged":
        {"action": "DELETE", "condition": {"tagState": "ANY", "olderThan": "3600s"}}}});
    assert_eq!(
        send(&server, "PATCH", &format!("/v1/{R}"), &policies).await.0,
        200
    );

    let expected = json!([{"package": format!("{R}/packages/a"), "digest": digest.to_string(), "tags": ["old"],
        "bytes": server.get("/v2/a/manifests/old").await.body.len() + 3, "policy": "aged"}]);
    let dry = json!({"kind": "CLEANUP", "dryRun": true, "repository": R});
    let real = json!({"kind": "CLEANUP"});
    // The repository's policies only report, whatever is asked for.
    for body in [&dry, &real] {
        let report = report_of_job(&server, body).await;
        assert_eq!(report["would_remove"]["listed"], expected);
        assert_eq!(report["removed"]["versions"], 0);
    }
    let armed = json!({"cleanupPolicyDryRun": false});
    assert_eq!(
        send(
            &server,
            "PATCH",
            &format!("/v1/{R}?updateMask=cleanupPolicyDryRun"),
            &armed
        )
        .await
        .0,
        200
    );
    assert_eq!(
        report_of_job(&server, &dry).await["would_remove"]["listed"],
        expected
    );
    assert_eq!(status("/v2/a/manifests/old").await, 200);
    let elsewhere = json!({"kind": "CLEANUP", "repository": "projects/d/locations/l/repositories/other"});
    assert_eq!(report_of_job(&server, &elsewhere).await["repositories"], 0);
    let report = report_of_job(&server, &real).await;
    assert_eq!(report["removed"]["listed"], expected);
    assert_eq!(status("/v2/a/manifests/old").await, 404);
    assert_eq!(status("/v2/a/manifests/new").await, 200);
    let nowhere = json!({"kind": "CLEANUP", "repository": "r"});
    assert_eq!(
        refused(&server, "POST", "/lightship/v1/jobs", &nowhere).await.0,
        400
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_all_repositories_has_those_that_its_reader_may_see() {
    const ALL: &str = "/lightship/v1/repositories";
    let server = Server::start().await;
    let admin = [(access::Role::Administrator, "user:root")];
    for who in ["root", "ann", "bob"] {
        server.create_account(&format!("user:{who}"), &[]).await;
    }
    server.bind("registry", &admin).await;
    for place in ["p/locations/us", "p/locations/eu", "q/locations/us"] {
        for id in ["a", "b"] {
            let path = format!("/v1/projects/{place}/repositories?repositoryId={id}");
            let body = json!({"format": "DOCKER"});
            assert_eq!(
                send_as(&server, "root", ("POST", &path), &body).await.0,
                200,
                "{path}"
            );
        }
    }
    let reader = [(access::Role::Reader, "user:ann")];
    server.bind("projects/q", &reader).await;
    server
        .bind("projects/p/locations/us/repositories/b", &reader)
        .await;
    let seen = async |who: &str, page: usize| {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("{ALL}?pageSize={page}&pageToken={token}");
            let (status, found) = send_as(&server, who, ("GET", &path), &Value::Null).await;
            assert_eq!(status, 200, "{found}");
            let entries = found["repositories"].as_array().unwrap();
            assert!(entries.len() <= page);
            let names = entries.iter().filter_map(|entry| entry["name"].as_str());
            all.extend(names.map(|name| {
                name.replace("projects/", "")
                    .replace("/locations/", "/")
                    .replace("/repositories/", "/")
            }));
            match found["nextPageToken"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => return all,
            }
        }
    };
    let mine = ["p/us/b", "q/us/a", "q/us/b"];
    for page in [1, 2, 3, 100] {
        assert_eq!(seen("ann", page).await, mine, "{page}");
    }
    assert_eq!(seen("root", 4).await.len(), 6);
    assert!(seen("bob", 4).await.is_empty());
    // Who shows nothing is asked who they are, and not told that there is nothing.
    assert_eq!(send_as(&server, "", ("GET", ALL), &Value::Null).await.0, 401);
    assert_eq!(send_as(&server, "root", ("POST", ALL), &json!({})).await.0, 405);
}
