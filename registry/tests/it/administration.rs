//! Artifact Registry's REST API, and the verbs beside it.

use serde_json::{Value, json};

use crate::accounts::of;
use crate::server::Server;

pub(crate) const R: &str = "/v1/projects/d/locations/l/repositories/r";
pub(crate) const LOCATION: &str = "/v1/projects/p/locations/us/repositories";

/// A request with a document, by nobody where there are no accounts.
pub(crate) async fn send(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    send_as(server, "", (method, path), body).await
}

pub(crate) async fn send_as(
    server: &Server,
    who: &str,
    (method, path): (&str, &str),
    body: &Value,
) -> (u16, Value) {
    let shown = of(who);
    let headers: &[(&str, &str)] = match who {
        "" => &[],
        _ => &[("authorization", &shown)],
    };
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let reply = server.ask(method, path, headers, body.as_bytes()).await;
    let document = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
    (reply.status.as_u16(), document)
}

pub(crate) async fn get(server: &Server, path: &str) -> Value {
    let (status, document) = send(server, "GET", path, &Value::Null).await;
    assert_eq!(status, 200, "{path}: {document}");
    document
}

/// Status and Google's word for a refusal.
pub(crate) async fn refused(server: &Server, method: &str, path: &str, body: &Value) -> (u16, String) {
    let (status, document) = send(server, method, path, body).await;
    assert_eq!(document["error"]["code"], json!(status), "{document}");
    (status, document["error"]["status"].as_str().unwrap().to_owned())
}

pub(crate) fn names(document: &Value, field: &str) -> Vec<String> {
    let entries = document[field].as_array().unwrap().iter();
    entries
        .map(|entry| {
            entry["name"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_made_listed_changed_and_removed() {
    let server = Server::start().await;
    for id in ["b", "a", "c"] {
        let body = json!({"format": "DOCKER", "description": id, "labels": {"k": id}});
        let (status, operation) =
            send(&server, "POST", &format!("{LOCATION}?repositoryId={id}"), &body).await;
        assert_eq!((status, &operation["done"]), (200, &json!(true)), "{operation}");
        assert_eq!(
            operation["response"]["registryUri"],
            format!("us-docker.pkg.dev/p/{id}")
        );
        assert_eq!(
            get(&server, &format!("/v1/{}", operation["name"].as_str().unwrap())).await["done"],
            true
        );
    }
    let page = get(&server, &format!("{LOCATION}?pageSize=2")).await;
    assert_eq!(names(&page, "repositories"), ["a", "b"]);
    let token = page["nextPageToken"].as_str().unwrap();
    let page = get(&server, &format!("{LOCATION}?pageSize=2&pageToken={token}")).await;
    assert_eq!(
        (names(&page, "repositories"), page.get("nextPageToken")),
        (vec!["c".to_owned()], None)
    );
    let all = get(
        &server,
        "/v1/projects/p/locations/-/repositories?orderBy=description+desc",
    )
    .await;
    assert_eq!(names(&all, "repositories"), ["c", "b", "a"]);
    let some = get(&server, &format!("{LOCATION}?filter=description%3D%22b%22")).await;
    assert_eq!(names(&some, "repositories"), ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_changed_as_a_mask_says_and_removed() {
    let server = Server::start().await;
    let body = json!({"format": "DOCKER", "labels": {"k": "a"}});
    send(&server, "POST", &format!("{LOCATION}?repositoryId=a"), &body).await;
    let one = format!("{LOCATION}/a");
    let body = json!({"description": "new", "labels": {}, "cleanupPolicyDryRun": true,
        "cleanupPolicies": {"x": {"action": "DELETE", "condition": {"olderThan": "60s"}}}});
    let (_, changed) = send(&server, "PATCH", &format!("{one}?updateMask=description"), &body).await;
    assert_eq!(
        (&changed["description"], &changed["labels"]),
        (&json!("new"), &json!({"k": "a"}))
    );
    let (_, changed) = send(&server, "PATCH", &one, &body).await;
    assert_eq!(changed["labels"], json!({}));
    assert_eq!(changed["cleanupPolicies"]["x"]["condition"]["olderThan"], "60s");
    let own = json!({"lightshipConfig": {"quotaBytes": "5", "immutableTagPatterns": ["v*"]}});
    let (_, changed) = send(&server, "PATCH", &one, &own).await;
    assert_eq!(changed["lightshipConfig"], own["lightshipConfig"]);

    assert_eq!(send(&server, "DELETE", &one, &Value::Null).await.0, 200);
    assert_eq!(send(&server, "GET", &one, &Value::Null).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_of_repositories_is_refused_in_googles_words() {
    let server = Server::start().await;
    let body = json!({"format": "DOCKER"});
    send(&server, "POST", &format!("{LOCATION}?repositoryId=a"), &body).await;
    let (one, bad) = (format!("{LOCATION}/a"), (400, "INVALID_ARGUMENT"));
    let asked = [
        (
            "POST",
            format!("{LOCATION}?repositoryId=a"),
            json!({"format": "DOCKER"}),
            (409, "ALREADY_EXISTS"),
        ),
        ("POST", format!("{LOCATION}?repositoryId=d"), json!({}), bad),
        (
            "POST",
            format!("{LOCATION}?repositoryId=d"),
            json!({"format": "MAVEN"}),
            bad,
        ),
        (
            "POST",
            format!("{LOCATION}?repositoryId=D"),
            json!({"format": 1}),
            bad,
        ),
        ("PATCH", format!("{one}?updateMask=kms_key_name"), json!({}), bad),
        ("PATCH", one.clone(), json!([]), bad),
        ("PUT", one.clone(), json!({}), (405, "UNIMPLEMENTED")),
        ("GET", format!("{LOCATION}/none"), json!({}), (404, "NOT_FOUND")),
        ("GET", format!("{LOCATION}?pageToken=x"), json!({}), bad),
        ("GET", format!("{LOCATION}?pageSize=-1"), json!({}), bad),
        ("GET", "/v1/nothing".to_owned(), json!({}), (404, "NOT_FOUND")),
    ];
    for (method, path, body, (status, word)) in asked {
        assert_eq!(
            refused(&server, method, &path, &body).await,
            (status, word.to_owned()),
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_as_many_bytes_as_it_may_and_no_more() {
    let server = Server::start().await;
    let body = json!({"format": "DOCKER"});
    send(&server, "POST", &format!("{LOCATION}?repositoryId=a"), &body).await;
    let one = format!("{LOCATION}/a");
    let whole = format!("{{}}{}", " ".repeat((2 << 20) - 2)).into_bytes();
    assert_eq!(server.ask("PATCH", &one, &[], &whole).await.status.as_u16(), 200);
    let large = "x".repeat((2 << 20) + 1).into_bytes();
    assert_eq!(server.ask("PATCH", &one, &[], &large).await.status.as_u16(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_repository_holds_is_listed_and_removed() {
    let server = Server::start().await;
    let first = server.push_image("a/b", "v1", b"1").await;
    server.clock.forward(10);
    let second = server.push_image("a/b", "v2", b"22").await;
    server.push_image("z", "latest", b"3").await;
    server.get("/v2/a/b/manifests/v2").await;

    let packages = get(&server, &format!("{R}/packages")).await;
    assert_eq!(names(&packages, "packages"), ["a%2Fb", "z"]);
    let package = format!("{R}/packages/a%2Fb");
    assert_eq!(get(&server, &package).await["displayName"], "a/b");
    let versions = get(
        &server,
        &format!("{package}/versions?view=FULL&orderBy=update_time+desc&pageSize=1"),
    )
    .await;
    assert_eq!(names(&versions, "versions"), [second.to_string()]);
    assert_eq!(versions["versions"][0]["lightshipUsage"]["pullCount"], "1");
    assert_eq!(names(&versions["versions"][0], "relatedTags"), ["v2"]);
    let token = versions["nextPageToken"].as_str().unwrap();
    let rest = get(
        &server,
        &format!("{package}/versions?orderBy=update_time+desc&pageSize=1&pageToken={token}"),
    )
    .await;
    assert_eq!(names(&rest, "versions"), [first.to_string()]);
    let wrong = format!("{package}/versions?orderBy=create_time&pageToken=eA");
    assert_eq!(send(&server, "GET", &wrong, &Value::Null).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_all_packages_are_listed_page_by_page() {
    let server = Server::start().await;
    for (name, tag) in [("a/b", "v1"), ("a/b", "v2"), ("z", "latest")] {
        server.push_image(name, tag, tag.as_bytes()).await;
    }
    let images = get(&server, &format!("{R}/dockerImages?pageSize=2")).await;
    let uris: Vec<&str> = images["dockerImages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["uri"].as_str().unwrap())
        .collect();
    assert!(
        uris.iter()
            .all(|uri| uri.starts_with(&format!("{}/a/b@sha256:", server.address))),
        "{uris:?}"
    );
    let token = images["nextPageToken"].as_str().unwrap();
    let rest = get(&server, &format!("{R}/dockerImages?pageSize=2&pageToken={token}")).await;
    assert_eq!(rest["dockerImages"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_made_moved_and_remembered() {
    let server = Server::start().await;
    let first = server.push_image("a/b", "v1", b"1").await;
    let second = server.push_image("a/b", "v2", b"22").await;
    let package = format!("{R}/packages/a%2Fb");
    let tags = format!("{package}/tags");
    let version = |digest| format!("projects/d/locations/l/repositories/r/packages/a%2Fb/versions/{digest}");
    let body = json!({"version": version(first)});
    assert_eq!(
        send(&server, "POST", &format!("{tags}?tagId=new"), &body).await.0,
        200
    );
    assert_eq!(
        refused(&server, "POST", &format!("{tags}?tagId=new"), &body)
            .await
            .1,
        "ALREADY_EXISTS"
    );
    let (_, moved) = send(
        &server,
        "PATCH",
        &format!("{tags}/new"),
        &json!({"version": version(second)}),
    )
    .await;
    assert_eq!(moved["version"], version(second));
    assert_eq!(
        server
            .get("/v2/a/b/manifests/new")
            .await
            .header("docker-content-digest"),
        second.to_string()
    );
    let history = get(&server, &format!("/lightship{tags}/new/history")).await;
    let ends: Vec<&Value> = history["moves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["to"])
        .collect();
    assert_eq!(ends, [&json!(version(second)), &json!(version(first))]);
    let filtered = get(
        &server,
        &format!(
            "{tags}?filter=version%3D%22{}%22",
            version(second).replace('%', "%25")
        ),
    )
    .await;
    assert_eq!(names(&filtered, "tags"), ["new", "v2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_packages_go_with_what_names_them() {
    let server = Server::start().await;
    let first = server.push_image("a/b", "v1", b"1").await;
    let second = server.push_image("a/b", "v2", b"22").await;
    server.push_image("z", "latest", b"3").await;
    let package = format!("{R}/packages/a%2Fb");
    let tags = format!("{package}/tags");
    let version = |digest| format!("projects/d/locations/l/repositories/r/packages/a%2Fb/versions/{digest}");
    let of_second = format!("{package}/versions/{second}");
    assert_eq!(
        refused(&server, "DELETE", &of_second, &Value::Null).await.1,
        "FAILED_PRECONDITION"
    );
    assert_eq!(
        send(
            &server,
            "DELETE",
            &format!("{of_second}?force=true"),
            &Value::Null
        )
        .await
        .0,
        200
    );
    assert_eq!(server.get("/v2/a/b/manifests/new").await.status.as_u16(), 404);
    assert_eq!(
        send(&server, "DELETE", &format!("{tags}/v1"), &Value::Null)
            .await
            .0,
        200
    );
    let batch = json!({"names": [version(first)]});
    assert_eq!(
        send(
            &server,
            "POST",
            &format!("{package}/versions:batchDelete"),
            &batch
        )
        .await
        .0,
        200
    );
    assert_eq!(send(&server, "GET", &package, &Value::Null).await.0, 404);
    assert_eq!(
        send(&server, "DELETE", &format!("{R}/packages/z"), &Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(server.get("/v2/z/manifests/latest").await.status.as_u16(), 404);
}
