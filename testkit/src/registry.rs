//! A registry in a few threads, that tells what was asked and sent, and misbehaves on request.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use oci::{Digest, Manifest};

/// Read from a request's body at a time, in bytes: a stall may come between any two.
const PIECE_BYTES: usize = 4096;

/// What the registry can do.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    /// It lists its repositories.
    pub catalog: bool,
    /// Its lists of tags are Google's.
    pub google: bool,
    /// It has the API of referrers.
    pub referrers: bool,
    /// It sets tags that stand in the query.
    pub tags_in_query: bool,
    /// It mounts blobs.
    pub mounts: bool,
    /// It sends parts of blobs.
    pub ranges: bool,
    /// It says how far uploads are.
    pub offsets: bool,
    /// Tags of one page.
    pub page: usize,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            catalog: true,
            google: false,
            referrers: true,
            tags_in_query: true,
            mounts: true,
            ranges: true,
            offsets: true,
            page: 1000,
        }
    }
}

/// What goes wrong with one answer.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// This status instead, with these headers.
    Status(u16, Vec<(String, String)>),
    /// The connection is closed after so many bytes of the body, which was announced whole.
    Cut(usize),
    /// The first byte of the body is another one.
    Flip,
    /// The connection is closed when so many bytes of the request's body were taken.
    Drop(usize),
}

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
    troubles: Vec<(String, VecDeque<Trouble>)>,
    hooks: Vec<(String, Hook)>,
}

type Hook = Box<dyn FnOnce(&mut Content) + Send>;

/// A registry on loopback; it stops when dropped.
pub struct FakeRegistry {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    content: Mutex<Content>,
    stopped: AtomicBool,
    stall: Mutex<Stall>,
    stalled: Condvar,
    connections: Mutex<Vec<TcpStream>>,
}

/// When to stop taking anything.
#[derive(Default)]
struct Stall {
    /// Steps until then.
    left: Option<usize>,
    /// It is so now.
    is_on: bool,
    /// Which life of connections it is: those of an earlier one do nothing any more.
    life: u64,
}

struct Request {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl FakeRegistry {
    /// Starts one on a free port.
    pub fn start(ways: Ways) -> FakeRegistry {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let content = Content {
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
        };
        let shared = Arc::new(Shared {
            content: Mutex::new(content),
            stopped: AtomicBool::new(false),
            stall: Mutex::default(),
            stalled: Condvar::new(),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                let life = shared.stall().life;
                if let Ok(copy) = stream.try_clone() {
                    shared
                        .connections
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(copy);
                }
                thread::spawn(move || {
                    drop(shared.serve(&stream, life));
                    // There is a copy of it that would keep it open.
                    drop(stream.shutdown(Shutdown::Both));
                });
            }
        });
        FakeRegistry { address, shared }
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What it holds, to be looked at and changed.
    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.shared.content()
    }

    /// The next request that begins so has this trouble.
    pub fn trouble(&self, request: &str, trouble: Trouble) {
        let mut content = self.content();
        match content.troubles.iter_mut().find(|(start, _)| start == request) {
            Some((_, queue)) => queue.push_back(trouble),
            None => content
                .troubles
                .push((request.to_owned(), VecDeque::from([trouble]))),
        }
    }

    /// Just before the next request that begins so is answered, this happens.
    pub fn before(&self, request: &str, hook: impl FnOnce(&mut Content) + Send + 'static) {
        self.content().hooks.push((request.to_owned(), Box::new(hook)));
    }

    /// The requests so far that begin so.
    pub fn requests(&self, start: &str) -> Vec<String> {
        let content = self.content();
        content
            .log
            .iter()
            .filter(|line| line.starts_with(start))
            .cloned()
            .collect()
    }

    /// Takes nothing more after so many steps: a step is a request, an answer, or a piece of a body.
    pub fn stall_after(&self, steps: usize) {
        let mut stall = self.shared.stall();
        stall.left = Some(steps);
    }

    /// Waits until it has stalled, or `ended` says that nobody asks any more; tells which.
    pub fn wait_for_stall(&self, mut ended: impl FnMut() -> bool) -> bool {
        let mut stall = self.shared.stall();
        while !stall.is_on {
            if ended() {
                return false;
            }
            let waited = self
                .shared
                .stalled
                .wait_timeout(stall, std::time::Duration::from_millis(20));
            stall = waited.map_or_else(|error| error.into_inner().0, |(stall, _)| stall);
        }
        true
    }

    /// Ends all connections, without another answer, and takes new ones again.
    pub fn revive(&self) {
        {
            let mut stall = self.shared.stall();
            *stall = Stall {
                life: stall.life + 1,
                ..Stall::default()
            };
        }
        self.shared.stalled.notify_all();
        let mut connections = self
            .shared
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for connection in connections.drain(..) {
            drop(connection.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.revive();
        // Wakes the thread that accepts, so that it sees the flag.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stall(&self) -> MutexGuard<'_, Stall> {
        self.stall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step of a connection; an error when it is of a life that is over.
    fn step(&self, life: u64) -> io::Result<()> {
        let mut stall = self.stall();
        if let Some(left) = &mut stall.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                stall.is_on = true;
                self.stalled.notify_all();
            }
        }
        while stall.is_on && stall.life == life {
            stall = self.stalled.wait(stall).unwrap_or_else(PoisonError::into_inner);
        }
        match stall.life == life {
            true => Ok(()),
            false => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    fn serve(&self, mut stream: &TcpStream, life: u64) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some(mut request) = read_head(&mut reader)? {
            self.step(life)?;
            let trouble = self.content().note(&request);
            self.take_body(&mut reader, &mut request, (life, trouble.as_ref()))?;
            let mut answer = match &trouble {
                Some(Trouble::Status(status, headers)) => Answer {
                    status: *status,
                    headers: headers.clone(),
                    body: Vec::new(),
                },
                _ => self.content().answer(&request),
            };
            if matches!(trouble, Some(Trouble::Flip)) {
                answer.body[0] ^= 1;
            }
            self.step(life)?;
            let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
            for (name, value) in &answer.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str(&format!("Content-Length: {}\r\n\r\n", answer.body.len()));
            stream.write_all(head.as_bytes())?;
            if request.method == "HEAD" {
                continue;
            }
            if let Some(Trouble::Cut(bytes)) = trouble {
                stream.write_all(answer.body.get(..bytes).unwrap_or(&answer.body))?;
                return stream.shutdown(Shutdown::Both);
            }
            for piece in answer.body.chunks(PIECE_BYTES) {
                self.step(life)?;
                stream.write_all(piece)?;
            }
        }
        Ok(())
    }

    /// Takes a body piece by piece: what came of an upload before a connection broke is there.
    fn take_body(
        &self,
        reader: &mut BufReader<&TcpStream>,
        request: &mut Request,
        (life, trouble): (u64, Option<&Trouble>),
    ) -> io::Result<()> {
        let length = request.headers.get("content-length");
        let mut left: usize = length.map_or(0, |length| length.parse().expect("a length"));
        let upload = self.content().upload_of(request);
        let mut open = upload
            .as_ref()
            .map(|upload| upload.lock().unwrap_or_else(PoisonError::into_inner));
        let mut until_drop = match trouble {
            Some(Trouble::Drop(bytes)) => Some(*bytes),
            _ => None,
        };
        let mut piece = [0; PIECE_BYTES];
        while left > 0 {
            if until_drop == Some(0) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let most = left.min(PIECE_BYTES).min(until_drop.unwrap_or(usize::MAX));
            let count = reader.read(&mut piece[..most])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= count;
            until_drop = until_drop.map(|bytes| bytes - count);
            match &mut open {
                Some(upload) => {
                    upload.extend_from_slice(&piece[..count]);
                    self.content().received += count as u64;
                }
                None => request.body.extend_from_slice(&piece[..count]),
            }
            self.step(life)?;
        }
        if until_drop == Some(0) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

fn read_head(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let target = target.replace("%3A", ":").replace("%2F", "/");
    Ok(Some(Request {
        method,
        target,
        headers,
        body: Vec::new(),
    }))
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

    fn note(&mut self, request: &Request) -> Option<Trouble> {
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
    fn upload_of(&self, request: &Request) -> Option<Arc<Mutex<Vec<u8>>>> {
        let path = request.target.split('?').next().unwrap_or_default();
        let (_, id) = path.split_once("/blobs/uploads/")?;
        self.uploads.get(id).cloned()
    }

    fn answer(&mut self, request: &Request) -> Answer {
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
                if Digest::sha256_of(&bytes).to_string() != digest {
                    return Answer::new(400);
                }
                self.completed.push(digest.clone());
                self.links.insert(format!("{name}/{digest}"));
                self.blobs.insert(digest, bytes);
                Answer::new(201)
            }
            _ => {
                self.uploads.remove(id);
                Answer::new(204)
            }
        }
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
            Some(image) => std::iter::once(&image.config)
                .chain(&image.layers)
                .filter(|layer| !layer.media_type.is_nondistributable())
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
