//! Repositories in front of another registry: tags, manifests, lists, and what they refuse.

use oci::Digest;
use testkit::{Fault, TestServer};

use crate::server::{Reply, Server, image_of};

/// Where the packages of the remote repository are, and how it is reached.
pub(crate) const MIRROR: &str = "/v2/p/mirror";
pub(crate) const HOST: (&str, &str) = ("host", "us-docker.pkg.dev");

/// A server with repositories `mirror` and others in front of `upstreams`.
pub(crate) async fn in_front_of(upstreams: &[(&str, &str)]) -> Server {
    let server = Server::start_amid_trouble().await;
    put_in_front_of(&server, upstreams).await;
    server
}

/// Has a server such repositories.
pub(crate) async fn put_in_front_of(server: &Server, upstreams: &[(&str, &str)]) {
    // The hosts of these repositories are none of this machine's names.
    let mut options = (*server.registry.options()).clone();
    options.writes = registry::Writes::Anybody;
    server.registry.configure(options);
    for (id, upstream) in upstreams {
        let config = format!(r#""remoteRepositoryConfig":{{"commonRepository":{{"uri":"{upstream}"}}}}"#);
        make(server, id, &format!(r#""mode":"REMOTE_REPOSITORY",{config}"#)).await;
    }
}

/// Makes a repository of the project `p` in `us`.
pub(crate) async fn make(server: &Server, id: &str, fields: &str) {
    let path = format!("/v1/projects/p/locations/us/repositories?repositoryId={id}");
    let body = format!(r#"{{"format":"DOCKER",{fields}}}"#);
    let reply = server.ask("POST", &path, &[], body.as_bytes()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

pub(crate) async fn change(server: &Server, id: &str, mask: &str, body: &str) -> Reply {
    let path = format!("/v1/projects/p/locations/us/repositories/{id}?updateMask={mask}");
    server.ask("PATCH", &path, &[], body.as_bytes()).await
}

pub(crate) async fn read(server: &Server, path: &str) -> Reply {
    server.ask("GET", path, &[HOST], b"").await
}

/// What the upstream was asked for, without who asked.
pub(crate) fn asked(upstream: &Server) -> Vec<String> {
    let lines = upstream.told().into_iter();
    let words = lines.map(|line| line.split(' ').skip(2).take(2).collect::<Vec<_>>().join(" "));
    words.filter(|line| line.contains(" /v2/")).collect()
}

/// Until nobody listens any more where it did.
async fn stop(upstream: Server) {
    let address = upstream.address;
    drop(upstream);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// A directory of files as a registry has them: `/v2/NAME/…`.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        let path = self.0.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn blob(&self, name: &str, content: &[u8]) -> Digest {
        let digest = Digest::sha256_of(content);
        self.put(&format!("v2/{name}/blobs/{digest}"), content);
        digest
    }

    pub(crate) fn serve(&self) -> TestServer {
        TestServer::start(self.0.path().to_owned())
    }
}

/// `127.0.0.1:PORT`.
pub(crate) fn host_of(server: &TestServer) -> String {
    server.url().trim_start_matches("http://").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_answered_without_its_blobs_and_kept_as_it_is() {
    let (files, layer) = (Files::new(), Digest::sha256_of(b"nowhere"));
    let manifest = image_of(layer, layer, 7);
    let digest = Digest::sha256_of(manifest.as_bytes());
    files.put("v2/team/app/manifests/v1", manifest.as_bytes());
    let upstream = files.serve();
    let server = in_front_of(&[("mirror", &format!("{}/team", host_of(&upstream)))]).await;
    let path = format!("{MIRROR}/app/manifests/v1");
    let reply = read(&server, &path).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, manifest.as_str()));
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    // By digest it is here, and by tag it is fresh: nobody is asked again.
    let by_digest = read(&server, &format!("{MIRROR}/app/manifests/{digest}")).await;
    assert_eq!(by_digest.text(), manifest);
    assert_eq!(read(&server, &path).await.text(), manifest);
    assert_eq!(upstream.requests(), ["GET /v2/team/app/manifests/v1"]);
    // What it names is not here for that.
    let blob = read(&server, &format!("{MIRROR}/app/blobs/{layer}")).await;
    assert_eq!(blob.refusal(), (404, "BLOB_UNKNOWN".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_asked_about_again_when_its_time_is_over_and_followed() {
    let upstream = Server::start().await;
    let first = upstream.push_image("app", "v1", b"one").await;
    let server = in_front_of(&[("mirror", &upstream.address.to_string())]).await;
    let path = format!("{MIRROR}/app/manifests/v1");
    let digest = async || {
        read(&server, &path)
            .await
            .header("docker-content-digest")
            .to_owned()
    };
    assert_eq!(digest().await, first.to_string());
    let second = upstream.push_image("app", "v1", b"two").await;
    assert_eq!(digest().await, first.to_string(), "it is fresh");
    server.clock.forward(61);
    assert_eq!(digest().await, second.to_string());
    server.clock.forward(61);
    assert_eq!(digest().await, second.to_string());
    let asked = |method: &str| {
        let wanted = format!("{method} /v2/app/manifests/");
        asked(&upstream)
            .iter()
            .filter(|line| line.starts_with(&wanted))
            .count()
    };
    assert_eq!((asked("HEAD"), asked("GET")), (2, 2));
    // Back to what is here already: it is not fetched again.
    let back = upstream.push_image("app", "v1", b"one").await;
    server.clock.forward(61);
    assert_eq!(digest().await, back.to_string());
    assert_eq!((asked("HEAD"), asked("GET")), (3, 2));
    // Gone there is gone here, and stays so when nobody can be asked.
    assert_eq!(
        upstream
            .ask("DELETE", "/v2/app/manifests/v1", &[], b"")
            .await
            .status,
        202
    );
    server.clock.forward(61);
    assert_eq!(
        read(&server, &path).await.refusal(),
        (404, "MANIFEST_UNKNOWN".to_owned())
    );
    stop(upstream).await;
    server.clock.forward(61);
    assert_eq!(
        read(&server, &path).await.refusal(),
        (502, "UNAVAILABLE".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_served_with_a_warning_when_the_upstream_is_down() {
    let upstream = Server::start().await;
    let digest = upstream.push_image("app", "v1", b"one").await;
    let server = in_front_of(&[("mirror", &upstream.address.to_string())]).await;
    let path = format!("{MIRROR}/app/manifests/v1");
    assert_eq!(read(&server, &path).await.header("warning"), "");
    let tags = read(&server, &format!("{MIRROR}/app/tags/list")).await;
    assert!(tags.text().contains(r#""tags":["v1"]"#), "{}", tags.text());
    stop(upstream).await;
    server.clock.forward(61);
    for _ in 0..2 {
        let stale = read(&server, &path).await;
        assert_eq!(stale.header("docker-content-digest"), digest.to_string());
        assert!(
            stale.header("warning").contains("cannot be reached"),
            "{}",
            stale.header("warning")
        );
    }
    let cold = read(&server, &format!("{MIRROR}/app/manifests/v2")).await;
    assert_eq!(cold.refusal(), (502, "UNAVAILABLE".to_owned()));
    // What has a digest needs nobody's word.
    let by_digest = read(&server, &format!("{MIRROR}/app/manifests/{digest}")).await;
    assert_eq!(
        (by_digest.status.as_u16(), by_digest.header("warning")),
        (200, "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_wants_to_be_left_alone_is() {
    let files = Files::new();
    files.put(
        "v2/app/manifests/v1",
        image_of(Digest::sha256_of(b""), Digest::sha256_of(b""), 0).as_bytes(),
    );
    let upstream = files.serve();
    let server = in_front_of(&[("mirror", &host_of(&upstream))]).await;
    upstream.fault_once("/v2/app/manifests/v2", Fault::Status(429, Some(100)));
    for _ in 0..2 {
        let reply = read(&server, &format!("{MIRROR}/app/manifests/v2")).await;
        assert_eq!(reply.refusal(), (429, "TOOMANYREQUESTS".to_owned()));
        let after: u64 = reply.header("retry-after").parse().unwrap();
        assert!((90..=100).contains(&after), "{after}");
    }
    // All of it is left alone, whatever is asked for.
    let reply = read(&server, &format!("{MIRROR}/app/manifests/v1")).await;
    assert_eq!(reply.refusal(), (429, "TOOMANYREQUESTS".to_owned()));
    assert_eq!(upstream.requests(), ["GET /v2/app/manifests/v2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_asked_for_once_in_a_while() {
    let files = Files::new();
    let upstream = files.serve();
    let server = in_front_of(&[("mirror", &host_of(&upstream))]).await;
    let digest = Digest::sha256_of(b"nothing");
    for path in [
        format!("manifests/{digest}"),
        "manifests/v1".to_owned(),
        format!("blobs/{digest}"),
    ] {
        let path = format!("{MIRROR}/app/{path}");
        for _ in 0..3 {
            assert_eq!(read(&server, &path).await.status, 404, "{path}");
        }
    }
    assert_eq!(upstream.requests().len(), 3, "{:?}", upstream.requests());
    server.clock.forward(10);
    let manifest = image_of(digest, digest, 7);
    files.put("v2/app/manifests/v1", manifest.as_bytes());
    assert_eq!(
        read(&server, &format!("{MIRROR}/app/manifests/v1")).await.text(),
        manifest
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_something_else_than_was_asked_for_is_not_taken() {
    let files = Files::new();
    let right = image_of(Digest::sha256_of(b"a"), Digest::sha256_of(b"b"), 1);
    let digest = Digest::sha256_of(right.as_bytes());
    files.put(&format!("v2/app/manifests/{digest}"), right.as_bytes());
    files.put("v2/app/manifests/page", b"<html>welcome</html>");
    let upstream = files.serve();
    let server = in_front_of(&[("mirror", &host_of(&upstream))]).await;
    // Still a manifest, of a configuration of another size.
    let size = right.find("\"size\":2").unwrap() + "\"size\":".len();
    upstream.fault_once(&format!("/v2/app/manifests/{digest}"), Fault::FlipByte(size));
    let path = format!("{MIRROR}/app/manifests/{digest}");
    assert_eq!(
        read(&server, &path).await.refusal(),
        (502, "UNAVAILABLE".to_owned())
    );
    assert_eq!(read(&server, &path).await.text(), right, "nothing wrong was kept");
    let page = read(&server, &format!("{MIRROR}/app/manifests/page")).await;
    assert_eq!(page.refusal(), (502, "UNAVAILABLE".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_are_refused_by_name_and_what_was_kept_can_be_removed() {
    let upstream = Server::start().await;
    let digest = upstream.push_image("app", "v1", b"one").await;
    let server = in_front_of(&[("mirror", &upstream.address.to_string())]).await;
    for (method, path) in [("POST", "blobs/uploads/"), ("PUT", "manifests/v2")] {
        let reply = server
            .ask(method, &format!("{MIRROR}/app/{path}"), &[HOST], b"{}")
            .await;
        assert_eq!(reply.refusal(), (405, "DENIED".to_owned()), "{method}");
        assert!(
            reply.text().contains("it is filled from 127.0.0.1"),
            "{}",
            reply.text()
        );
        assert!(reply.header("allow").contains("GET"));
    }
    let path = format!("{MIRROR}/app/manifests/{digest}");
    assert_eq!(read(&server, &path).await.status, 200);
    // It is stored while it is answered.
    while server.ask("DELETE", &path, &[HOST], b"").await.status == 404 {
        tokio::task::yield_now().await;
    }
    assert_eq!(read(&server, &path).await.status, 200, "it is fetched again");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_those_who_may_not_read() {
    let files = Files::new();
    let upstream = files.serve();
    let server = in_front_of(&[("mirror", &host_of(&upstream))]).await;
    server.create_account("user:ann", &[]).await;
    let digest = Digest::sha256_of(b"x");
    for path in [
        "manifests/v1".to_owned(),
        format!("manifests/{digest}"),
        format!("blobs/{digest}"),
        "tags/list".to_owned(),
        format!("referrers/{digest}"),
    ] {
        let reply = read(&server, &format!("{MIRROR}/app/{path}")).await;
        assert_eq!(reply.status, 401, "{path}");
    }
    assert_eq!(upstream.requests(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_the_upstreams_and_what_is_known_when_it_is_down() {
    let upstream = Server::start().await;
    let digest = upstream.push_image("app", "v1", b"one").await;
    for tag in ["a", "v2", "z"] {
        upstream.push_image("app", tag, tag.as_bytes()).await;
    }
    let config = upstream.push_blob("app", b"{}").await;
    let referrer = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a/b","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[],"subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":5}}}}"#
    );
    assert_eq!(upstream.put_manifest("app", "sig", &referrer).await.status, 201);
    let server = in_front_of(&[("mirror", &upstream.address.to_string())]).await;
    make_route(&server).await;
    assert_eq!(
        list(&server, "?n=2").await.text(),
        r#"{"name":"app","tags":["a","sig"]}"#
    );
    let last = list(&server, "?n=9&last=sig").await;
    assert_eq!(last.text(), r#"{"name":"app","tags":["v1","v2","z"]}"#);
    let lists = |upstream: &Server| {
        asked(upstream)
            .iter()
            .filter(|line| line.ends_with("/tags/list"))
            .count()
    };
    assert_eq!(lists(&upstream), 1, "pages are of one list");
    let referrers = format!("/v2/app/referrers/{digest}?ns=old.example");
    let reply = server.get(&referrers).await;
    assert!(reply.text().contains("\"a/b\""), "{}", reply.text());
    let filtered = server.get(&format!("{referrers}&artifactType=c")).await;
    assert!(!filtered.text().contains("\"a/b\""), "{}", filtered.text());
    let image = server.get("/v2/app/manifests/v1?ns=old.example").await;
    assert_eq!(image.header("docker-content-digest"), digest.to_string());
    assert_eq!(image.header("oci-namespace"), "old.example");
    stop(upstream).await;
    server.clock.forward(61);
    let stale = list(&server, "").await;
    assert_eq!(stale.text(), r#"{"name":"app","tags":["v1"]}"#);
    assert!(!stale.header("warning").is_empty());
    let stale = server.get(&referrers).await;
    assert_eq!(stale.status, 200);
    assert!(!stale.header("warning").is_empty());
}

async fn list(server: &Server, query: &str) -> Reply {
    let query = query.trim_start_matches('?');
    server
        .get(&format!("/v2/app/tags/list?ns=old.example&{query}"))
        .await
}

/// Has the old name lead to the repository, as a mirror is asked.
async fn make_route(server: &Server) {
    use registry::{HostRoute, Style};
    let mut options = (*server.registry.options()).clone();
    let path = "projects/p/locations/us/repositories/mirror".parse().unwrap();
    let route = HostRoute {
        host: "old.example".to_owned(),
        style: Style::Whole(path),
        strict: false,
        namespace: true,
    };
    options.routes = options.routes.with(vec![route]);
    server.registry.configure(options);
}
