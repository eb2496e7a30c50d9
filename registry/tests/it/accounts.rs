//! Accounts and policies of a test, put into the store as another server of it would.

use std::sync::OnceLock;

use access::{Member, Policy, Role, SALT_BYTES, hash_password};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use oci::Digest;
use store::{Account, AccountKey, Accounts as _, Actor, Policies as _, Repositories as _, Resource};

use crate::server::{Reply, Server, image_of};

/// The password of every account.
pub(crate) const PASSWORD: &str = "correct horse";

/// The repository of hosts that are in nobody's style.
pub(crate) const DEFAULT: &str = "projects/d/locations/l/repositories/r";

pub(crate) fn nobody() -> Actor {
    Actor("test".to_owned())
}

fn hash() -> String {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash_password(PASSWORD, &[1; SALT_BYTES]).unwrap())
        .clone()
}

impl Server {
    fn time(&self) -> Timestamp {
        registry::Clock::now(&*self.clock)
    }

    /// `user:NAME` or `serviceAccount:NAME`, with the password of all.
    pub(crate) async fn create_account(&self, member: &str, groups: &[&str]) {
        let account = Account {
            member: member.parse().unwrap(),
            description: String::new(),
            password_hash: Some(hash()),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            disabled: false,
            generation: 0,
            created: self.time(),
            updated: self.time(),
        };
        let created = self
            .directory
            .metadata()
            .create_account(&account, &nobody())
            .await;
        created.unwrap().unwrap();
        self.registry.forget_access();
    }

    pub(crate) async fn change_account(&self, name: &str, change: impl FnOnce(&mut Account)) {
        let metadata = self.directory.metadata();
        let mut account = metadata.account(name).await.unwrap().unwrap();
        change(&mut account);
        metadata
            .update_account(&account, &nobody())
            .await
            .unwrap()
            .unwrap();
        self.registry.forget_access();
    }

    pub(crate) async fn create_key(
        &self,
        account: &str,
        id: &str,
        public_key: &str,
        expires: Option<Timestamp>,
    ) {
        let key = AccountKey {
            id: id.to_owned(),
            account: account.to_owned(),
            public_key: public_key.to_owned(),
            created: self.time(),
            expires,
            disabled: false,
        };
        let created = self.directory.metadata().create_key(&key, &nobody()).await;
        created.unwrap().unwrap();
        self.registry.forget_access();
    }

    /// Binds members to roles on a resource, and nobody else.
    pub(crate) async fn bind(&self, resource: &str, bindings: &[(Role, &str)]) {
        let bindings = bindings
            .iter()
            .map(|(role, member)| (*role, member.parse::<Member>().unwrap()));
        let resource: Resource = resource.parse().unwrap();
        let set = self
            .directory
            .metadata()
            .set_policy(&resource, &Policy::new(bindings), &nobody(), self.time())
            .await;
        set.unwrap().unwrap();
        self.registry.forget_access();
    }

    /// A token for a scope, with what is shown in the Authorization header if that is not empty.
    pub(crate) async fn token(&self, authorization: &str, scope: &str) -> Reply {
        let path = format!("/v2/token?service={}&scope={scope}", self.address);
        match authorization {
            "" => self.get(&path).await,
            shown => self.ask("GET", &path, &[("authorization", shown)], b"").await,
        }
    }
}

impl Reply {
    /// The token of an answer.
    pub(crate) fn bearer(&self) -> String {
        assert_eq!(self.status.as_u16(), 200, "{}", self.text());
        format!("Bearer {}", self.json()["token"].as_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// The Authorization header of an account.
pub(crate) fn of(name: &str) -> String {
    basic(name, PASSWORD)
}

/// What tests need to be there, whoever may make it.
impl Server {
    pub(crate) async fn push_as_registry(&self, name: &str, tag: &str) {
        self.push_as_registry_at("localhost", name, tag).await;
    }

    /// An image of the configuration `{}` and the layer `layer`, and a blob `spare`.
    pub(crate) async fn push_as_registry_at(&self, host: &str, name: &str, tag: &str) {
        let own = format!("Bearer {}", self.registry.own_token());
        let headers = [
            ("host", host),
            ("authorization", &*own),
            ("content-type", "application/vnd.oci.image.manifest.v1+json"),
        ];
        let contents: [&[u8]; 3] = [b"{}", b"layer", b"spare"];
        for content in contents {
            let path = format!("/v2/{name}/blobs/uploads/?digest={}", Digest::sha256_of(content));
            let reply = self.ask("POST", &path, &headers, content).await;
            assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
        }
        let manifest = image_of(Digest::sha256_of(b"{}"), Digest::sha256_of(b"layer"), 5);
        let path = format!("/v2/{name}/manifests/{tag}");
        let reply = self.ask("PUT", &path, &headers, manifest.as_bytes()).await;
        assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    }

    /// Removes the repositories of a project and of `q` that a push to a missing one made.
    pub(crate) async fn remove_made(&self, project: &str) {
        let metadata = self.directory.metadata();
        let made = [
            "projects/q/locations/us/repositories/gcr.io".to_owned(),
            format!("{project}/locations/us/repositories/s"),
        ];
        for path in made {
            // Most of the time there is none.
            let _ = metadata
                .delete_repository(&path.parse().unwrap(), &nobody(), self.time())
                .await
                .unwrap();
        }
    }
}
