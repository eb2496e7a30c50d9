//! Small images: one layer of bytes that no other image has, and a configuration.

use sha2::{Digest as _, Sha256};

use crate::connection::Connection;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub struct Image {
    layer: (String, Vec<u8>),
    configuration: (String, Vec<u8>),
    manifest: Vec<u8>,
}

impl Image {
    pub fn new(bytes: usize, seed: &str) -> Image {
        let layer = noise(bytes, seed);
        let layer_digest = digest(&layer);
        let configuration = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{layer_digest}"]}}}}"#
        )
        .into_bytes();
        let configuration_digest = digest(&configuration);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{configuration_digest}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer_digest}","size":{}}}]}}"#,
            configuration.len(),
            layer.len()
        )
        .into_bytes();
        Image {
            layer: (layer_digest, layer),
            configuration: (configuration_digest, configuration),
            manifest,
        }
    }

    /// As clients push: a place for each blob, the blob in one request, then the manifest.
    pub fn push(&self, connection: &mut Connection, name: &str, tag: &str) {
        for (digest, bytes) in [&self.layer, &self.configuration] {
            let begun = connection
                .ask("POST", &format!("/v2/{name}/blobs/uploads/"), &[], &[])
                .expect_status(202);
            let place = begun.location.expect("a place for the blob");
            let place = place.find("/v2/").map_or(place.as_str(), |start| &place[start..]);
            let separator = if place.contains('?') { '&' } else { '?' };
            let headers = [("Content-Type", "application/octet-stream")];
            connection
                .ask(
                    "PUT",
                    &format!("{place}{separator}digest={digest}"),
                    &headers,
                    bytes,
                )
                .expect_status(201);
        }
        let headers = [("Content-Type", MANIFEST)];
        connection
            .ask(
                "PUT",
                &format!("/v2/{name}/manifests/{tag}"),
                &headers,
                &self.manifest,
            )
            .expect_status(201);
    }
}

/// The manifest of a tag, and every blob that it names.
pub fn pull(connection: &mut Connection, name: &str, tag: &str) {
    let headers = [("Accept", MANIFEST)];
    let manifest = connection
        .ask("GET", &format!("/v2/{name}/manifests/{tag}"), &headers, &[])
        .expect_status(200);
    let text = String::from_utf8(manifest.body).expect("a manifest is text");
    for part in text.split("\"digest\":\"").skip(1) {
        let digest = part.split('"').next().unwrap_or_default();
        connection
            .ask("GET", &format!("/v2/{name}/blobs/{digest}"), &[], &[])
            .expect_status(200);
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// Bytes that do not compress, the same for the same seed.
fn noise(bytes: usize, seed: &str) -> Vec<u8> {
    let mut state = u64::from_be_bytes(Sha256::digest(seed)[..8].try_into().expect("eight bytes")) | 1;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}
