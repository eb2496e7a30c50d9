//! Two registries, one of which replaces the other.

use std::time::{Duration, Instant};

use access::Role;
use jiff::Timestamp;
use oci::{Digest, Manifest};
use serde_json::{Value, json};
use store::{Content as _, PackagePath, Repositories as _, Repository};
use testkit::registry::FakeRegistry;
use tokio::net::TcpStream;

use crate::accounts::{DEFAULT, nobody};
use crate::server::{Server, image_of};

/// Both sides, and what this one shows to itself when it is administered.
pub(crate) struct Sides {
    pub(crate) old: Server,
    pub(crate) new: Server,
}

impl Sides {
    /// Two open registries. The old one has `team/a:v1`.
    pub(crate) async fn open() -> Sides {
        let old = Server::start().await;
        old.push_image("team/a", "v1", b"layer").await;
        let new = Server::start_amid_trouble().await;
        Sides { old, new }
    }

    /// Two closed ones. `ann` is known to both, `bob` to the old one alone, and both may read there; what this side shows to the
    /// old one is `lightship`'s, who may write there.
    pub(crate) async fn closed() -> Sides {
        let old = Server::start().await;
        old.push_image("team/a", "v1", b"layer").await;
        for name in ["ann", "bob", "lightship"] {
            old.create_account(&format!("user:{name}"), &[]).await;
        }
        let readers = [
            (Role::Reader, "user:ann"),
            (Role::Reader, "user:bob"),
            (Role::Writer, "user:lightship"),
        ];
        old.bind(DEFAULT, &readers).await;
        let new = Server::showing(&old.address.to_string(), "lightship").await;
        new.create_account("user:ann", &[]).await;
        Sides { old, new }
    }

    pub(crate) fn place(&self) -> String {
        format!("{}/team", self.old.address)
    }

    pub(crate) async fn administer(&self, method: &str, verb: &str, body: &Value) -> (u16, Value) {
        administer(&self.new, method, verb, body).await
    }

    pub(crate) async fn shift(&self, state: &str, more: Value) {
        ensure_repository(&self.new).await;
        let mut body = json!({"state": state, "old": self.place()});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let (status, answer) = self.administer("POST", "shift", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) async fn canary(&self, percent: u8) {
        self.shift(
            "partial-and-copying",
            json!({"readsPercent": percent.to_string()}),
        )
        .await;
    }

    pub(crate) async fn status(&self) -> Value {
        self.administer("GET", "transition", &json!({})).await.1
    }

    /// Requests that this and the old side answered, by an answer's class.
    pub(crate) async fn counted(&self, side: &str, class: &str) -> u64 {
        let status = self.status().await;
        status["sides"][side]["answers"][class].as_u64().unwrap()
    }

    pub(crate) async fn is_here(&self, tag: &str) -> bool {
        is_here(&self.new, tag).await
    }
}

/// Whether a server has a tag of `a`.
pub(crate) async fn is_here(server: &Server, tag: &str) -> bool {
    let package = PackagePath {
        repository: DEFAULT.parse().unwrap(),
        name: "a".parse().unwrap(),
    };
    let (metadata, tag) = (server.directory.metadata(), tag.parse().unwrap());
    metadata.tagged(&package, &tag).await.unwrap().is_some()
}

/// As the registry itself, which may everything.
pub(crate) async fn administer(server: &Server, method: &str, verb: &str, body: &Value) -> (u16, Value) {
    let own = format!("Bearer {}", server.registry.own_token());
    let path = format!("/v1/{DEFAULT}:{verb}");
    let body = body.to_string();
    let reply = server
        .ask(method, &path, &[("authorization", &own)], body.as_bytes())
        .await;
    let document = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
    (reply.status.as_u16(), document)
}

/// The same of something within the repository.
pub(crate) async fn administer_path(server: &Server, method: &str, path: &str) -> (u16, Value) {
    let own = format!("Bearer {}", server.registry.own_token());
    let path = format!("/v1/{DEFAULT}/{path}");
    let reply = server.ask(method, &path, &[("authorization", &own)], b"").await;
    let document = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
    (reply.status.as_u16(), document)
}

pub(crate) async fn ensure_repository(server: &Server) {
    let repository = Repository::new(DEFAULT.parse().unwrap(), Timestamp::UNIX_EPOCH);
    // Most of the time it is there.
    let _ = server
        .directory
        .metadata()
        .create_repository(&repository, &nobody())
        .await
        .unwrap();
}

/// Switches a registry off, and waits until nobody listens there.
pub(crate) async fn switch_off(server: Server) {
    let address = server.address;
    drop(server);
    until("nobody listens", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}

/// A repository here in front of an old side that misbehaves.
pub(crate) async fn before(old: &FakeRegistry, state: Value) -> Server {
    let new = Server::start_amid_trouble().await;
    ensure_repository(&new).await;
    shift(&new, old, state).await;
    new
}

pub(crate) async fn shift(new: &Server, old: &FakeRegistry, mut state: Value) {
    state["old"] = format!("{}/team", old.host()).into();
    let (status, answer) = administer(new, "POST", "shift", &state).await;
    assert_eq!(status, 200, "{answer}");
}

/// An image at an old side that misbehaves on request; its digest.
pub(crate) fn hold(old: &FakeRegistry, name: &str, by: &str, layer: &[u8]) -> String {
    let mut content = old.content();
    let config = content.add_blob(name, b"{}").parse().unwrap();
    let digest: Digest = content.add_blob(name, layer).parse().unwrap();
    let text = image_of(config, digest, layer.len());
    let manifest = Manifest::parse(text.into_bytes(), None).unwrap();
    content.add_manifest(name, Some(by), &manifest)
}

/// Waits for something that has to come, and fails when it does not.
pub(crate) async fn until(what: &str, mut has_come: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !has_come().await {
        assert!(Instant::now() < end, "{what}: it did not come to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn message(server: &Server, verb: &str, body: &Value) -> (u16, String) {
    let (status, document) = administer(server, "POST", verb, body).await;
    (
        status,
        document["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    )
}

pub(crate) async fn tag(server: &Server, name: &str, tag: &str) -> (u16, String) {
    let reply = server.get(&format!("/v2/{name}/manifests/{tag}")).await;
    (
        reply.status.as_u16(),
        reply.header("docker-content-digest").to_owned(),
    )
}
