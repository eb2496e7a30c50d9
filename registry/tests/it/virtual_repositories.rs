//! Repositories that stand for others: who is asked, and who never is.

use oci::Digest;
use testkit::Fault;

use crate::accounts::of;
use crate::remote::{Files, HOST, change, host_of, in_front_of, make, read};
use crate::server::{Reply, Server, image_of};

const ALL: &str = "/v2/p/all";

/// Puts an image into a standard repository, without blobs of its own to speak of.
async fn push(server: &Server, name: &str, tag: &str, layer: &[u8]) -> Digest {
    let mut digests = Vec::new();
    for content in [b"{}".as_slice(), layer] {
        let digest = Digest::sha256_of(content);
        let path = format!("/v2/p/{name}/blobs/uploads/?digest={digest}");
        assert_eq!(server.ask("POST", &path, &[HOST], content).await.status, 201);
        digests.push(digest);
    }
    let manifest = image_of(digests[0], digests[1], layer.len());
    let path = format!("/v2/p/{name}/manifests/{tag}");
    let headers = [
        HOST,
        ("content-type", "application/vnd.oci.image.manifest.v1+json"),
    ];
    let reply = server.ask("PUT", &path, &headers, manifest.as_bytes()).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    Digest::sha256_of(manifest.as_bytes())
}

fn policies(members: &[(&str, i32)]) -> String {
    let policies: Vec<String> = members
        .iter()
        .map(|(id, priority)| {
            let repository = format!("projects/p/locations/us/repositories/{id}");
            format!(r#"{{"id":"{id}","repository":"{repository}","priority":{priority}}}"#)
        })
        .collect();
    format!(
        r#""virtualRepositoryConfig":{{"upstreamPolicies":[{}]}}"#,
        policies.join(",")
    )
}

async fn make_virtual(server: &Server, id: &str, members: &[(&str, i32)]) {
    let fields = format!(r#""mode":"VIRTUAL_REPOSITORY",{}"#, policies(members));
    make(server, id, &fields).await;
}

async fn digest_of(server: &Server, name: &str, reference: &str) -> String {
    let reply = read(server, &format!("{ALL}/{name}/manifests/{reference}")).await;
    match reply.status.as_u16() {
        200 => reply.header("docker-content-digest").to_owned(),
        status => status.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_the_members_with_the_greatest_priority_that_has_it() {
    let files = Files::new();
    let elsewhere = image_of(Digest::sha256_of(b"{}"), files.blob("app", b"evil"), 4);
    files.put("v2/app/tags/list?n=1", b"{}");
    files.put("v2/app/manifests/v1", elsewhere.as_bytes());
    files.put("v2/app/manifests/v2", elsewhere.as_bytes());
    let evil = Digest::sha256_of(elsewhere.as_bytes());
    files.put(&format!("v2/app/manifests/{evil}"), elsewhere.as_bytes());
    files.put("v2/other/tags/list?n=1", b"{}");
    files.put("v2/other/manifests/v1", elsewhere.as_bytes());
    let upstream = files.serve();
    let server = in_front_of(&[("public", &host_of(&upstream))]).await;
    let ours = push(&server, "ours/app", "v1", b"ours").await;
    make_virtual(&server, "all", &[("public", 10), ("ours", 20)]).await;
    assert_eq!(digest_of(&server, "app", "v1").await, ours.to_string());
    // Neither a tag nor a digest nor a blob of that name comes from below.
    assert_eq!(digest_of(&server, "app", "v2").await, "404");
    assert_eq!(digest_of(&server, "app", &evil.to_string()).await, "404");
    let blob = format!("{ALL}/app/blobs/{}", Digest::sha256_of(b"evil"));
    assert_eq!(read(&server, &blob).await.status, 404);
    assert_eq!(upstream.requests(), [""; 0]);
    let blob = format!("{ALL}/app/blobs/{}", Digest::sha256_of(b"ours"));
    assert_eq!(read(&server, &blob).await.text(), "ours");
    // What only the one below has is its own.
    assert_eq!(digest_of(&server, "other", "v1").await, evil.to_string());
    assert_eq!(digest_of(&server, "none", "v1").await, "404");
    // The other way round.
    let body = format!("{{{}}}", policies(&[("public", 30), ("ours", 20)]));
    let reply = change(&server, "all", "virtualRepositoryConfig", &body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(digest_of(&server, "app", "v2").await, evil.to_string());
    assert_eq!(digest_of(&server, "app", &ours.to_string()).await, "404");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_owns_is_looked_for_nowhere_else() {
    let files = Files::new();
    files.put("v2/team/tool/tags/list?n=1", b"{}");
    let manifest = image_of(Digest::sha256_of(b"{}"), Digest::sha256_of(b"x"), 1);
    files.put("v2/team/tool/manifests/v1", manifest.as_bytes());
    let upstream = files.serve();
    let server = in_front_of(&[("public", &host_of(&upstream))]).await;
    make(&server, "ours", r#""description":"of the team""#).await;
    make_virtual(&server, "all", &[("public", 10), ("ours", 20)]).await;
    let owned = r#"{"lightshipConfig":{"ownedPackages":{"ours":["team/*"]}}}"#;
    assert_eq!(change(&server, "all", "lightshipConfig", owned).await.status, 200);
    assert_eq!(digest_of(&server, "team/tool", "v1").await, "404");
    assert_eq!(upstream.requests(), [""; 0]);
    let nobody = r#"{"lightshipConfig":{"ownedPackages":{"nobody":["team/*"]}}}"#;
    let reply = change(&server, "all", "lightshipConfig", nobody).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_above_lets_nobody_below_answer() {
    let (above, below) = (Files::new(), Files::new());
    let manifest = image_of(Digest::sha256_of(b"{}"), Digest::sha256_of(b"x"), 1);
    below.put("v2/app/tags/list?n=1", b"{}");
    below.put("v2/app/manifests/v1", manifest.as_bytes());
    let (above, below) = (above.serve(), below.serve());
    let server = in_front_of(&[("first", &host_of(&above)), ("second", &host_of(&below))]).await;
    make_virtual(&server, "all", &[("first", 2), ("second", 1)]).await;
    for fault in [Fault::Status(500, None), Fault::Status(403, None)] {
        above.fault_once("/v2/app/tags/list?n=1", fault);
        let status = digest_of(&server, "app", "v1").await;
        assert!(matches!(status.as_str(), "502" | "403"), "{status}");
    }
    assert_eq!(below.requests(), [""; 0]);
    // Now it is known not to have it.
    assert_eq!(digest_of(&server, "app", "v1").await.len(), 71);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_those_of_the_member_that_has_the_name_and_pushes_are_refused() {
    let server = in_front_of(&[]).await;
    push(&server, "one/app", "v1", b"1").await;
    push(&server, "two/app", "v2", b"2").await;
    push(&server, "two/tool", "v3", b"3").await;
    make_virtual(&server, "inner", &[("two", 0)]).await;
    make_virtual(&server, "all", &[("inner", 5), ("one", 9)]).await;
    let tags = async |name: &str| {
        let reply = read(&server, &format!("{ALL}/{name}/tags/list")).await;
        let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        document["tags"].to_string()
    };
    assert_eq!(tags("app").await, r#"["v1"]"#);
    assert_eq!(tags("tool").await, r#"["v3"]"#, "through a virtual one");
    for (method, path) in [
        ("POST", "app/blobs/uploads/"),
        ("PUT", "app/manifests/v9"),
        ("DELETE", "app/manifests/v1"),
    ] {
        let reply: Reply = server.ask(method, &format!("{ALL}/{path}"), &[HOST], b"{}").await;
        assert_eq!(reply.refusal(), (405, "DENIED".to_owned()), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_the_virtual_one_reads_what_is_behind_it_and_nothing_beside() {
    let server = in_front_of(&[]).await;
    let digest = push(&server, "secret/app", "v1", b"1").await;
    make_virtual(&server, "all", &[("secret", 1)]).await;
    server.create_account("user:ann", &[]).await;
    let repository = |id: &str| format!("projects/p/locations/us/repositories/{id}");
    let bindings = [(access::Role::Reader, "user:ann")];
    server.bind(&repository("all"), &bindings).await;
    let ann = of("ann");
    let ask = async |path: String| {
        let headers = [HOST, ("authorization", ann.as_str())];
        server.ask("GET", &path, &headers, b"").await.status.as_u16()
    };
    assert_eq!(ask(format!("{ALL}/app/manifests/{digest}")).await, 200);
    assert_eq!(
        ask(format!("{ALL}/app/blobs/{}", Digest::sha256_of(b"1"))).await,
        200
    );
    assert_eq!(ask(format!("/v2/p/secret/app/manifests/{digest}")).await, 403);
}
