//! What a package has to hold, as far as its clients were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use oci::Digest;

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Yes,
    No,
    /// A request about it was not answered.
    Open,
}

#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: &'static str,
    pub(crate) blobs: Vec<Digest>,
    pub(crate) children: Vec<Digest>,
    pub(crate) subject: Option<Digest>,
}

/// A tag was set or removed.
#[derive(Debug, Clone)]
struct Move {
    to: Option<Digest>,
    began: u64,
    /// None while it is not answered.
    ended: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) blobs: BTreeMap<Digest, (Presence, Bytes)>,
    pub(crate) manifests: BTreeMap<Digest, (Presence, Manifest)>,
    tags: BTreeMap<String, Vec<Move>>,
}

pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) held: Mutex<Held>,
}

/// Orders what several clients do.
static TURN: AtomicU64 = AtomicU64::new(1);

pub(crate) fn turn() -> u64 {
    TURN.fetch_add(1, Ordering::SeqCst)
}

impl Package {
    pub(crate) fn new(name: String) -> Package {
        Package {
            name,
            held: Mutex::default(),
        }
    }

    /// Runs one look or change; never held while a request is under way.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.held.lock().unwrap())
    }
}

impl Held {
    pub(crate) fn blob_begun(&mut self, digest: Digest, content: &Bytes) {
        let blob = self
            .blobs
            .entry(digest)
            .or_insert((Presence::No, content.clone()));
        if blob.0 == Presence::No {
            blob.0 = Presence::Open;
        }
    }

    pub(crate) fn blob_is(&mut self, digest: &Digest, presence: Presence) {
        self.blobs.get_mut(digest).unwrap().0 = presence;
    }

    /// Sets or removes a tag; returns what [`tag_moved`](Held::tag_moved) wants to be told.
    pub(crate) fn tag_begun(&mut self, tag: &str, to: Option<Digest>) -> u64 {
        let began = turn();
        let moves = self.tags.entry(tag.to_owned()).or_default();
        moves.push(Move {
            to,
            began,
            ended: None,
        });
        began
    }

    pub(crate) fn tag_moved(&mut self, tag: &str, began: u64) {
        let moves = self.tags.get_mut(tag).unwrap();
        let answered = moves.iter_mut().find(|a_move| a_move.began == began).unwrap();
        answered.ended = Some(turn());
    }

    /// What a tag may name: whatever was not surely followed by something else.
    pub(crate) fn tag_may_be(&self, tag: &str) -> Vec<Option<Digest>> {
        let moves = self.tags.get(tag).map(Vec::as_slice).unwrap_or_default();
        let is_followed = |ended: Option<u64>| {
            ended.is_some_and(|ended| {
                moves
                    .iter()
                    .any(|next| next.ended.is_some() && next.began > ended)
            })
        };
        let mut may_be: Vec<Option<Digest>> = moves
            .iter()
            .filter(|a_move| !is_followed(a_move.ended))
            .map(|a_move| a_move.to)
            .collect();
        if moves.iter().all(|a_move| a_move.ended.is_none()) {
            may_be.push(None);
        }
        may_be
    }

    /// Nothing is under way any more, and this is what it names.
    pub(crate) fn tag_is(&mut self, tag: &str, to: Option<Digest>) {
        let settled = Move {
            to,
            began: 0,
            ended: Some(0),
        };
        self.tags.insert(tag.to_owned(), vec![settled]);
    }

    pub(crate) fn tags(&self) -> Vec<String> {
        self.tags.keys().cloned().collect()
    }

    pub(crate) fn tags_of(&self, digest: &Digest) -> Vec<String> {
        let names = |tag: &&String| self.tag_may_be(tag).contains(&Some(*digest));
        self.tags.keys().filter(names).cloned().collect()
    }

    pub(crate) fn present(&self) -> impl Iterator<Item = (&Digest, &Manifest)> {
        let there = self
            .manifests
            .iter()
            .filter(|(_, (presence, _))| *presence == Presence::Yes);
        there.map(|(digest, (_, manifest))| (digest, manifest))
    }

    /// Manifests that no index names.
    pub(crate) fn tops(&self) -> Vec<Digest> {
        let children: BTreeSet<Digest> = self
            .present()
            .flat_map(|(_, manifest)| manifest.children.clone())
            .collect();
        let tops = self.present().filter(|(digest, _)| !children.contains(digest));
        tops.map(|(digest, _)| *digest).collect()
    }

    /// Blobs that are there and that no manifest names.
    pub(crate) fn loose_blobs(&self) -> Vec<Digest> {
        let named: BTreeSet<Digest> = self
            .present()
            .flat_map(|(_, manifest)| manifest.blobs.clone())
            .collect();
        let loose = self
            .blobs
            .iter()
            .filter(|(digest, (presence, _))| *presence != Presence::No && !named.contains(digest));
        loose.map(|(digest, _)| *digest).collect()
    }
}
