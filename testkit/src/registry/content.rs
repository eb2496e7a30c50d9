//! What the registry holds, and what it answers.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use oci::{Digest, Manifest};

use super::{Request, Trouble, Ways};

/// What it holds, and what was asked.
pub struct Content {
    /// What it can do.
    pub ways: Ways,
    /// By digest.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// By `NAME/TAG` and `NAME/DIGEST`: media type and bytes.
    pub manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// Blobs of repositories, as `NAME/DIGEST`.
    pub links: BTreeSet<String>,
    /// Requests: `METHOD TARGET`, with ` range=…` behind it.
    pub log: Vec<String>,
    /// Bytes that came as bodies of uploads.
    pub received: u64,
    /// Blobs that were completed, as often as they were.
    pub completed: Vec<String>,
    uploads: HashMap<String, Arc<Mutex<Vec<u8>>>>,
    begun: usize,
    pub(super) troubles: Vec<(String, VecDeque<Trouble>)>,
    pub(super) hooks: Vec<(String, Hook)>,
}

pub(super) type Hook = Box<dyn FnOnce(&mut Content) + Send>;

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn new(status: u16) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Answer {
        self.body = body.into();
        self
    }
}

impl Content {
    pub(super) fn new(ways: Ways) -> Content {
        Content {
            ways,
            blobs: BTreeMap::new(),
            manifests: BTreeMap::new(),
            links: BTreeSet::new(),
            log: Vec::new(),
            received: 0,
            completed: Vec::new(),
            uploads: HashMap::new(),
            begun: 0,
            troubles: Vec::new(),
            hooks: Vec::new(),
        }
    }

    /// Puts a blob into a repository.
    pub fn add_blob(&mut self, name: &str, bytes: &[u8]) -> String {
        let digest = Digest::sha256_of(bytes).to_string();
        self.links.insert(format!("{name}/{digest}"));
        self.blobs.insert(digest.clone(), bytes.to_vec());
        digest
    }

    /// Puts a manifest into a repository, under its digest and a tag.
    pub fn add_manifest(&mut self, name: &str, tag: Option<&str>, manifest: &Manifest) -> String {
        let digest = manifest.digest().to_string();
        let entry = (manifest.media_type().to_string(), manifest.bytes().to_vec());
        if let Some(tag) = tag {
            self.manifests.insert(format!("{name}/{tag}"), entry.clone());
        }
        self.manifests.insert(format!("{name}/{digest}"), entry);
        digest
    }

    /// The digest that a tag names.
    pub fn tag(&self, name: &str, tag: &str) -> Option<String> {
        let (_, bytes) = self.manifests.get(&format!("{name}/{tag}"))?;
        Some(Digest::sha256_of(bytes).to_string())
    }

    pub(super) fn note(&mut self, request: &Request) -> Option<Trouble> {
        let line = format!("{} {}", request.method, request.target);
        let range = request.headers.get("range");
        let range = range.map(|range| format!(" range={range}")).unwrap_or_default();
        self.log.push(format!("{line}{range}"));
        if let Some(at) = self
            .hooks
            .iter()
            .position(|(start, _)| line.starts_with(start.as_str()))
        {
            let (_, hook) = self.hooks.remove(at);
            hook(self);
        }
        let queue = self
            .troubles
            .iter_mut()
            .find(|(start, queue)| line.starts_with(start.as_str()) && !queue.is_empty());
        queue.and_then(|(_, queue)| queue.pop_front())
    }

    /// The upload that a request adds to.
    pub(super) fn upload_of(&self, request: &Request) -> Option<Arc<Mutex<Vec<u8>>>> {
        let path = request.target.split('?').next().unwrap_or_default();
        let (_, id) = path.split_once("/blobs/uploads/")?;
        self.uploads.get(id).cloned()
    }

    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let Some(rest) = path.strip_prefix("/v2/") else {
            return Answer::new(404);
        };
        match rest {
            "" => return Answer::new(200),
            "_catalog" => return self.catalog(),
            _ => {}
        }
        for (part, what) in [
            ("/blobs/uploads", 'u'),
            ("/blobs/", 'b'),
            ("/manifests/", 'm'),
            ("/referrers/", 'r'),
            ("/tags/list", 't'),
        ] {
            if let Some((name, reference)) = rest.split_once(part) {
                return match what {
                    'u' => self.upload(request, (name, reference.trim_matches('/')), query),
                    'b' => self.blob(request, name, reference),
                    'm' => self.manifest(request, (name, reference), query),
                    'r' => self.referrers(name, reference),
                    _ => self.tags(name, query),
                };
            }
        }
        Answer::new(404)
    }

    fn names(&self) -> BTreeSet<&str> {
        let keys = self.manifests.keys().chain(&self.links);
        keys.filter_map(|key| key.rsplit_once('/'))
            .map(|(name, _)| name)
            .collect()
    }

    fn catalog(&self) -> Answer {
        if !self.ways.catalog {
            return Answer::new(404);
        }
        let names: Vec<String> = self
            .names()
            .into_iter()
            .map(|name| format!("\"{name}\""))
            .collect();
        Answer::new(200).body(format!("{{\"repositories\":[{}]}}", names.join(",")))
    }

    /// What a repository has under these: tags or digests.
    fn listed(&self, name: &str) -> impl Iterator<Item = (&str, &(String, Vec<u8>))> {
        let prefix = format!("{name}/");
        self.manifests.iter().filter_map(move |(key, entry)| {
            let reference = key.strip_prefix(&prefix)?;
            (!reference.contains('/')).then_some((reference, entry))
        })
    }

    fn tags(&self, name: &str, query: &str) -> Answer {
        if self.ways.google {
            return self.google(name);
        }
        if !self.names().contains(name) {
            return Answer::new(404);
        }
        let after = parameter(query, "last").unwrap_or_default();
        let mut tags: Vec<&str> = self.listed(name).map(|(reference, _)| reference).collect();
        tags.retain(|tag| !tag.contains(':') && *tag > after.as_str());
        let is_more = tags.len() > self.ways.page;
        tags.truncate(self.ways.page);
        let quoted: Vec<String> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
        let answer =
            Answer::new(200).body(format!("{{\"name\":\"{name}\",\"tags\":[{}]}}", quoted.join(",")));
        match tags.last().filter(|_| is_more) {
            Some(last) => answer.with(
                "Link",
                &format!("</v2/{name}/tags/list?last={last}>; rel=\"next\""),
            ),
            None => answer,
        }
    }

    fn google(&self, name: &str) -> Answer {
        let below = format!("{name}/");
        let children: BTreeSet<&str> = self
            .names()
            .into_iter()
            .filter_map(|other| other.strip_prefix(&below)?.split('/').next())
            .collect();
        let mut manifests: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut tags = Vec::new();
        for (reference, (_, bytes)) in self.listed(name) {
            let entry = manifests.entry(Digest::sha256_of(bytes).to_string()).or_default();
            if !reference.contains(':') {
                entry.push(reference);
                tags.push(reference);
            }
        }
        let listed: Vec<String> = manifests
            .iter()
            .map(|(digest, tags)| {
                format!("\"{digest}\":{{\"tag\":{tags:?},\"timeUploadedMs\":\"1700000000000\"}}")
            })
            .collect();
        Answer::new(200).body(format!(
            "{{\"child\":{:?},\"manifest\":{{{}}},\"name\":\"{name}\",\"tags\":{tags:?}}}",
            children.iter().collect::<Vec<_>>(),
            listed.join(",")
        ))
    }

    fn upload(&mut self, request: &Request, (name, id): (&str, &str), query: &str) -> Answer {
        if request.method == "POST" {
            if let (Some(digest), Some(from)) = (parameter(query, "mount"), parameter(query, "from"))
                && self.ways.mounts
                && self.links.contains(&format!("{from}/{digest}"))
            {
                self.links.insert(format!("{name}/{digest}"));
                return Answer::new(201);
            }
            if let Some(digest) = parameter(query, "digest").filter(|_| self.ways.at_once) {
                self.received += request.body.len() as u64;
                return self.complete(name, digest, request.body.clone());
            }
            self.begun += 1;
            let id = format!("upload-{}", self.begun);
            self.uploads.insert(id.clone(), Arc::default());
            return Answer::new(202).with("Location", &format!("/v2/{name}/blobs/uploads/{id}"));
        }
        let Some(upload) = self.uploads.get(id).cloned() else {
            return Answer::new(404);
        };
        let bytes = upload.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let range = format!("0-{}", bytes.len().saturating_sub(1));
        match request.method.as_str() {
            "GET" if !self.ways.offsets => Answer::new(404),
            "GET" => Answer::new(204).with("Range", &range),
            "PATCH" => Answer::new(202).with("Range", &range),
            "PUT" => {
                let digest = parameter(query, "digest").unwrap_or_default();
                self.uploads.remove(id);
                self.complete(name, digest, bytes)
            }
            _ => {
                self.uploads.remove(id);
                Answer::new(204)
            }
        }
    }

    fn complete(&mut self, name: &str, digest: String, bytes: Vec<u8>) -> Answer {
        if Digest::sha256_of(&bytes).to_string() != digest {
            return Answer::new(400);
        }
        self.completed.push(digest.clone());
        self.links.insert(format!("{name}/{digest}"));
        self.blobs.insert(digest, bytes);
        Answer::new(201)
    }

    fn blob(&self, request: &Request, name: &str, digest: &str) -> Answer {
        let is_linked = self.links.contains(&format!("{name}/{digest}"));
        let Some(bytes) = self.blobs.get(digest).filter(|_| is_linked) else {
            return Answer::new(404);
        };
        let from = request.headers.get("range").and_then(|range| {
            let range = range.strip_prefix("bytes=")?.trim_end_matches('-');
            range.parse::<usize>().ok()
        });
        match from.filter(|_| self.ways.ranges) {
            Some(from) => Answer::new(206)
                .with(
                    "Content-Range",
                    &format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
                )
                .body(&bytes[from..]),
            None => Answer::new(200).body(bytes.clone()),
        }
    }

    fn manifest(&mut self, request: &Request, (name, reference): (&str, &str), query: &str) -> Answer {
        if request.method == "PUT" {
            return self.put_manifest(request, (name, reference), query);
        }
        match self.manifests.get(&format!("{name}/{reference}")) {
            Some((media_type, bytes)) => {
                let digest = match reference.contains(':') {
                    // Of what was damaged it still says the old one.
                    true => reference.to_owned(),
                    false => Digest::sha256_of(bytes).to_string(),
                };
                Answer::new(200)
                    .with("Content-Type", media_type)
                    .with("Docker-Content-Digest", &digest)
                    .body(bytes.clone())
            }
            None => Answer::new(404),
        }
    }

    /// Takes a manifest only when everything that it names is there.
    fn put_manifest(&mut self, request: &Request, (name, reference): (&str, &str), query: &str) -> Answer {
        let Ok(manifest) = Manifest::parse(request.body.clone(), None) else {
            return Answer::new(400);
        };
        let has_all = match manifest.image() {
            Some(image) => image
                .distributable_blobs()
                .all(|layer| self.links.contains(&format!("{name}/{}", layer.digest))),
            None => manifest
                .index()
                .into_iter()
                .flat_map(|index| &index.manifests)
                .all(|child| {
                    let key = format!("{name}/{}", child.digest);
                    self.manifests.contains_key(&key)
                }),
        };
        if !has_all {
            return Answer::new(404).body(r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#);
        }
        let tag = Some(reference).filter(|reference| !reference.contains(':'));
        self.add_manifest(name, tag, &manifest);
        let mut answer = Answer::new(201);
        for (key, tag) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            if key == "tag" && self.ways.tags_in_query {
                self.add_manifest(name, Some(tag), &manifest);
                answer = answer.with("OCI-Tag", tag);
            }
        }
        match manifest.subject().filter(|_| self.ways.referrers) {
            Some(subject) => answer.with("OCI-Subject", &subject.digest.to_string()),
            None => answer,
        }
    }

    fn referrers(&self, name: &str, digest: &str) -> Answer {
        if !self.ways.referrers {
            return Answer::new(404);
        }
        let mut found = Vec::new();
        for (reference, (media_type, bytes)) in self.listed(name) {
            let manifest = Manifest::parse(bytes.clone(), None).ok();
            let subject = manifest.as_ref().and_then(Manifest::subject);
            if reference.contains(':') && subject.is_some_and(|subject| subject.digest.to_string() == digest)
            {
                let size = bytes.len();
                found.push(format!(
                    "{{\"mediaType\":\"{media_type}\",\"digest\":\"{reference}\",\"size\":{size}}}"
                ));
            }
        }
        let index = "application/vnd.oci.image.index.v1+json";
        Answer::new(200).with("Content-Type", index).body(format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{index}\",\"manifests\":[{}]}}",
            found.join(",")
        ))
    }
}

fn parameter(query: &str, key: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value.to_owned())
}
