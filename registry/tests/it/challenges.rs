//! What is asked of those who show nothing, and what those hear who showed the wrong thing.

use access::Role;

use crate::accounts::{DEFAULT, basic, of};
use crate::server::{Server, options};

/// A registry with `ann`, who may write, and an image `a:latest` of hers.
async fn closed() -> Server {
    let server = Server::start().await;
    server.push_image("a", "latest", b"layer").await;
    server.create_account("user:ann", &[]).await;
    server.bind(DEFAULT, &[(Role::Writer, "user:ann")]).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn as_soon_as_there_is_an_account_a_bearer_challenge_is_asked_even_where_everybody_reads() {
    let server = Server::start().await;
    assert_eq!(server.get("/v2/").await.status.as_u16(), 200);
    assert_eq!(server.get("/v2/token").await.status.as_u16(), 404);
    server.push_image("a", "latest", b"layer").await;
    server.create_account("user:ann", &[]).await;
    server.bind(DEFAULT, &[(Role::Reader, "allUsers")]).await;
    let reply = server.get("/v2/").await;
    assert_eq!(reply.refusal(), (401, "UNAUTHORIZED".to_owned()));
    let address = server.address;
    let expected = format!("Bearer realm=\"http://{address}/v2/token\",service=\"{address}\"");
    assert_eq!(reply.header("www-authenticate"), expected);
    let there = [("host", "registry.example:80")];
    let reply = server.ask("GET", "/v2/", &there, b"").await;
    assert_eq!(
        reply.header("www-authenticate"),
        "Bearer realm=\"http://registry.example:80/v2/token\",service=\"registry.example:80\""
    );
    // What everybody may is there without asking.
    assert_eq!(server.get("/v2/a/manifests/latest").await.status.as_u16(), 200);
    let anonymous = server.token("", "repository:a:pull,push").await;
    assert_eq!(anonymous.json()["scope"], "repository:a:pull");
    let shown = [("authorization", &*anonymous.bearer())];
    for (method, path, status) in [
        ("GET", "/v2/", 200),
        ("GET", "/v2/a/manifests/latest", 200),
        ("POST", "/v2/a/blobs/uploads/", 401),
    ] {
        assert_eq!(
            server.ask(method, path, &shown, b"").await.status.as_u16(),
            status,
            "{path}"
        );
    }
    // Operators need no account.
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).await.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_realm_is_where_the_registry_says_it_is_reached() {
    let mut options = options();
    options.access.external_url = Some("https://registry.example/".to_owned());
    let server = Server::with(options).await;
    server.create_account("user:ann", &[]).await;
    let reply = server.get("/v2/").await;
    let challenge = reply.header("www-authenticate").to_owned();
    assert!(
        challenge.starts_with("Bearer realm=\"https://registry.example/v2/token\""),
        "{challenge}"
    );
    for host in ["a\"b", "a b", "a,b", "a/b"] {
        let reply = server.ask("GET", "/v2/", &[("host", host)], b"").await;
        assert_eq!(reply.status.as_u16(), 400, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_missing_and_denied_are_the_same() {
    let server = closed().await;
    let mut told = Vec::new();
    for path in [
        "/v2/a/manifests/latest",
        "/v2/a/manifests/none",
        "/v2/b/manifests/latest",
    ] {
        let reply = server.get(path).await;
        assert_eq!(reply.refusal(), (401, "UNAUTHORIZED".to_owned()), "{path}");
        told.push((
            reply.text().to_owned(),
            reply.header("www-authenticate").replace(":b:", ":a:"),
        ));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
    let scope = |method: &'static str, path: &'static str| {
        let server = &server;
        async move {
            let reply = server.ask(method, path, &[], b"{}").await;
            assert_eq!(reply.status.as_u16(), 401, "{method} {path}");
            let challenge = reply.header("www-authenticate").to_owned();
            let (_, rest) = challenge.split_once(",scope=\"").unwrap();
            rest.trim_end_matches('"').to_owned()
        }
    };
    assert_eq!(scope("GET", "/v2/a/tags/list").await, "repository:a:pull");
    assert_eq!(
        scope("POST", "/v2/a/blobs/uploads/").await,
        "repository:a:pull,push"
    );
    assert_eq!(
        scope("PUT", "/v2/a/b/manifests/x").await,
        "repository:a/b:pull,push"
    );
    assert_eq!(
        scope("DELETE", "/v2/a/manifests/x").await,
        "repository:a:pull,delete"
    );
    assert_eq!(scope("GET", "/v2/_catalog").await, "registry:catalog:*");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_credential_only_those_who_may_list_hear_what_is_missing() {
    let server = closed().await;
    server.create_account("user:bob", &[]).await;
    server.create_account("user:eve", &[]).await;
    server
        .bind(DEFAULT, &[(Role::Writer, "user:ann"), (Role::Reader, "user:bob")])
        .await;
    let bob = [("authorization", &*of("bob"))];
    let missing = server.ask("GET", "/v2/a/manifests/none", &bob, b"").await;
    assert_eq!(missing.refusal(), (404, "MANIFEST_UNKNOWN".to_owned()));
    let denied = server.ask("POST", "/v2/a/blobs/uploads/", &bob, b"").await;
    assert_eq!(denied.refusal(), (403, "DENIED".to_owned()));
    assert_eq!(
        denied.json()["errors"][0]["message"],
        format!("permission artifactregistry.repositories.uploadArtifacts denied on {DEFAULT}")
    );
    let eve = [("authorization", &*of("eve"))];
    for path in [
        "/v2/a/manifests/latest",
        "/v2/a/manifests/none",
        "/v2/b/manifests/latest",
    ] {
        let reply = server.ask("GET", path, &eve, b"").await;
        assert_eq!(reply.refusal(), (403, "DENIED".to_owned()), "{path}");
        assert_eq!(
            reply.json()["errors"][0]["message"],
            format!(
                "permission artifactregistry.repositories.downloadArtifacts denied on {DEFAULT} (or it may not exist)"
            )
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_credential_is_never_taken_for_none() {
    let server = closed().await;
    server
        .bind(DEFAULT, &[(Role::Reader, "allUsers"), (Role::Writer, "user:ann")])
        .await;
    for shown in [
        basic("ann", "wrong"),
        basic("nobody", "x"),
        basic("_token", "x"),
        basic("_json_key", "{}"),
        "Basic !".to_owned(),
        "Digest x".to_owned(),
        "Bearer lst1.e30.AAAA".to_owned(),
        "Bearer x".to_owned(),
    ] {
        let shown = [("authorization", &*shown)];
        for path in [
            "/v2/",
            "/v2/token",
            "/v2/token?scope=repository:a:pull",
            "/v2/a/manifests/latest",
        ] {
            let reply = server.ask("GET", path, &shown, b"").await;
            assert_eq!(
                reply.refusal(),
                (401, "UNAUTHORIZED".to_owned()),
                "{shown:?} {path}"
            );
            let challenge = reply.header("www-authenticate");
            assert!(challenge.starts_with("Bearer realm="), "{challenge}");
            assert!(challenge.ends_with(",error=\"invalid_token\""), "{challenge}");
        }
    }
    let two = [("authorization", &*of("ann")), ("authorization", &*of("ann"))];
    assert_eq!(server.ask("GET", "/v2/", &two, b"").await.status.as_u16(), 401);
    let one = [("authorization", &*of("ann"))];
    assert_eq!(server.ask("GET", "/v2/", &one, b"").await.status.as_u16(), 200);
    let long = format!("Bearer {}", "x".repeat(40 << 10));
    let reply = server.ask("GET", "/v2/", &[("authorization", &*long)], b"").await;
    assert_eq!(reply.status.as_u16(), 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_to_an_open_registry_is_no_matter() {
    let server = Server::start().await;
    let shown = [("authorization", "Basic x")];
    assert_eq!(server.ask("GET", "/v2/", &shown, b"").await.status.as_u16(), 200);
}
