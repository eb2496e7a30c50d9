//! What one client knows of its package: what has to be there, what must not be, and what may be either way because no
//! answer came.

use std::collections::{BTreeMap, BTreeSet};

use oci::Digest;

use crate::connection::{Connection, Reply};

pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifests: BTreeMap<Digest, Manifest>,
    /// What each tag may name; none is no tag.
    pub(crate) tags: BTreeMap<String, BTreeSet<Option<Digest>>>,
    /// A push of a new manifest with its tag that was not answered: both are there or neither.
    pub(crate) pending: Option<(String, Digest)>,
}

pub(crate) struct Manifest {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: &'static str,
    /// Layers and configuration.
    pub(crate) blobs: Vec<Digest>,
    pub(crate) subject: Option<Digest>,
    pub(crate) presence: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Present,
    Absent,
    Unsure,
}

impl Package {
    pub(crate) fn new(name: &str) -> Package {
        Package {
            name: name.to_owned(),
            manifests: BTreeMap::new(),
            tags: BTreeMap::new(),
            pending: None,
        }
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.name)
    }

    /// Asks for everything, and is sure afterwards.
    pub(crate) fn verify(&mut self, address: &str) {
        let mut connection = Connection::open(address).unwrap();
        let mut get = |path: &str| connection.ask("GET", path, &[], b"").unwrap();
        self.verify_manifests(&mut get);
        self.verify_tags(&mut get);
        self.verify_blobs(&mut get);
        self.verify_referrers(&mut get);
        // Seen to be gone, and nothing names them: a later round has nothing to find out about them.
        let is_gone = |manifest: &Manifest| manifest.presence == Presence::Absent;
        self.manifests.retain(|_, manifest| !is_gone(manifest));
    }

    fn verify_manifests(&mut self, get: &mut impl FnMut(&str) -> Reply) {
        let name = self.name.clone();
        for (digest, manifest) in &mut self.manifests {
            let reply = get(&format!("/v2/{name}/manifests/{digest}"));
            let found = match reply.status {
                200 => Presence::Present,
                404 => Presence::Absent,
                other => panic!("{name} {digest}: {other}"),
            };
            if manifest.presence != Presence::Unsure {
                assert_eq!(found, manifest.presence, "{name} {digest}");
            }
            manifest.presence = found;
            if found == Presence::Present {
                assert!(reply.body == manifest.bytes, "{name} {digest} has other bytes");
                assert_eq!(reply.header("content-type"), manifest.media_type);
            }
        }
    }

    fn verify_tags(&mut self, get: &mut impl FnMut(&str) -> Reply) {
        let mut listed = BTreeSet::new();
        for (tag, allowed) in &mut self.tags {
            let reply = get(&format!("/v2/{}/manifests/{tag}", self.name));
            let found = match reply.status {
                200 => Some(Digest::sha256_of(&reply.body)),
                404 => None,
                other => panic!("{} {tag}: {other}", self.name),
            };
            assert!(
                allowed.contains(&found),
                "{} {tag} is {found:?}, not of {allowed:?}",
                self.name
            );
            *allowed = BTreeSet::from([found]);
            if let Some(digest) = found {
                assert_eq!(self.manifests[&digest].presence, Presence::Present, "{tag}");
                listed.insert(tag.clone());
            }
        }
        if let Some((tag, digest)) = self.pending.take() {
            let stored = self.manifests[&digest].presence == Presence::Present;
            assert_eq!(
                stored,
                self.tags[&tag].contains(&Some(digest)),
                "{tag} without {digest}"
            );
        }
        let reply = get(&self.path("tags/list"));
        let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let tags = document["tags"].as_array().into_iter().flatten();
        let tags: BTreeSet<String> = tags.map(|tag| tag.as_str().unwrap().to_owned()).collect();
        assert_eq!(tags, listed, "{}", self.name);
    }

    fn verify_blobs(&self, get: &mut impl FnMut(&str) -> Reply) {
        let present = self
            .manifests
            .values()
            .filter(|manifest| manifest.presence == Presence::Present);
        let blobs: BTreeSet<Digest> = present
            .flat_map(|manifest| manifest.blobs.iter().copied())
            .collect();
        for digest in blobs {
            let reply = get(&self.path(&format!("blobs/{digest}")));
            assert_eq!(reply.status, 200, "{} {digest}", self.name);
            assert!(
                Digest::sha256_of(&reply.body) == digest,
                "{} {digest} is damaged",
                self.name
            );
        }
    }

    fn verify_referrers(&self, get: &mut impl FnMut(&str) -> Reply) {
        let mut expected: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        for (digest, manifest) in &self.manifests {
            let Some(subject) = manifest.subject else { continue };
            let of_subject = expected.entry(subject).or_default();
            if manifest.presence == Presence::Present {
                of_subject.insert(digest.to_string());
            }
        }
        for (subject, referrers) in expected {
            let reply = get(&self.path(&format!("referrers/{subject}")));
            let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            let found = document["manifests"].as_array().unwrap().iter();
            let found: BTreeSet<String> = found
                .map(|entry| entry["digest"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(found, referrers, "{} {subject}", self.name);
        }
    }
}
