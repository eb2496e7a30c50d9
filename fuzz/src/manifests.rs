//! A media type, a line end, and a manifest: what the reader makes of it, and what a registry does with it.
//!
//! `@C`, `@L` and `@M` stand for the digests of a configuration, a layer and a manifest that are there.

use std::sync::{LazyLock, Mutex};

use super::world::{World, header};
use oci::{Digest, Manifest, MediaType};

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new()));

/// What must hold of every input.
pub fn check(input: &str) {
    let Some((media_type, manifest)) = input.split_once('\n') else {
        return;
    };
    let mut world = WORLD.lock().expect("no input failed before");
    let name = world.next();
    let (config, layer) = (world.push_blob(&name, b"{}"), world.push_blob(&name, b"layer"));
    let there = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#,
        MediaType::OCI_INDEX
    );
    let path = |reference: &str| format!("/v2/{name}/manifests/{reference}");
    let put = |reference: &str, media_type: &str, manifest: &str| {
        let headers = [("content-type", media_type)];
        world.ask("PUT", &path(reference), &headers, manifest.as_bytes())
    };
    put("there", MediaType::OCI_INDEX.as_str(), &there).expect("a request");
    let manifest = manifest
        .replace("@C", &config.to_string())
        .replace("@L", &layer.to_string())
        .replace("@M", &Digest::sha256_of(there.as_bytes()).to_string());
    let Some(answer) = put("pushed", media_type, &manifest) else {
        return;
    };
    let digest = Digest::sha256_of(manifest.as_bytes());
    let status = answer.status().as_u16();
    if status != 201 {
        assert!([400, 413].contains(&status), "{answer:?}");
        let errors: serde_json::Value = serde_json::from_slice(answer.body()).expect("a document");
        assert!(errors["errors"][0]["code"].is_string());
        for reference in ["pushed", &digest.to_string()] {
            let answer = world.ask("GET", &path(reference), &[], b"").expect("a request");
            assert!(answer.status().as_u16() == 404 || manifest == there, "{answer:?}");
        }
        return;
    }
    let json: serde_json::Value = serde_json::from_str(&manifest).expect("it was taken");
    for reference in ["pushed", &digest.to_string()] {
        let answer = world.ask("GET", &path(reference), &[], b"").expect("a request");
        assert_eq!(&answer.body()[..], manifest.as_bytes());
        assert_eq!(header(&answer, "docker-content-digest"), digest.to_string());
        let media_type: MediaType = header(&answer, "content-type").parse().expect("a media type");
        assert!(media_type.is_manifest());
        // Its own word counts, and where it says nothing the pusher's.
        if let Some(own) = json["mediaType"].as_str() {
            assert_eq!(own, media_type.as_str());
        }
    }
    if let Ok(subject) = header(&answer, "oci-subject").parse::<Digest>() {
        let listing = world.ask("GET", &format!("/v2/{name}/referrers/{subject}"), &[], b"");
        let listing =
            Manifest::parse(listing.expect("a request").into_body().to_vec(), None).expect("an index");
        let entries = &listing.index().expect("an index").manifests;
        assert!(entries.iter().any(|entry| entry.digest == digest));
    }
    for (status, reference) in [(202, digest), (404, digest)] {
        let answer = world
            .ask("DELETE", &path(&reference.to_string()), &[], b"")
            .expect("a request");
        assert_eq!(answer.status().as_u16(), status);
    }
}
