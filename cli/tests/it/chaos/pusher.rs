//! A client that pushes and deletes until its server is gone.

use std::sync::Arc;

use bytes::Bytes;
use oci::Digest;
use serde_json::{Value, json};

use super::connection::{Connection, Cut, Pieces, Reply};
use super::dice::Dice;
use super::model::{Manifest, Package, Presence, turn};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Manifests of a package, above which more are deleted than pushed.
const MANIFESTS_MAX: usize = 12;

pub(crate) struct Pusher {
    pub(crate) own: Arc<Package>,
    /// Where all push and nobody deletes.
    pub(crate) shared: Arc<Package>,
    /// Where blobs are mounted from.
    pub(crate) others: Vec<Arc<Package>>,
    pub(crate) common: Arc<Vec<Bytes>>,
    pub(crate) dice: Dice,
    /// An upload in chunks that was cut short: where, and what of.
    pub(crate) cut_short: Option<(String, Bytes)>,
    pub(crate) gone_on: usize,
    pub(crate) answered: usize,
}

impl Pusher {
    /// Goes on until the connection is cut.
    pub(crate) async fn run(&mut self, connection: &mut Connection) -> Cut {
        loop {
            if let Err(cut) = self.step(connection).await {
                return cut;
            }
            self.answered += 1;
        }
    }

    async fn step(&mut self, connection: &mut Connection) -> Result<(), Cut> {
        let own = Arc::clone(&self.own);
        if let Some((location, content)) = self.cut_short.clone() {
            self.go_on(connection, &own, &location, &content).await?;
        }
        let count = own.with(|held| held.present().count());
        match self.dice.below(if count > MANIFESTS_MAX { 12 } else { 8 }) {
            0..=2 => self.push_image(connection, &own, None).await,
            3 => {
                let shared = Arc::clone(&self.shared);
                self.push_image(connection, &shared, None).await
            }
            4 => self.push_index(connection, &own).await,
            5 => {
                let subject = own.with(|held| held.tops());
                let subject = self.dice.one_of(&subject);
                self.push_image(connection, &own, subject).await
            }
            6 => self.delete_tag(connection, &own).await,
            7 => self.delete_blob(connection, &own).await,
            _ => self.delete_manifest(connection, &own).await,
        }
    }

    async fn push_image(
        &mut self,
        connection: &mut Connection,
        package: &Package,
        subject: Option<Digest>,
    ) -> Result<(), Cut> {
        let mut layers = Vec::new();
        for _ in 0..1 + self.dice.below(2) {
            let length = 1 + self.dice.below(200_000);
            let content = match self.dice.below(3) {
                0 => self.dice.bytes(length).into(),
                _ => self.dice.one_of(&self.common).unwrap(),
            };
            layers.push((
                self.push_blob(connection, package, &content).await?,
                content.len(),
            ));
        }
        let config = Bytes::from(format!("{{\"of\":{}}}", self.dice.next()));
        let config_digest = self.push_blob(connection, package, &config).await?;
        let described = |digest: &Digest, size: usize, media_type: &str| json!({"mediaType": media_type, "digest": digest.to_string(), "size": size});
        let mut document = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": described(&config_digest, config.len(), "application/vnd.oci.image.config.v1+json"),
            "layers": layers
                .iter()
                .map(|(digest, size)| described(digest, *size, "application/vnd.oci.image.layer.v1.tar"))
                .collect::<Vec<Value>>(),
        });
        if let Some(subject) = subject {
            document["subject"] = described(&subject, 1, IMAGE);
        }
        let blobs = layers.iter().map(|(digest, _)| *digest).chain([config_digest]);
        let manifest = Manifest {
            bytes: document.to_string().into(),
            media_type: IMAGE,
            blobs: blobs.collect(),
            children: Vec::new(),
            subject,
        };
        self.put(connection, package, manifest).await
    }

    async fn push_index(&mut self, connection: &mut Connection, package: &Package) -> Result<(), Cut> {
        let there: Vec<(Digest, usize, &str)> = package.with(|held| {
            held.present()
                .map(|(digest, manifest)| (*digest, manifest.bytes.len(), manifest.media_type))
                .collect()
        });
        let chosen: Vec<_> = (0..2).filter_map(|_| self.dice.one_of(&there)).collect();
        let entries: Vec<Value> = chosen
            .iter()
            .map(|(digest, size, media_type)| {
                json!({"mediaType": media_type, "digest": digest.to_string(), "size": size})
            })
            .collect();
        let of = self.dice.next().to_string();
        let document =
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, "annotations": {"of": of}});
        let manifest = Manifest {
            bytes: document.to_string().into(),
            media_type: INDEX,
            blobs: Vec::new(),
            children: chosen.iter().map(|(digest, ..)| *digest).collect(),
            subject: None,
        };
        self.put(connection, package, manifest).await
    }

    /// By one tag, or by its digest with several.
    async fn put(
        &mut self,
        connection: &mut Connection,
        package: &Package,
        manifest: Manifest,
    ) -> Result<(), Cut> {
        let digest = Digest::sha256_of(&manifest.bytes);
        let tags: Vec<String> = match self.dice.below(3) {
            0 => vec![],
            1 => vec![format!("t{}", self.dice.below(6))],
            _ => vec!["latest".to_owned(), format!("t{}", self.dice.below(6))],
        };
        let path = match tags.as_slice() {
            [one] => format!("/v2/{}/manifests/{one}", package.name),
            [] => format!("/v2/{}/manifests/{digest}", package.name),
            several => format!(
                "/v2/{}/manifests/{digest}?tag={}",
                package.name,
                several.join("&tag=")
            ),
        };
        let (bytes, media_type) = (manifest.bytes.clone(), manifest.media_type);
        let began = package.with(|held| {
            held.manifests.insert(digest, (Presence::Open, manifest));
            let moves = tags.iter().map(|tag| held.tag_begun(tag, Some(digest)));
            moves.collect::<Vec<u64>>()
        });
        let headers = [("content-type", media_type)];
        let reply = connection
            .ask("PUT", &path, &headers, Pieces::whole(bytes))
            .await?;
        reply.with_status(&[201]);
        package.with(|held| {
            held.manifests.get_mut(&digest).unwrap().0 = Presence::Yes;
            for (tag, began) in tags.iter().zip(began) {
                held.tag_moved(tag, began);
            }
        });
        Ok(())
    }

    async fn push_blob(
        &mut self,
        connection: &mut Connection,
        package: &Package,
        content: &Bytes,
    ) -> Result<Digest, Cut> {
        let digest = Digest::sha256_of(content);
        package.with(|held| held.blob_begun(digest, content));
        let uploads = format!("/v2/{}/blobs/uploads/", package.name);
        let whole = || Pieces::whole(content.clone());
        match self.dice.below(5) {
            0 => {
                let path = format!("{uploads}?digest={digest}");
                connection
                    .ask("POST", &path, &[], whole())
                    .await?
                    .with_status(&[201]);
            }
            1 => {
                let from = self.dice.one_of(&self.others).unwrap();
                let path = format!("{uploads}?mount={digest}&from={}", from.name);
                let reply = connection.ask("POST", &path, &[], Pieces::none()).await?;
                if reply.with_status(&[201, 202]).status == 202 {
                    let path = format!("{uploads}?digest={digest}");
                    connection
                        .ask("POST", &path, &[], whole())
                        .await?
                        .with_status(&[201]);
                }
            }
            kind => {
                let begun = connection.ask("POST", &uploads, &[], Pieces::none()).await?;
                let location = begun.with_status(&[202]).header("location").to_owned();
                let end = format!("{location}?digest={digest}");
                if kind == 2 {
                    connection
                        .ask("PUT", &end, &[], whole())
                        .await?
                        .with_status(&[201]);
                } else if kind == 3 {
                    let body = Pieces::streamed(content);
                    connection
                        .ask("PATCH", &location, &[], body)
                        .await?
                        .with_status(&[202]);
                    connection
                        .ask("PUT", &end, &[], Pieces::none())
                        .await?
                        .with_status(&[201]);
                } else {
                    if package.name == self.own.name {
                        self.cut_short = Some((location.clone(), content.clone()));
                    }
                    self.in_chunks(connection, &location, content, 0).await?;
                    self.cut_short = None;
                }
            }
        }
        package.with(|held| held.blob_is(&digest, Presence::Yes));
        Ok(digest)
    }

    async fn in_chunks(
        &mut self,
        connection: &mut Connection,
        location: &str,
        content: &Bytes,
        from: usize,
    ) -> Result<Reply, Cut> {
        let mut at = from;
        while at < content.len() {
            let end = content.len().min(at + 2 + self.dice.below(60_000));
            let range = format!("{at}-{}", end - 1);
            let headers = [("content-range", range.as_str())];
            let piece = Pieces::whole(content.slice(at..end));
            connection
                .ask("PATCH", location, &headers, piece)
                .await?
                .with_status(&[202]);
            at = end;
        }
        let path = format!("{location}?digest={}", Digest::sha256_of(content));
        Ok(connection
            .ask("PUT", &path, &[], Pieces::none())
            .await?
            .with_status(&[201]))
    }

    /// Goes on with an upload where the server says that it ends.
    async fn go_on(
        &mut self,
        connection: &mut Connection,
        package: &Package,
        location: &str,
        content: &Bytes,
    ) -> Result<(), Cut> {
        let state = connection.get(location).await?.with_status(&[204, 404]);
        let there = state.header("range").strip_prefix("0-").unwrap_or("0");
        let there: usize = there.parse().unwrap();
        // `0-0` is none or one; a client that cannot tell begins again.
        if state.status == 204 && there > 0 {
            let digest = Digest::sha256_of(content);
            assert!(there < content.len(), "more came than was sent");
            package.with(|held| held.blob_begun(digest, content));
            self.in_chunks(connection, location, content, there + 1).await?;
            package.with(|held| held.blob_is(&digest, Presence::Yes));
            self.gone_on += 1;
        }
        self.cut_short = None;
        Ok(())
    }

    async fn delete_tag(&mut self, connection: &mut Connection, package: &Package) -> Result<(), Cut> {
        let tags = package.with(|held| held.tags());
        let Some(tag) = self.dice.one_of(&tags) else {
            return Ok(());
        };
        let is_there = package.with(|held| !held.tag_may_be(&tag).contains(&None));
        let began = package.with(|held| held.tag_begun(&tag, None));
        let path = format!("/v2/{}/manifests/{tag}", package.name);
        let reply = connection.ask("DELETE", &path, &[], Pieces::none()).await?;
        reply.with_status(if is_there { &[202] } else { &[404] });
        package.with(|held| held.tag_moved(&tag, began));
        Ok(())
    }

    async fn delete_manifest(&mut self, connection: &mut Connection, package: &Package) -> Result<(), Cut> {
        let tops = package.with(|held| held.tops());
        let Some(digest) = self.dice.one_of(&tops) else {
            return Ok(());
        };
        let moves: Vec<(String, u64)> = package.with(|held| {
            held.manifests.get_mut(&digest).unwrap().0 = Presence::Open;
            let tags = held.tags_of(&digest).into_iter();
            tags.map(|tag| (tag.clone(), held.tag_begun(&tag, None)))
                .collect()
        });
        let path = format!("/v2/{}/manifests/{digest}", package.name);
        let reply = connection.ask("DELETE", &path, &[], Pieces::none()).await?;
        reply.with_status(&[202]);
        package.with(|held| {
            held.manifests.get_mut(&digest).unwrap().0 = Presence::No;
            moves.iter().for_each(|(tag, began)| held.tag_moved(tag, *began));
        });
        Ok(())
    }

    /// Of those that no manifest names; what a manifest names is the client's to keep.
    async fn delete_blob(&mut self, connection: &mut Connection, package: &Package) -> Result<(), Cut> {
        let content: Bytes = format!("loose {}", turn()).into();
        self.push_blob(connection, package, &content).await?;
        let loose = package.with(|held| held.loose_blobs());
        let digest = self.dice.one_of(&loose).unwrap();
        package.with(|held| held.blob_is(&digest, Presence::Open));
        let path = format!("/v2/{}/blobs/{digest}", package.name);
        let reply = connection.ask("DELETE", &path, &[], Pieces::none()).await?;
        reply.with_status(&[202]);
        package.with(|held| held.blob_is(&digest, Presence::No));
        Ok(())
    }
}
