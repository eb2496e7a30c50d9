//! A registry in this process and a client that hides nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client::registry::{
    CredentialHelper, CredentialStore, DockerConfig, Encryption, HelperAnswer, NoHostAuthorities, NoWarnings,
    Registries, RegistryOptions,
};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use oci::Digest;
use registry::{
    AuditRecord, Certificates, Clock, HostRoutes, Limits, Listening, Log, NewRepositories, Options, Record,
    Registry, Services, Writes, serve,
};
use store::{BackupDirectory, BlobStore, DataDirectory, Entropy, FileBlobStore};
use tokio::net::{TcpListener, TcpStream};
use transport::{Transport, TransportOptions};

use crate::accounts::{PASSWORD, basic};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) registry: Registry,
    pub(crate) directory: Arc<DataDirectory>,
    pub(crate) backups: PathBuf,
    log: Arc<Listener>,
    _stop: tokio::sync::oneshot::Sender<()>,
    _files: Option<tempfile::TempDir>,
}

/// What a server stands on.
struct Ground {
    directory: Arc<DataDirectory>,
    blobs: Arc<dyn BlobStore>,
    /// Where its backups go, once there is such a directory.
    backups: PathBuf,
    certificates: Option<Arc<Certificates>>,
    expects_trouble: bool,
    /// What it shows to other registries.
    credentials: CredentialStore,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let count = bytes.len().min(8);
        bytes.fill(0);
        bytes[..count].copy_from_slice(&number[8 - count..]);
    }
}

/// No programs that keep credentials.
struct NoHelper;

impl CredentialHelper for NoHelper {
    fn run(&self, _: &str, _: &str, _: &[u8]) -> std::io::Result<HelperAnswer> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Remembers what it is told, and fails on trouble where none is expected.
#[derive(Default)]
struct Listener {
    lines: Mutex<Vec<String>>,
    /// From where what was accounted for came.
    clients: Mutex<Vec<String>>,
    expects_trouble: bool,
}

impl Log for Listener {
    fn request(&self, record: &Record<'_>) {
        let Record {
            request_id,
            principal,
            method,
            path,
            operation,
            status,
            bytes,
            ..
        } = record;
        // What comes from elsewhere may be of a length that nobody knows.
        let bytes = bytes.map_or("?".to_owned(), |bytes| bytes.to_string());
        let line = format!("{request_id} {principal} {method} {path} {operation} {status} {bytes}");
        self.lines.lock().unwrap().push(line);
    }

    fn audit(&self, record: &AuditRecord<'_>) {
        let AuditRecord {
            principal,
            action,
            resource,
            outcome,
            detail,
            client,
            ..
        } = record;
        self.clients.lock().unwrap().push(client.unwrap().to_string());
        let line = format!("audit {principal} {action} {resource} {outcome} {detail}");
        self.lines.lock().unwrap().push(line);
    }

    fn trouble(&self, request_id: &str, error: &dyn std::error::Error) {
        // A test may have an issuer that fails.
        let text = error.to_string();
        let is_expected = self.expects_trouble || text.starts_with("the issuer");
        assert!(is_expected, "{request_id}: {error}");
        self.lines.lock().unwrap().push(format!("trouble {error}"));
    }
}

pub(crate) fn options() -> Options {
    Options {
        routes: HostRoutes::google("projects/d/locations/l/repositories/r".parse().unwrap()).unwrap(),
        writes: Writes::ThisMachine,
        access: registry::AccessOptions::default(),
        trusted_proxies: registry::TrustedProxies::default(),
        rates: registry::Rates::default(),
        sparse_manifests: false,
        new_repositories: NewRepositories::default(),
        grace: Duration::from_secs(3600),
        upload_idle: Duration::from_secs(24 * 3600),
        limits: Limits::default(),
    }
}

/// Other registries on this machine, in plain HTTP, and what is shown to them. Nobody may answer late here.
fn upstreams(credentials: CredentialStore) -> Registries {
    let mut client = TransportOptions::new("lightship-test");
    client.retry.attempts_max = 1;
    Registries::new(RegistryOptions {
        transport: Transport::new(client),
        credentials,
        encryption: Encryption::default(),
        authorities: Arc::new(NoHostAuthorities),
        warnings: Arc::new(NoWarnings),
    })
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::with(options()).await
    }

    pub(crate) async fn with(options: Options) -> Server {
        Server::over(options, None).await
    }

    pub(crate) async fn over(options: Options, certificates: Option<Arc<Certificates>>) -> Server {
        let files = tempfile::tempdir().unwrap();
        let directory = Arc::new(DataDirectory::open(&files.path().join("data")).unwrap());
        let ground = Ground {
            blobs: Arc::new(directory.blobs().clone()),
            directory,
            backups: files.path().join("backups"),
            certificates,
            expects_trouble: false,
            credentials: CredentialStore::empty(),
        };
        let server = Server::on(ground, options).await;
        Server {
            _files: Some(files),
            ..server
        }
    }

    /// What the registry sees of the store is what `seen` makes of it.
    pub(crate) async fn seeing(
        options: Options,
        seen: impl FnOnce(FileBlobStore) -> Arc<dyn BlobStore>,
    ) -> Server {
        let files = tempfile::tempdir().unwrap();
        let directory = Arc::new(DataDirectory::open(&files.path().join("data")).unwrap());
        let ground = Ground {
            blobs: seen(directory.blobs().clone()),
            directory,
            backups: files.path().join("backups"),
            certificates: None,
            expects_trouble: false,
            credentials: CredentialStore::empty(),
        };
        let server = Server::on(ground, options).await;
        Server {
            _files: Some(files),
            ..server
        }
    }

    /// One that shows an account's password to another registry, where things may go wrong.
    pub(crate) async fn showing(host: &str, name: &str) -> Server {
        let shown = basic(name, PASSWORD);
        let shown = shown.trim_start_matches("Basic ");
        let config = format!(r#"{{"auths":{{"{host}":{{"auth":"{shown}"}}}}}}"#);
        let config = DockerConfig::parse("test", config.as_bytes()).unwrap();
        let files = tempfile::tempdir().unwrap();
        let directory = Arc::new(DataDirectory::open(&files.path().join("data")).unwrap());
        let ground = Ground {
            blobs: Arc::new(directory.blobs().clone()),
            directory,
            backups: files.path().join("backups"),
            certificates: None,
            expects_trouble: true,
            credentials: CredentialStore::new(vec![config], Arc::new(NoHelper)),
        };
        let server = Server::on(ground, options()).await;
        Server {
            _files: Some(files),
            ..server
        }
    }

    /// Where something may go wrong beside the requests.
    pub(crate) async fn start_amid_trouble() -> Server {
        let files = tempfile::tempdir().unwrap();
        let server = Server::amid_trouble(&files.path().join("data"), |blobs| blobs).await;
        Server {
            _files: Some(files),
            ..server
        }
    }

    /// On a directory where things go wrong.
    pub(crate) async fn amid_trouble(
        data: &Path,
        over: impl FnOnce(Arc<dyn BlobStore>) -> Arc<dyn BlobStore>,
    ) -> Server {
        let directory = Arc::new(DataDirectory::open(data).unwrap());
        let ground = Ground {
            blobs: over(Arc::new(directory.blobs().clone())),
            directory,
            backups: data.with_file_name("backups"),
            certificates: None,
            expects_trouble: true,
            credentials: CredentialStore::empty(),
        };
        Server::on(ground, options()).await
    }

    async fn on(ground: Ground, options: Options) -> Server {
        let Ground {
            directory,
            blobs,
            backups,
            certificates,
            expects_trouble,
            credentials,
        } = ground;
        let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000)));
        let log = Arc::new(Listener {
            expects_trouble,
            ..Listener::default()
        });
        let services = Services {
            blobs,
            metadata: Arc::new(directory.metadata().clone()),
            clock: clock.clone(),
            entropy: Arc::new(Counter(AtomicU64::new(0))),
            log: log.clone(),
            backups: Some(Arc::new(BackupDirectory::new(directory.clone(), backups.clone()))),
            upstreams: Some(upstreams(credentials)),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let registry = Registry::new(services, options);
        let listening = Listening {
            listener,
            certificates,
        };
        tokio::spawn(serve(registry.clone(), listening, async move {
            let _ = stopped.await;
        }));
        Server {
            address,
            clock,
            registry,
            directory,
            backups,
            log,
            _stop: stop,
            _files: None,
        }
    }

    /// What was logged of requests.
    pub(crate) fn told(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().clone()
    }

    /// From where what was accounted for came.
    pub(crate) fn clients(&self) -> Vec<String> {
        self.log.clients.lock().unwrap().clone()
    }

    /// One request on a connection of its own, with the host that the headers name, else the address.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let (parts, body) = self.begin(method, path, headers, body).await.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// The same with an answer whose body is still to be read.
    pub(crate) async fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response<Incoming> {
        self.try_begin(method, path, headers, body).await.unwrap()
    }

    /// The same where the connection may be broken off before the answer begins.
    pub(crate) async fn try_begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> hyper::Result<Response<Incoming>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        sender.send_request(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], b"").await
    }

    /// Pushes a blob at once; its digest.
    pub(crate) async fn push_blob(&self, name: &str, content: &[u8]) -> Digest {
        let digest = Digest::sha256_of(content);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let reply = self.ask("POST", &path, &[], content).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
        digest
    }

    /// Pushes an image of one layer under a tag; its digest.
    pub(crate) async fn push_image(&self, name: &str, tag: &str, layer: &[u8]) -> Digest {
        let layer_digest = self.push_blob(name, layer).await;
        let config = self.push_blob(name, b"{}").await;
        let manifest = image_of(config, layer_digest, layer.len());
        let reply = self.put_manifest(name, tag, &manifest).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
        Digest::sha256_of(manifest.as_bytes())
    }

    pub(crate) async fn put_manifest(&self, name: &str, reference: &str, manifest: &str) -> Reply {
        let path = format!("/v2/{name}/manifests/{reference}");
        let headers = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
        self.ask("PUT", &path, &headers, manifest.as_bytes()).await
    }
}

pub(crate) fn image_of(config: Digest, layer: Digest, layer_bytes: usize) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":{layer_bytes}}}]}}"#
    )
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Status and code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let document: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        let code = document["errors"][0]["code"].as_str().unwrap().to_owned();
        (self.status.as_u16(), code)
    }
}

/// A client's end of HTTP/2 on a stream, and what drives it.
pub(crate) async fn http2<S, B>(
    stream: S,
) -> (
    hyper::client::conn::http2::SendRequest<B>,
    tokio::task::JoinHandle<hyper::Result<()>>,
)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    let stream = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let made = hyper::client::conn::http2::handshake(executor, stream).await;
    let (sender, connection) = made.unwrap();
    (sender, tokio::spawn(connection))
}
