//! A registry in a few threads, with the faults that real ones do not have on request.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use oci::{Digest, Manifest};

/// What goes wrong with one answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This answer instead.
    Answer(Answer),
    /// The connection is closed after so many bytes of the body, which was announced whole.
    CutAfter(usize),
    /// The connection is closed after so many bytes of the request's body were read, without an answer.
    Drop(usize),
    /// The first byte of the body is another one.
    Flip,
    /// The body never ends.
    Endless,
    /// The whole body is sent, whatever range was asked for.
    IgnoreRange,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What the registry asks to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    /// `Basic dXNlcjpwYXNz`
    Basic,
    /// A token of its `/token`, which wants that, too.
    Bearer,
    /// A token of its `/token`, which anybody gets.
    AnonymousBearer,
}

/// What it can do and holds. Tests change it as they like.
pub(crate) struct State {
    pub(crate) wants: Wants,
    pub(crate) has_referrers: bool,
    pub(crate) knows_patch: bool,
    /// Where uploads are sent to, if not here.
    pub(crate) uploads_at: Option<String>,
    /// Tags of one page.
    pub(crate) page: usize,
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// By `NAME/TAG` and `NAME/DIGEST`.
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// By `NAME/DIGEST`.
    pub(crate) links: BTreeSet<String>,
    uploads: BTreeMap<String, Vec<u8>>,
    /// Uploads ever begun: names are never given twice.
    begun: usize,
    /// By the beginning of `METHOD TARGET`, each used once.
    faults: Vec<(String, VecDeque<Fault>)>,
    log: Vec<String>,
    tokens: usize,
}

pub(crate) struct FakeRegistry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

struct Request {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl FakeRegistry {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            wants: Wants::Nothing,
            has_referrers: true,
            knows_patch: true,
            uploads_at: None,
            page: 1000,
            blobs: BTreeMap::new(),
            manifests: BTreeMap::new(),
            links: BTreeSet::new(),
            uploads: BTreeMap::new(),
            begun: 0,
            faults: Vec::new(),
            log: Vec::new(),
            tokens: 0,
        }));
        let stopped = Arc::new(AtomicBool::new(false));
        let (serving, until) = (Arc::clone(&state), Arc::clone(&stopped));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if until.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&serving);
                thread::spawn(move || drop(serve(&state, &stream)));
            }
        });
        Self {
            address,
            state,
            stopped,
        }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request that begins so has this fault.
    pub(crate) fn fault(&self, request: &str, fault: Fault) {
        let mut state = self.state();
        match state.faults.iter_mut().find(|(start, _)| start == request) {
            Some((_, queue)) => queue.push_back(fault),
            None => state.faults.push((request.to_owned(), VecDeque::from([fault]))),
        }
    }

    /// The requests so far that begin so: `METHOD TARGET`, with ` range=…` and ` auth=…` behind it.
    pub(crate) fn log(&self, start: &str) -> Vec<String> {
        let state = self.state();
        state
            .log
            .iter()
            .filter(|line| line.starts_with(start))
            .cloned()
            .collect()
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

fn serve(state: &Mutex<State>, mut stream: &TcpStream) -> io::Result<()> {
    let host = stream.local_addr()?.to_string();
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let Some(mut request) = read_head(&mut reader)? else {
            return Ok(());
        };
        let fault = state.lock().unwrap().note(&request);
        if let Some(Fault::Drop(bytes)) = fault {
            reader.read_exact(&mut vec![0; bytes])?;
            return Ok(());
        }
        let length = request
            .headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        request.body = vec![0; length];
        reader.read_exact(&mut request.body)?;
        let mut answer = match &fault {
            Some(Fault::Answer(answer)) => answer.clone(),
            _ => state.lock().unwrap().answer(&request, &host),
        };
        if let Some(from) =
            range(&request).filter(|_| answer.status == 200 && !matches!(fault, Some(Fault::IgnoreRange)))
        {
            let whole = answer.body.len();
            answer.body.drain(..from);
            answer.status = 206;
            answer = answer.header("Content-Range", &format!("bytes {from}-{}/{whole}", whole - 1));
        }
        if matches!(fault, Some(Fault::Flip)) {
            answer.body[0] ^= 1;
        }
        let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match fault {
            Some(Fault::Endless) => {
                write!(stream, "{head}\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 65_536])?;
                }
            }
            Some(Fault::CutAfter(bytes)) => {
                write!(stream, "{head}Content-Length: {}\r\n\r\n", answer.body.len())?;
                return stream.write_all(&answer.body[..bytes]);
            }
            _ => head.push_str(&format!("Content-Length: {}\r\n\r\n", answer.body.len())),
        }
        let mut whole = head.into_bytes();
        if request.method != "HEAD" {
            whole.extend_from_slice(&answer.body);
        }
        stream.write_all(&whole)?;
    }
}

fn range(request: &Request) -> Option<usize> {
    let text = request.headers.get("range")?;
    text.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok()
}

fn read_head(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let target = target.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
    Ok(Some(Request {
        method,
        target,
        headers,
        body: Vec::new(),
    }))
}

impl State {
    fn note(&mut self, request: &Request) -> Option<Fault> {
        let line = format!("{} {}", request.method, request.target);
        let with = |name: &str, header: &str| {
            let value = request.headers.get(header);
            value.map(|value| format!(" {name}={value}")).unwrap_or_default()
        };
        self.log.push(format!(
            "{line}{}{}",
            with("range", "range"),
            with("auth", "authorization")
        ));
        let queue = self
            .faults
            .iter_mut()
            .find(|(start, queue)| line.starts_with(start.as_str()) && !queue.is_empty());
        queue.and_then(|(_, queue)| queue.pop_front())
    }

    fn answer(&mut self, request: &Request, host: &str) -> Answer {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let auth = request.headers.get("authorization").map(String::as_str);
        if path == "/token" {
            return self.token(auth);
        }
        let is_allowed = match self.wants {
            Wants::Nothing => true,
            Wants::Basic => auth == Some("Basic dXNlcjpwYXNz"),
            Wants::Bearer | Wants::AnonymousBearer => auth == Some(&format!("Bearer token-{}", self.tokens)),
        };
        if !is_allowed {
            let challenge = match self.wants {
                Wants::Basic => "Basic realm=\"x\"".to_owned(),
                _ => format!("Bearer realm=\"http://{host}/token\",service=\"s\""),
            };
            let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
            return Answer::new(401).header("WWW-Authenticate", &challenge).body(body);
        }
        let Some(rest) = path.strip_prefix("/v2/") else {
            return Answer::new(404);
        };
        if rest.is_empty() {
            return Answer::new(200);
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
                    'b' => self.blob(name, reference),
                    'm' => self.manifest(request, name, reference),
                    'r' => self.referrers(name, reference),
                    _ => self.tags(name, query),
                };
            }
        }
        Answer::new(404)
    }

    fn token(&mut self, auth: Option<&str>) -> Answer {
        if self.wants == Wants::Bearer && auth != Some("Basic dXNlcjpwYXNz") {
            return Answer::new(401).body(r#"{"details":"incorrect username or password"}"#);
        }
        self.tokens += 1;
        Answer::new(200).body(format!(r#"{{"token":"token-{}","expires_in":300}}"#, self.tokens))
    }

    /// Tokens given so far are good no more.
    pub(crate) fn expire_tokens(&mut self) {
        self.tokens += 1;
    }

    fn upload(&mut self, request: &Request, (name, id): (&str, &str), query: &str) -> Answer {
        let parameter = |key: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.to_owned())
        };
        if request.method == "POST" {
            if let (Some(digest), Some(from)) = (parameter("mount"), parameter("from"))
                && self.links.contains(&format!("{from}/{digest}"))
            {
                self.links.insert(format!("{name}/{digest}"));
                return Answer::new(201);
            }
            self.begun += 1;
            let id = format!("upload-{}", self.begun);
            self.uploads.insert(id.clone(), Vec::new());
            let base = self.uploads_at.clone().unwrap_or_default();
            return Answer::new(202).header(
                "Location",
                &format!("{base}/v2/{name}/blobs/uploads/{id}?state=1"),
            );
        }
        if request.method == "PATCH" && !self.knows_patch {
            return Answer::new(405);
        }
        if request.method == "DELETE" {
            self.uploads.remove(id);
            return Answer::new(204);
        }
        let Some(upload) = self.uploads.get_mut(id) else {
            return Answer::new(404).body(r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"gone"}]}"#);
        };
        upload.extend_from_slice(&request.body);
        if request.method == "PATCH" {
            // Without a Location: it stays where it is.
            return Answer::new(202);
        }
        let digest = parameter("digest").unwrap();
        let bytes = self.uploads.remove(id).unwrap();
        if Digest::sha256_of(&bytes).to_string() != digest {
            return Answer::new(400).body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
        }
        self.links.insert(format!("{name}/{digest}"));
        self.blobs.insert(digest, bytes);
        Answer::new(201)
    }

    fn blob(&self, name: &str, digest: &str) -> Answer {
        let found = self
            .blobs
            .get(digest)
            .filter(|_| self.links.contains(&format!("{name}/{digest}")));
        found.map_or(Answer::new(404), |bytes| Answer::new(200).body(bytes.clone()))
    }

    fn manifest(&mut self, request: &Request, name: &str, reference: &str) -> Answer {
        if request.method == "PUT" {
            let entry = (request.headers["content-type"].clone(), request.body.clone());
            let manifest = Manifest::parse(request.body.clone(), None).unwrap();
            self.manifests
                .insert(format!("{name}/{reference}"), entry.clone());
            self.manifests
                .insert(format!("{name}/{}", manifest.digest()), entry);
            let answer = Answer::new(201);
            return match manifest.subject().filter(|_| self.has_referrers) {
                Some(subject) => answer.header("OCI-Subject", &subject.digest.to_string()),
                None => answer,
            };
        }
        match self.manifests.get(&format!("{name}/{reference}")) {
            Some((media_type, bytes)) => Answer::new(200)
                .header("Content-Type", media_type)
                .header("Docker-Content-Digest", &Digest::sha256_of(bytes).to_string())
                .body(bytes.clone()),
            None => Answer::new(404).body(r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}"#),
        }
    }

    fn referrers(&self, name: &str, digest: &str) -> Answer {
        if !self.has_referrers {
            return Answer::new(404);
        }
        let of_name = self
            .manifests
            .iter()
            .filter(|(key, _)| key.starts_with(&format!("{name}/sha256:")));
        let manifests = of_name.map(|(_, (_, bytes))| Manifest::parse(bytes.clone(), None).unwrap());
        let refers = |manifest: &Manifest| {
            manifest
                .subject()
                .is_some_and(|subject| subject.digest.to_string() == digest)
        };
        let found = manifests.filter(refers).map(|manifest| manifest.descriptor());
        let index = Manifest::from_index(&oci::ImageIndex::new(found.collect()));
        Answer::new(200)
            .header("Content-Type", index.media_type().as_str())
            .body(index.bytes())
    }

    fn tags(&self, name: &str, query: &str) -> Answer {
        let last = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("last="))
            .unwrap_or_default();
        let keys = self
            .manifests
            .keys()
            .filter_map(|key| key.strip_prefix(&format!("{name}/")));
        let all: Vec<&str> = keys.filter(|tag| !tag.contains(':') && *tag > last).collect();
        let page: Vec<&str> = all.iter().take(self.page).copied().collect();
        let mut answer = Answer::new(200).body(serde_json::json!({ "name": name, "tags": page }).to_string());
        if let Some(last) = page.last().filter(|_| page.len() < all.len()) {
            let next = format!("</v2/{name}/tags/list?last={last}>; rel=\"next\"");
            answer = answer.header("Link", &next);
        }
        answer
    }
}
