//! Everybody × everything × every way to a repository, and the ways to what is somebody else's.

use access::Role;
use oci::Digest;

use crate::accounts::{DEFAULT, of};
use crate::server::{Server, image_of};

/// Who asks, in each kind: nobody, a token of nobody's, each role by each kind of member, the registry itself.
const CALLERS: [&str; 11] = [
    "nobody",
    "anonymous token",
    "user:none",
    "user:reader",
    "group reader",
    "serviceAccount:writer",
    "user:maker",
    "user:keeper",
    "user:admin",
    "admin above",
    "lightship",
];

/// What is done, in the order in which it is tried.
const ACTIONS: [&str; 7] = ["pull", "list", "referrers", "head", "push", "delete", "make"];

/// What each caller may, in the order of the actions.
fn may(caller: &str) -> [bool; 7] {
    let reads = !matches!(caller, "nobody" | "anonymous token" | "user:none");
    let writes = reads && !matches!(caller, "user:reader" | "group reader");
    let deletes = writes && !matches!(caller, "serviceAccount:writer" | "user:maker");
    // Who may push only makes no repository, who keeps one neither.
    let makes = writes && !matches!(caller, "serviceAccount:writer" | "user:keeper");
    [reads, reads, reads, reads, writes, deletes, makes]
}

/// One way to a repository: the host, the name of its package there, of one in a repository that does not exist, and the
/// project's resource.
struct Way {
    host: &'static str,
    name: &'static str,
    missing: &'static str,
    project: &'static str,
}

const WAYS: [Way; 3] = [
    Way {
        host: "localhost",
        name: "app",
        missing: "",
        project: "projects/d",
    },
    Way {
        host: "gcr.io",
        name: "p/app",
        missing: "q/app",
        project: "projects/p",
    },
    Way {
        host: "us-docker.pkg.dev",
        name: "p/r/app",
        missing: "p/s/app",
        project: "projects/p",
    },
];

async fn closed() -> Server {
    let server = Server::start().await;
    server.create_account("user:none", &[]).await;
    server.create_account("user:reader", &[]).await;
    server.create_account("user:member", &["group:readers"]).await;
    server.create_account("serviceAccount:writer", &[]).await;
    server.create_account("user:maker", &[]).await;
    server.create_account("user:keeper", &[]).await;
    server.create_account("user:admin", &[]).await;
    server.create_account("user:root", &[]).await;
    for project in ["projects/d", "projects/p", "projects/q"] {
        server
            .bind(
                project,
                &[
                    (Role::Reader, "user:reader"),
                    (Role::Reader, "group:readers"),
                    (Role::Writer, "serviceAccount:writer"),
                    (Role::CreateOnPushWriter, "user:maker"),
                    (Role::RepositoryAdministrator, "user:keeper"),
                    (Role::Administrator, "user:admin"),
                ],
            )
            .await;
    }
    server
        .bind("registry", &[(Role::Administrator, "user:root")])
        .await;
    server
}

/// What a caller shows: a password, or a token for the scope if `by_token`.
async fn shown(server: &Server, caller: &str, by_token: bool, way: &Way, scope: &str) -> Option<String> {
    let password = match caller {
        "nobody" => return None,
        "lightship" => return Some(format!("Bearer {}", server.registry.own_token())),
        "anonymous token" => String::new(),
        "group reader" => of("member"),
        "admin above" => of("root"),
        other => of(other.split_once(':').unwrap().1),
    };
    if !by_token && !password.is_empty() {
        return Some(password);
    }
    let path = format!("/v2/token?service={}&scope={scope}", way.host);
    let mut headers = vec![("host", way.host)];
    if !password.is_empty() {
        headers.push(("authorization", &password));
    }
    Some(server.ask("GET", &path, &headers, b"").await.bearer())
}

/// The status of an action, with a token or a password.
async fn status(server: &Server, caller: &str, by_token: bool, way: &Way, action: &str) -> u16 {
    let name = if action == "make" { way.missing } else { way.name };
    let scope = format!("repository:{name}:pull,push,delete");
    let shown = shown(server, caller, by_token, way, &scope).await;
    let (method, path) = match action {
        "pull" => ("GET", format!("/v2/{name}/manifests/latest")),
        "list" => ("GET", format!("/v2/{name}/tags/list")),
        "referrers" => ("GET", format!("/v2/{name}/referrers/{}", Digest::sha256_of(b"x"))),
        "head" => ("HEAD", format!("/v2/{name}/blobs/{}", Digest::sha256_of(b"{}"))),
        "push" | "make" => ("POST", format!("/v2/{name}/blobs/uploads/")),
        "delete" => (
            "DELETE",
            format!("/v2/{name}/blobs/{}", Digest::sha256_of(b"spare")),
        ),
        other => panic!("{other}"),
    };
    let mut headers = vec![("host", way.host)];
    headers.extend(shown.as_deref().map(|shown| ("authorization", shown)));
    server.ask(method, &path, &headers, b"").await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_what_their_role_says_and_nothing_else_on_every_way_to_a_repository() {
    let server = closed().await;
    for way in &WAYS {
        for caller in CALLERS {
            for by_token in [false, true] {
                // Each finds the same things there, and no repository that another made.
                server.push_as_registry_at(way.host, way.name, "latest").await;
                for (action, allowed) in ACTIONS.into_iter().zip(may(caller)) {
                    if action == "make" && way.missing.is_empty() {
                        continue;
                    }
                    let found = status(&server, caller, by_token, way, action).await;
                    let knows = !matches!(caller, "nobody" | "anonymous token");
                    let lists = !matches!(caller, "nobody" | "anonymous token" | "user:none");
                    let is_anonymous = !knows;
                    let expected = match (allowed, action) {
                        (true, "push" | "make" | "delete") => 202,
                        (true, _) => 200,
                        // Docker's clients get another token when one is too small; who may push makes one there.
                        (false, _) if is_anonymous => 401,
                        (false, _) => 403,
                    };
                    assert_eq!(
                        found, expected,
                        "{caller} {action} {} token: {by_token} {lists}",
                        way.host
                    );
                }
                server.remove_made(way.project).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_there_are_no_accounts_this_machine_writes_and_everybody_reads() {
    let server = Server::start().await;
    for (forwarded, writes) in [(false, true), (true, false)] {
        for way in &WAYS {
            let headers: Vec<(&str, &str)> = match (forwarded, way.host) {
                // Only a loopback name is this machine.
                (false, "localhost") => vec![("host", way.host)],
                (true, "localhost") => vec![("host", way.host), ("via", "x")],
                _ => continue,
            };
            let path = format!("/v2/{}/blobs/uploads/", way.name);
            let reply = server.ask("POST", &path, &headers, b"").await;
            assert_eq!(reply.status.as_u16(), if writes { 202 } else { 403 });
            let path = format!("/v2/{}/referrers/{}", way.name, Digest::sha256_of(b"x"));
            assert_eq!(server.ask("GET", &path, &headers, b"").await.status.as_u16(), 200);
        }
    }
}

/// Two tenants: `ann` has the project `a`, `eve` the project `e`, and both write to their own.
async fn tenants() -> (Server, Digest) {
    let server = Server::start().await;
    server.create_account("user:ann", &[]).await;
    server.create_account("user:eve", &[]).await;
    server
        .bind(
            "projects/a",
            &[(Role::CreateOnPushRepositoryAdministrator, "user:ann")],
        )
        .await;
    server
        .bind(
            "projects/e",
            &[(Role::CreateOnPushRepositoryAdministrator, "user:eve")],
        )
        .await;
    let secret = b"ann's";
    let digest = Digest::sha256_of(secret);
    let path = format!("/v2/a/app/blobs/uploads/?digest={digest}");
    let pushed = ask(&server, "ann", "POST", &path, secret).await;
    assert_eq!(pushed.status.as_u16(), 201);
    (server, digest)
}

async fn ask(server: &Server, name: &str, method: &str, path: &str, body: &[u8]) -> crate::server::Reply {
    let headers = [
        ("host", "gcr.io"),
        ("authorization", &*of(name)),
        ("content-type", "application/vnd.oci.image.manifest.v1+json"),
    ];
    server.ask(method, path, &headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_leads_to_another_tenants_blob() {
    let (server, digest) = tenants().await;
    for method in ["GET", "HEAD", "DELETE"] {
        let path = format!("/v2/a/app/blobs/{digest}");
        assert_eq!(
            ask(&server, "eve", method, &path, b"").await.status.as_u16(),
            403,
            "{method}"
        );
        let path = format!("/v2/e/app/blobs/{digest}");
        assert_eq!(
            ask(&server, "eve", method, &path, b"").await.status.as_u16(),
            404,
            "{method}"
        );
    }
    for mount in [
        format!("/v2/e/app/blobs/uploads/?mount={digest}&from=a/app"),
        format!("/v2/e/app/blobs/uploads/?mount={digest}"),
    ] {
        let reply = ask(&server, "eve", "POST", &mount, b"").await;
        assert_eq!(reply.status.as_u16(), 202, "{mount}");
    }
    let config = Digest::sha256_of(b"{}");
    let path = format!("/v2/e/app/blobs/uploads/?digest={config}");
    assert_eq!(
        ask(&server, "eve", "POST", &path, b"{}").await.status.as_u16(),
        201
    );
    let manifest = image_of(config, digest, 5);
    let put = ask(
        &server,
        "eve",
        "PUT",
        "/v2/e/app/manifests/x",
        manifest.as_bytes(),
    )
    .await;
    assert_eq!(put.refusal(), (400, "MANIFEST_BLOB_UNKNOWN".to_owned()));
    let referrers = format!("/v2/a/app/referrers/{digest}");
    assert_eq!(
        ask(&server, "eve", "GET", &referrers, b"").await.status.as_u16(),
        403
    );
    // Into an upload of somebody else nothing can be put, and nothing read of it.
    let begun = ask(&server, "ann", "POST", "/v2/a/app/blobs/uploads/", b"").await;
    let location = begun.header("location").to_owned();
    for (path, expected) in [
        (location.clone(), 403),
        (location.replace("/v2/a/", "/v2/e/"), 404),
    ] {
        for method in ["GET", "PATCH", "PUT", "DELETE"] {
            let path = match method {
                "PUT" => format!("{path}?digest={digest}"),
                _ => path.clone(),
            };
            let reply = ask(&server, "eve", method, &path, b"ann's").await;
            assert_eq!(reply.status.as_u16(), expected, "{method} {path}");
        }
    }
    assert_eq!(
        ask(&server, "ann", "GET", &location, b"").await.status.as_u16(),
        204
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_the_source_mounts_from_it_named_or_not() {
    let (server, digest) = tenants().await;
    server
        .bind(
            "projects/a/locations/us/repositories/gcr.io"
                .replace("projects/a", "projects/a")
                .as_str(),
            &[(Role::Reader, "user:eve")],
        )
        .await;
    for (name, query) in [("one", "&from=a/app"), ("two", "")] {
        let mount = format!("/v2/e/{name}/blobs/uploads/?mount={digest}{query}");
        let reply = ask(&server, "eve", "POST", &mount, b"").await;
        assert_eq!(reply.status.as_u16(), 201, "{query:?}");
    }
    // A token that is not for the source as well mounts from nowhere.
    let scope = "/v2/token?service=gcr.io&scope=repository:e/three:pull,push";
    let token = ask(&server, "eve", "GET", scope, b"").await.bearer();
    let headers = [("host", "gcr.io"), ("authorization", &*token)];
    for query in ["&from=a/app", ""] {
        let mount = format!("/v2/e/three/blobs/uploads/?mount={digest}{query}");
        let reply = server.ask("POST", &mount, &headers, b"").await;
        // It has the blob in two packages of its own by now, for which the token is not either.
        assert_eq!(reply.status.as_u16(), 202, "{query:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_are_for_those_who_may_list() {
    let (server, _) = tenants().await;
    server.push_as_registry("app", "latest").await;
    server.bind(DEFAULT, &[(Role::Reader, "user:ann")]).await;
    let catalog = |name: &'static str| {
        let server = &server;
        async move {
            server
                .ask("GET", "/v2/_catalog", &[("authorization", &*of(name))], b"")
                .await
        }
    };
    assert_eq!(catalog("ann").await.json()["repositories"][0], "app");
    assert_eq!(catalog("eve").await.status.as_u16(), 403);
    for (name, expected) in [("ann", 200), ("eve", 403)] {
        for path in ["/v2/a/tags/list", "/v2/a/app/tags/list"] {
            let reply = ask(&server, name, "GET", path, b"").await;
            let found = reply.status.as_u16();
            // The package has a blob and no manifest, so it is no name yet.
            assert!(
                found == expected || expected == 200 && found == 404,
                "{name} {path}: {found}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_say_who_it_was() {
    use store::Events as _;
    let server = closed().await;
    let headers = [("host", "gcr.io"), ("authorization", &*of("maker"))];
    let reply = server
        .ask("POST", "/v2/q/app/blobs/uploads/", &headers, b"")
        .await;
    assert_eq!(reply.status.as_u16(), 202);
    let events = server.directory.metadata().events(0, 1000).await.unwrap();
    let last = events.last().unwrap();
    assert_eq!(
        (last.actor.0.as_str(), last.resource.to_string().as_str()),
        ("user:maker", "projects/q/locations/us/repositories/gcr.io")
    );
}
