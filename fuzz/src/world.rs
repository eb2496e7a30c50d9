//! A registry within the process, for the targets that ask one.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::{Request, Response};
use jiff::Timestamp;
use registry::{
    AccessOptions, Clock, HostRoutes, Limits, Log, NewRepositories, Options, Rates, Record, Registry,
    Services, Writes,
};
use store::{DataDirectory, Entropy};

/// Inputs that one data directory serves; then a new one is begun.
const INPUTS_MAX: u64 = 2000;

/// Of one blob.
pub const BLOB_BYTES_MAX: u64 = 200;

/// A registry on a directory that goes when it does.
pub struct World {
    registry: Registry,
    directory: Arc<DataDirectory>,
    runtime: tokio::runtime::Runtime,
    _files: tempfile::TempDir,
    inputs: u64,
}

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time")
    }
}

/// A number that none before had, also after a restart: two uploads with one name would be one.
struct Counter;

static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        for (byte, digit) in bytes.iter_mut().zip(number) {
            *byte = digit;
        }
    }
}

struct Nobody;

impl Log for Nobody {
    fn request(&self, _: &Record<'_>) {}

    fn trouble(&self, _: &str, error: &dyn std::error::Error) {
        panic!("the registry failed: {error}: {:?}", error.source());
    }
}

/// Hosts as a server has them that nobody configured.
pub fn routes() -> HostRoutes {
    let default = "projects/d/locations/l/repositories/r"
        .parse()
        .expect("a repository");
    HostRoutes::google(default).expect("known identifiers")
}

fn registry_on(directory: &DataDirectory) -> Registry {
    let services = Services {
        blobs: Arc::new(directory.blobs().clone()),
        metadata: Arc::new(directory.metadata().clone()),
        clock: Arc::new(FixedClock),
        entropy: Arc::new(Counter),
        log: Arc::new(Nobody),
        backups: None,
        upstreams: None,
    };
    let options = Options {
        routes: routes(),
        writes: Writes::ThisMachine,
        access: AccessOptions::default(),
        rates: Rates::default(),
        trusted_proxies: registry::TrustedProxies::default(),
        new_repositories: NewRepositories::default(),
        sparse_manifests: false,
        grace: Duration::from_secs(3600),
        upload_idle: Duration::from_secs(3600),
        limits: Limits {
            blob_bytes_max: BLOB_BYTES_MAX,
            ..Limits::default()
        },
    };
    Registry::new(services, options)
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    /// An empty one.
    pub fn new() -> World {
        let files = tempfile::tempdir().expect("a directory");
        let directory = DataDirectory::open(&files.path().join("data")).expect("a data directory");
        World {
            registry: registry_on(&directory),
            directory: Arc::new(directory),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            _files: files,
            inputs: 0,
        }
    }

    /// Begins another input; a name that none before had.
    pub fn next(&mut self) -> String {
        if self.inputs == INPUTS_MAX {
            *self = World::new();
        }
        self.inputs += 1;
        format!("p{}", self.inputs)
    }

    /// The server starts again: what it had in memory is gone.
    pub fn restart(&mut self) {
        self.registry = registry_on(&self.directory);
    }

    /// Asks for something with a body in pieces, which may break off after them.
    pub fn ask_with(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        pieces: Vec<Bytes>,
        breaks_off: bool,
    ) -> Option<Response<Bytes>> {
        let broken = breaks_off.then_some(Err(BrokeOff));
        let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
        let body = Pieces(frames.chain(broken).collect::<Vec<_>>().into_iter());
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // What HTTP does not carry never comes to the registry.
        let request = request.body(body).ok()?;
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let answer = self.runtime.block_on(self.registry.ask(peer, request));
        let answer = answer.expect("an answer");
        assert!(answer.status().as_u16() < 500, "{method} {path}: {answer:?}");
        Some(answer)
    }

    /// Asks for something with a body at once.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Response<Bytes>> {
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        all.push(("content-length", &length));
        self.ask_with((method, path), &all, vec![Bytes::copy_from_slice(body)], false)
    }

    /// Pushes a blob.
    pub fn push_blob(&self, name: &str, content: &[u8]) -> oci::Digest {
        let digest = oci::Digest::sha256_of(content);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let answer = self.ask("POST", &path, &[], content).expect("a request");
        assert_eq!(answer.status().as_u16(), 201, "{answer:?}");
        digest
    }
}

/// A header of an answer.
pub fn header<'a>(answer: &'a Response<Bytes>, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

/// A body in pieces.
struct Pieces(std::vec::IntoIter<Result<Frame<Bytes>, BrokeOff>>);

struct BrokeOff;

impl Body for Pieces {
    type Data = Bytes;
    type Error = BrokeOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokeOff>>> {
        Poll::Ready(self.0.next())
    }
}
