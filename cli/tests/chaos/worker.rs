//! One client, which pushes, moves and deletes until nobody answers any more.

use std::collections::BTreeSet;
use std::io;

use oci::Digest;
use serde_json::json;

use crate::WORKERS;
use crate::chance::{CONTENTS, Dice, content};
use crate::connection::{Connection, Reply};
use crate::package::{Manifest, Package, Presence};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const TAGS: usize = 12;
const MANIFESTS: usize = 40;

/// How many operations were acknowledged comes back too.
pub(crate) fn work(address: &str, package: Package, dice: Dice) -> (Package, u64) {
    let Ok(connection) = Connection::open(address) else {
        return (package, 0);
    };
    let mut worker = Worker {
        connection,
        package,
        dice,
    };
    let mut acknowledged = 0;
    loop {
        match worker.step() {
            Ok(()) => acknowledged += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the server hangs"),
            Err(_) => return (worker.package, acknowledged),
        }
    }
}

struct Worker<'a> {
    connection: Connection<'a>,
    package: Package,
    dice: Dice,
}

impl Worker<'_> {
    fn step(&mut self) -> io::Result<()> {
        // What there is bounds how long it takes to look at all of it after each kill.
        if self.present().len() > MANIFESTS {
            return self.delete_manifest();
        }
        match self.dice.below(100) {
            0..60 => self.push_image(None),
            60..70 => self.push_index(),
            70..80 => self.push_referrer(),
            80..86 => self.move_tag(),
            86..93 => self.delete_tag(),
            _ => self.delete_manifest(),
        }
    }

    fn ask(&mut self, method: &str, rest: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Reply> {
        let path = self.package.path(rest);
        self.connection.ask(method, &path, headers, body)
    }

    fn push_image(&mut self, subject: Option<Digest>) -> io::Result<()> {
        let mut blobs = Vec::new();
        for _ in 0..=self.dice.below(3) {
            let number = self.dice.below(CONTENTS);
            blobs.push(self.push_blob(&content(number))?);
        }
        let descriptor = |digest: &Digest| json!({"mediaType": "application/octet-stream", "digest": digest.to_string(), "size": 1});
        let mut document = json!({
            "schemaVersion": 2, "mediaType": IMAGE,
            "config": descriptor(&blobs[0]), "layers": blobs.iter().skip(1).map(descriptor).collect::<Vec<_>>(),
            "annotations": {"number": self.dice.below(1 << 30).to_string()},
        });
        if let Some(subject) = subject {
            document["subject"] = json!({"mediaType": IMAGE, "digest": subject.to_string(), "size": 1});
        }
        let tag = self.tag();
        self.put(tag, document, (IMAGE, blobs, subject))
    }

    fn push_referrer(&mut self) -> io::Result<()> {
        let subject = self
            .one_present()
            .unwrap_or_else(|| Digest::sha256_of(b"nothing"));
        self.push_image(Some(subject))
    }

    fn push_index(&mut self) -> io::Result<()> {
        let children = (0..2).filter_map(|_| self.one_present()).collect::<BTreeSet<_>>();
        let entries: Vec<_> = children
            .iter()
            .map(|digest| json!({"mediaType": self.package.manifests[digest].media_type, "digest": digest.to_string(), "size": 1}))
            .collect();
        let number = self.dice.below(1 << 30).to_string();
        let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, "annotations": {"number": number}});
        let tag = self.tag();
        self.put(tag, document, (INDEX, Vec::new(), None))
    }

    fn put(
        &mut self,
        tag: String,
        document: serde_json::Value,
        (media_type, blobs, subject): (&'static str, Vec<Digest>, Option<Digest>),
    ) -> io::Result<()> {
        let bytes = document.to_string().into_bytes();
        let digest = Digest::sha256_of(&bytes);
        self.package.manifests.insert(
            digest,
            Manifest {
                bytes: bytes.clone(),
                media_type,
                blobs,
                subject,
                presence: Presence::Unsure,
            },
        );
        self.may_name(&tag, Some(digest));
        self.package.pending = Some((tag.clone(), digest));
        let reply = self.ask(
            "PUT",
            &format!("manifests/{tag}"),
            &[("content-type", media_type)],
            &bytes,
        )?;
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        self.package.pending = None;
        self.names(&tag, Some(digest));
        self.package.manifests.get_mut(&digest).unwrap().presence = Presence::Present;
        Ok(())
    }

    fn move_tag(&mut self) -> io::Result<()> {
        let Some(digest) = self.one_present() else {
            return Ok(());
        };
        let tag = self.tag();
        self.may_name(&tag, Some(digest));
        let manifest = &self.package.manifests[&digest];
        let (bytes, media_type) = (manifest.bytes.clone(), manifest.media_type);
        let reply = self.ask(
            "PUT",
            &format!("manifests/{tag}"),
            &[("content-type", media_type)],
            &bytes,
        )?;
        // An index whose child was deleted cannot be pushed again.
        if reply.status == 400 && media_type == INDEX {
            self.package.tags.get_mut(&tag).unwrap().remove(&Some(digest));
            return Ok(());
        }
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        self.names(&tag, Some(digest));
        Ok(())
    }

    fn delete_tag(&mut self) -> io::Result<()> {
        let tag = self.tag();
        self.may_name(&tag, None);
        let reply = self.ask("DELETE", &format!("manifests/{tag}"), &[], b"")?;
        assert!(matches!(reply.status, 202 | 404), "{}", reply.status);
        self.names(&tag, None);
        Ok(())
    }

    fn delete_manifest(&mut self) -> io::Result<()> {
        let Some(digest) = self.one_present() else {
            return Ok(());
        };
        let is_named = |allowed: &BTreeSet<Option<Digest>>| allowed.contains(&Some(digest));
        let tags = self.package.tags.iter().filter(|(_, allowed)| is_named(allowed));
        let tags: Vec<String> = tags.map(|(tag, _)| tag.clone()).collect();
        for tag in &tags {
            self.may_name(tag, None);
        }
        self.package.manifests.get_mut(&digest).unwrap().presence = Presence::Unsure;
        let reply = self.ask("DELETE", &format!("manifests/{digest}"), &[], b"")?;
        assert_eq!(reply.status, 202);
        for tag in &tags {
            self.names(tag, None);
        }
        self.package.manifests.get_mut(&digest).unwrap().presence = Presence::Absent;
        Ok(())
    }

    /// In one of the ways that clients have.
    fn push_blob(&mut self, content: &[u8]) -> io::Result<Digest> {
        let digest = Digest::sha256_of(content);
        let way = self.dice.below(6);
        if way == 0 && self.ask("HEAD", &format!("blobs/{digest}"), &[], b"")?.status == 200 {
            return Ok(digest);
        }
        let begin = match way {
            1 => format!("blobs/uploads/?digest={digest}"),
            2 => format!(
                "blobs/uploads/?mount={digest}&from=app/w{}",
                self.dice.below(WORKERS)
            ),
            _ => "blobs/uploads/".to_owned(),
        };
        let reply = self.ask("POST", &begin, &[], if way == 1 { content } else { b"" })?;
        if reply.status == 201 {
            return Ok(digest);
        }
        assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
        let mut place = reply.header("location").to_owned();
        let mut sent = 0;
        if way >= 4 && !content.is_empty() {
            let pieces = if way == 4 { 3 } else { 1 };
            for piece in content.chunks(content.len().div_ceil(pieces)) {
                let range = format!("{sent}-{}", sent + piece.len() - 1);
                let headers = [
                    ("content-type", "application/octet-stream"),
                    ("content-range", range.as_str()),
                ];
                let headers = if way == 4 { &headers[..] } else { &headers[..1] };
                let reply = self.connection.ask("PATCH", &place, headers, piece)?;
                assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
                place = reply.header("location").to_owned();
                sent += piece.len();
            }
        }
        let joint = if place.contains('?') { '&' } else { '?' };
        let end = format!("{place}{joint}digest={digest}");
        let reply = self.connection.ask("PUT", &end, &[], &content[sent..])?;
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        Ok(digest)
    }

    fn tag(&mut self) -> String {
        format!("t{}", self.dice.below(TAGS))
    }

    fn one_present(&mut self) -> Option<Digest> {
        let present = self.present();
        (!present.is_empty()).then(|| *self.dice.one_of(&present))
    }

    fn present(&self) -> Vec<Digest> {
        let manifests = self.package.manifests.iter();
        let present = manifests.filter(|(_, manifest)| manifest.presence == Presence::Present);
        present.map(|(digest, _)| *digest).collect()
    }

    /// The tag was asked to name this, and no answer has come yet.
    fn may_name(&mut self, tag: &str, to: Option<Digest>) {
        let allowed = self.package.tags.entry(tag.to_owned());
        allowed.or_insert_with(|| BTreeSet::from([None])).insert(to);
    }

    fn names(&mut self, tag: &str, to: Option<Digest>) {
        self.package.tags.insert(tag.to_owned(), BTreeSet::from([to]));
    }
}
