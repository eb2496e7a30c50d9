//! What is served after a kill, against what was answered before it.

use std::collections::BTreeSet;

use oci::Digest;
use serde_json::Value;

use super::connection::Connection;
use super::model::{Manifest, Package, Presence};

/// Reads everything that anybody ever pushed to a package, and settles what was open.
pub(crate) async fn package(connection: &mut Connection, package: &Package) {
    blobs(connection, package).await;
    manifests(connection, package).await;
    tags(connection, package).await;
    referrers(connection, package).await;
    package.with(|held| {
        for (digest, manifest) in held.present() {
            let has_blob = |blob| held.blobs[blob].0 == Presence::Yes;
            assert!(
                manifest.blobs.iter().all(has_blob),
                "{digest} names a missing blob"
            );
            let has_child = |child| held.manifests[child].0 == Presence::Yes;
            assert!(
                manifest.children.iter().all(has_child),
                "{digest} names a missing child"
            );
        }
    });
}

async fn blobs(connection: &mut Connection, package: &Package) {
    for (digest, (presence, content)) in package.with(|held| held.blobs.clone()) {
        let path = format!("/v2/{}/blobs/{digest}", package.name);
        let reply = connection.get(&path).await.unwrap();
        let is_there = judge(presence, reply.status, &path);
        assert!(!is_there || reply.body == content, "{path} has other bytes");
        package.with(|held| match is_there {
            true => held.blob_is(&digest, Presence::Yes),
            // One look is enough: it is asked for again when it is pushed again.
            false => drop(held.blobs.remove(&digest)),
        });
    }
}

async fn manifests(connection: &mut Connection, package: &Package) {
    for (digest, (presence, manifest)) in package.with(|held| held.manifests.clone()) {
        let path = format!("/v2/{}/manifests/{digest}", package.name);
        let reply = connection.get(&path).await.unwrap();
        let is_there = judge(presence, reply.status, &path);
        assert!(
            !is_there || reply.body == manifest.bytes,
            "{path} has other bytes"
        );
        package.with(|held| match is_there {
            true => held.manifests.get_mut(&digest).unwrap().0 = Presence::Yes,
            false => drop(held.manifests.remove(&digest)),
        });
    }
}

fn judge(presence: Presence, status: u16, path: &str) -> bool {
    match (presence, status) {
        (Presence::Yes | Presence::Open, 200) => true,
        (Presence::No | Presence::Open, 404) => false,
        _ => panic!("{path} was {presence:?} and is {status}"),
    }
}

async fn tags(connection: &mut Connection, package: &Package) {
    let mut there = BTreeSet::new();
    for tag in package.with(|held| held.tags()) {
        let path = format!("/v2/{}/manifests/{tag}", package.name);
        let reply = connection.get(&path).await.unwrap().with_status(&[200, 404]);
        let names = (reply.status == 200).then(|| Digest::sha256_of(&reply.body));
        let may_be = package.with(|held| held.tag_may_be(&tag));
        assert!(
            may_be.contains(&names),
            "{path} is {names:?} and may be {may_be:?}"
        );
        if let Some(digest) = names {
            assert_eq!(reply.header("docker-content-digest"), digest.to_string());
            let is_known = package.with(|held| held.present().any(|(known, _)| *known == digest));
            assert!(is_known, "{path} names a manifest that is not there");
            there.insert(tag.clone());
        }
        package.with(|held| held.tag_is(&tag, names));
    }
    let path = format!("/v2/{}/tags/list", package.name);
    let reply = connection.get(&path).await.unwrap().with_status(&[200, 404]);
    let document: Value = serde_json::from_slice(&reply.body).unwrap();
    let listed = document["tags"].as_array().into_iter().flatten();
    let listed: BTreeSet<String> = listed.map(|tag| tag.as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, there, "{path}");
}

async fn referrers(connection: &mut Connection, package: &Package) {
    let present: Vec<(Digest, Manifest)> = package.with(|held| {
        let present = held
            .present()
            .map(|(digest, manifest)| (*digest, manifest.clone()));
        present.collect()
    });
    for (subject, _) in &present {
        let path = format!("/v2/{}/referrers/{subject}", package.name);
        let reply = connection.get(&path).await.unwrap().with_status(&[200]);
        let document: Value = serde_json::from_slice(&reply.body).unwrap();
        let listed = document["manifests"].as_array().unwrap().iter();
        let listed: BTreeSet<String> = listed
            .map(|entry| entry["digest"].as_str().unwrap().to_owned())
            .collect();
        let referring = present
            .iter()
            .filter(|(_, manifest)| manifest.subject == Some(*subject));
        let expected: BTreeSet<String> = referring.map(|(digest, _)| digest.to_string()).collect();
        assert_eq!(listed, expected, "{path}");
    }
}

/// The catalogue names the packages that have a manifest, and no other.
pub(crate) async fn catalogue(connection: &mut Connection, packages: &[&Package]) {
    let reply = connection.get("/v2/_catalog").await.unwrap().with_status(&[200]);
    let document: Value = serde_json::from_slice(&reply.body).unwrap();
    let listed = document["repositories"].as_array().unwrap().iter();
    let listed: BTreeSet<&str> = listed.map(|name| name.as_str().unwrap()).collect();
    let held = packages
        .iter()
        .filter(|package| package.with(|held| held.present().count()) > 0);
    let expected: BTreeSet<&str> = held.map(|package| package.name.as_str()).collect();
    assert_eq!(listed, expected);
}
