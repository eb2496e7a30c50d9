//! Remote and virtual repositories as Artifact Registry's API has them.

use serde_json::{Value, json};

use crate::remote::{HOST, MIRROR, change, host_of, in_front_of, make, read};
use crate::server::{Reply, Server, image_of};

const PATH: &str = "/v1/projects/p/locations/us/repositories";

async fn create(server: &Server, id: &str, body: Value) -> Reply {
    let path = format!("{PATH}?repositoryId={id}");
    server.ask("POST", &path, &[], body.to_string().as_bytes()).await
}

async fn get(server: &Server, id: &str) -> Value {
    let reply = server.get(&format!("{PATH}/{id}")).await;
    serde_json::from_slice(&reply.body).unwrap()
}

fn remote(uri: &str) -> Value {
    json!({
        "format": "DOCKER",
        "mode": "REMOTE_REPOSITORY",
        "remoteRepositoryConfig": {"dockerRepository": {"customRepository": {"uri": uri}}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_repository_is_told_as_it_was_made_and_stays_one() {
    let server = in_front_of(&[]).await;
    assert_eq!(
        create(&server, "r", remote("https://old.example/team"))
            .await
            .status,
        200
    );
    let told = get(&server, "r").await;
    assert_eq!(told["mode"], "REMOTE_REPOSITORY");
    let uri = &told["remoteRepositoryConfig"]["dockerRepository"]["customRepository"]["uri"];
    assert_eq!(uri, "https://old.example/team");
    assert_eq!(told["lightshipConfig"]["upstreamFreshness"], "60s");
    let body = r#"{"lightshipConfig":{"upstreamFreshness":"5s","upstreamBytesPerSecondMax":"1000"}}"#;
    assert_eq!(change(&server, "r", "lightshipConfig", body).await.status, 200);
    let own = &get(&server, "r").await["lightshipConfig"];
    assert_eq!(
        (&own["upstreamFreshness"], &own["upstreamBytesPerSecondMax"]),
        (&json!("5s"), &json!("1000"))
    );
    // What else is changed leaves it as it is.
    assert_eq!(
        change(&server, "r", "description", r#"{"description":"x"}"#)
            .await
            .status,
        200
    );
    assert_eq!(
        get(&server, "r").await["lightshipConfig"]["upstreamFreshness"],
        "5s"
    );
    for (mask, body) in [
        ("mode", json!({"mode": "STANDARD_REPOSITORY"})),
        (
            "virtualRepositoryConfig",
            json!({"virtualRepositoryConfig": {"upstreamPolicies": []}}),
        ),
        ("dockerConfig", json!({"dockerConfig": {"immutableTags": true}})),
        (
            "lightshipConfig",
            json!({"lightshipConfig": {"ownedPackages": {}}}),
        ),
        (
            "lightshipConfig",
            json!({"lightshipConfig": {"upstreamFreshness": "soon"}}),
        ),
    ] {
        let reply = change(&server, "r", mask, &body.to_string()).await;
        assert_eq!(reply.status, 400, "{mask}: {}", reply.text());
    }
    assert_eq!(
        create(&server, "s", remote("http://old.example")).await.status,
        400
    );
    let without = json!({"format": "DOCKER", "mode": "REMOTE_REPOSITORY"});
    assert_eq!(create(&server, "s", without).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_upstream_counts_from_the_next_read_on() {
    let (one, two) = (crate::remote::Files::new(), crate::remote::Files::new());
    let manifest = |text: &[u8]| image_of(oci::Digest::sha256_of(text), oci::Digest::sha256_of(text), 1);
    one.put("v2/app/manifests/a", manifest(b"1").as_bytes());
    two.put("v2/app/manifests/b", manifest(b"2").as_bytes());
    let (one, two) = (one.serve(), two.serve());
    let server = in_front_of(&[("mirror", &host_of(&one))]).await;
    let path = |tag: &str| format!("{MIRROR}/app/manifests/{tag}");
    assert_eq!(read(&server, &path("a")).await.text(), manifest(b"1"));
    let config = json!({"remoteRepositoryConfig": {"commonRepository": {"uri": host_of(&two)}}});
    let changed = change(&server, "mirror", "remoteRepositoryConfig", &config.to_string()).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(read(&server, &path("b")).await.text(), manifest(b"2"));
    assert_eq!(
        server
            .ask("DELETE", &format!("{PATH}/mirror"), &[], b"")
            .await
            .status,
        200
    );
    assert_eq!(read(&server, &path("b")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_repositories_that_are_filled_from_elsewhere_are_not_set_here() {
    let files = crate::remote::Files::new();
    let manifest = image_of(oci::Digest::sha256_of(b"1"), oci::Digest::sha256_of(b"1"), 1);
    files.put("v2/app/manifests/a", manifest.as_bytes());
    let upstream = files.serve();
    let server = in_front_of(&[("mirror", &host_of(&upstream))]).await;
    assert_eq!(
        read(&server, &format!("{MIRROR}/app/manifests/a")).await.status,
        200
    );
    let digest = oci::Digest::sha256_of(manifest.as_bytes());
    let package = "projects/p/locations/us/repositories/mirror/packages/app";
    let body = json!({"version": format!("{package}/versions/{digest}")});
    let path = format!("/v1/{package}/tags?tagId=mine");
    let reply = server
        .ask("POST", &path, &[HOST], body.to_string().as_bytes())
        .await;
    assert!(reply.status.is_client_error(), "{}", reply.text());
    assert!(reply.text().contains("takes no pushes"), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_repository_is_told_as_it_was_made() {
    let server = in_front_of(&[]).await;
    make(&server, "one", r#""description":"""#).await;
    let policy = |repository: &str, priority: i64| {
        json!({
            "id": repository,
            "repository": format!("projects/p/locations/us/repositories/{repository}"),
            "priority": priority,
        })
    };
    let all = |policies: &[Value]| {
        json!({
            "format": "DOCKER",
            "mode": "VIRTUAL_REPOSITORY",
            "virtualRepositoryConfig": {"upstreamPolicies": policies},
        })
    };
    assert_eq!(create(&server, "all", all(&[policy("one", 7)])).await.status, 200);
    let told = get(&server, "all").await;
    assert_eq!(told["mode"], "VIRTUAL_REPOSITORY");
    assert_eq!(
        told["virtualRepositoryConfig"]["upstreamPolicies"],
        json!([policy("one", 7)])
    );
    for (policies, problem) in [
        (vec![policy("none", 1)], "there is no"),
        (vec![policy("one", 1), policy("one", 2)], "two members"),
        (vec![policy("one", 1 << 40)], "priority"),
    ] {
        let reply = create(&server, "other", all(&policies)).await;
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains(problem), "{}", reply.text());
    }
    let itself = json!({"virtualRepositoryConfig": {"upstreamPolicies": [policy("all", 1)]}});
    let reply = change(&server, "all", "virtualRepositoryConfig", &itself.to_string()).await;
    assert!(reply.text().contains("stand for itself"), "{}", reply.text());
}
