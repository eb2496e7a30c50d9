//! The registry: what operations share, and the way of a request through it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use access::Permission;
use bytes::Bytes;
use client::registry::Registries;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use hyper::header::{HOST, HeaderName, SERVER, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use store::{
    Backups, BlobStore, Entropy, MetadataStore, PackagePath, Repository, RepositoryPath, StoreError,
};

use crate::access::Caller;
use crate::administration::Jobs;
use crate::answer::{self, Answer, TEXT};
use crate::authentication::{Authentication, token_endpoint};
use crate::call::{Arriving, Call, Query, Sent};
use crate::log::{Log, Record};
use crate::manifest_cache::ManifestCache;
use crate::metrics::{Kind, Metrics};
use crate::modes::Modes;
use crate::options::{Clock, NewRepositories, Options};
use crate::rate::Counted;
use crate::reading::{Lists, Memory};
use crate::refusal::{Needs, Refusal};
use crate::room::{self, Room};
use crate::routes::{Operation, route};
use crate::running_hashes::RunningHashes;
use crate::server::OverTls;
use crate::transition::{Rollbacks, TransitionCounts, TransitionMemory};
use crate::upstream::Upstreams;
use crate::usage::UsageCounts;
use crate::{administration, blobs, catalog, manifests, referrers, tags, transition, uploads};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const OCI_NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// By this, and without a version, clients tell us from the registry that had the name before.
const SERVER_NAME: &str = "lightship";

/// What a registry works with.
pub struct Services {
    /// Where bytes are.
    pub blobs: Arc<dyn BlobStore>,
    /// Where everything else is.
    pub metadata: Arc<dyn MetadataStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Who hears of requests.
    pub log: Arc<dyn Log>,
    /// What makes backups, where they have a place.
    pub backups: Option<Arc<dyn Backups>>,
    /// How other registries are reached, where they are.
    pub upstreams: Option<Registries>,
}

/// A registry. Cheap to clone; clones are the same one.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    services: Services,
    options: RwLock<Arc<Options>>,
    manifest_cache: ManifestCache,
    hashes: RunningHashes,
    metrics: Metrics,
    usage: UsageCounts,
    jobs: Jobs,
    authentication: Authentication,
    counted: Counted,
    room: Room,
    transition_memory: TransitionMemory,
    transition_counts: TransitionCounts,
    rollbacks: Rollbacks,
    modes: Modes,
    upstreams: Upstreams,
    memory: Memory,
    lists: Lists,
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry on these stores.
    #[must_use]
    pub fn new(services: Services, options: Options) -> Registry {
        let manifest_cache = ManifestCache::new(options.limits.manifest_cache_bytes_max);
        let authentication = Authentication::new(&options.access, &*services.entropy);
        let upstreams = Upstreams::new(services.upstreams.clone());
        Registry {
            shared: Arc::new(Shared {
                services,
                options: RwLock::new(Arc::new(options)),
                manifest_cache,
                hashes: RunningHashes::default(),
                metrics: Metrics::default(),
                usage: UsageCounts::default(),
                jobs: Jobs::default(),
                authentication,
                counted: Counted::default(),
                room: Room::default(),
                transition_memory: TransitionMemory::default(),
                transition_counts: TransitionCounts::default(),
                rollbacks: Rollbacks::default(),
                modes: Modes::default(),
                upstreams,
                memory: Memory::default(),
                lists: Lists::default(),
            }),
        }
    }

    /// Behaves like this from the next request on. How many connections there may be, and how much is kept in memory,
    /// stays as it was.
    pub fn configure(&self, options: Options) {
        self.authentication().configure(&options.access);
        let options = Arc::new(options);
        *self
            .shared
            .options
            .write()
            .unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// How it behaves now.
    #[must_use]
    pub fn options(&self) -> Arc<Options> {
        let options = self.shared.options.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&options)
    }

    /// Answers a request as if `peer` had sent it over a connection: for programs that hold a registry within
    /// themselves. The body of the answer is read to its end.
    ///
    /// # Errors
    /// What was to be answered cannot be read.
    pub async fn ask<B>(&self, peer: SocketAddr, request: Request<B>) -> io::Result<Response<Bytes>>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
    {
        let head = request.method() == Method::HEAD;
        let request = request.map(|body| Sent::Within(body.map_err(drop).boxed_unsync()));
        let (parts, body) = self.answer(peer, request).await.into_parts();
        // Over a connection, HTTP sees to that.
        let body = match head {
            true => Bytes::new(),
            false => body.collect().await?.to_bytes(),
        };
        Ok(Response::from_parts(parts, body))
    }

    /// Answers a request of `peer`.
    pub(crate) async fn answer(&self, peer: SocketAddr, request: Request<Sent>) -> Answer {
        let begun = Instant::now();
        let options = self.options();
        let request_id = self.request_id();
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let operation = route(path);
        let kind = operation.as_ref().map(Kind::of).unwrap_or_default();
        let _open = self.metrics().began(kind);
        // HTTP/2 has the host in the request's address, HTTP/1 in a header.
        let authority = parts.uri.authority().map(|authority| authority.as_str());
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = authority.or(host).unwrap_or_default();
        let query = Query::parse(parts.uri.query());
        let namespace = query.namespace(&parts.method);
        let mut call = Call {
            method: &parts.method,
            path,
            headers: &parts.headers,
            query,
            host: options.routes.host_in(authority, namespace.as_deref()),
            authority,
            is_secure: parts.extensions.get::<OverTls>().is_some(),
            peer,
            forwarded: options.trusted_proxies.forwarded(peer.ip(), &parts.headers),
            caller: Caller::nobody(),
        };
        let body = Arriving::new(body, &parts.headers, options.limits.idle);
        let result = match &operation {
            Ok(operation) => self.authenticate_and_operate(operation, &mut call, body).await,
            Err(error) => Err(error.clone().into()),
        };
        if let Ok(operation) = &operation {
            self.audit(&request_id, &call, operation, result.as_ref());
        }
        let mut answer = result.unwrap_or_else(|refusal| {
            let name = operation.as_ref().ok().and_then(Operation::name);
            self.refuse(&refusal, &call, name, &request_id)
        });
        answer::set(&mut answer, API_VERSION, "registry/2.0");
        answer::set(&mut answer, SERVER, SERVER_NAME);
        if let Some(namespace) = namespace.as_deref().filter(|_| call.host.is_by_namespace()) {
            answer::set(&mut answer, OCI_NAMESPACE, namespace);
        }
        answer::set(&mut answer, REQUEST_ID, &request_id);
        let (status, took) = (answer.status().as_u16(), begun.elapsed());
        self.metrics().answered(kind, status, took);
        self.log().request(&Record {
            request_id: &request_id,
            peer,
            client: call.client(),
            principal: &call.caller.name(),
            method: parts.method.as_str(),
            path,
            operation: kind.name(),
            status,
            bytes: answer.body().size_hint().exact(),
            took,
        });
        answer
    }

    /// How a refusal is answered, and who hears of it.
    fn refuse(&self, refusal: &Refusal, call: &Call<'_>, name: Option<&str>, request_id: &str) -> Answer {
        self.metrics().refused(refusal);
        self.room().refused(refusal);
        match refusal {
            Refusal::Store(error) => self.log().trouble(request_id, error),
            Refusal::Issuer(error) => self.log().trouble(request_id, error),
            // Whoever pushes hears of it too; only the operator can make room.
            Refusal::Full => self.log().trouble(request_id, refusal),
            _ => {}
        }
        let is_administration = administration::is_at(call.path);
        let mut answer = match is_administration {
            true => administration::refused(refusal),
            false => answer::refusal(refusal),
        };
        if let Some((needs, problem)) = refusal.challenge() {
            // Tokens are for packages by name or for everything.
            let needs = match is_administration {
                true => Needs::Everything,
                false => needs,
            };
            let realm = match &self.options().access.external_url {
                Some(url) => url.trim_end_matches('/').to_owned(),
                None => call.origin(),
            };
            let challenge = token_endpoint::challenge(&realm, call.authority, name, (needs, problem));
            answer::set(&mut answer, WWW_AUTHENTICATE, &challenge);
        }
        answer
    }

    async fn authenticate_and_operate(
        &self,
        operation: &Operation,
        call: &mut Call<'_>,
        body: Arriving,
    ) -> Result<Answer, Refusal> {
        let hosts = call.headers.get_all(HOST).iter().count();
        // Who may do what depends on it, and challenges repeat it.
        if hosts > 1 || !is_host(call.authority) {
            return Err(Refusal::Host);
        }
        if !operation.is_for_operators() {
            let (rates, now) = (self.options().rates, self.now());
            let caller = match operation {
                Operation::Token => self.introduced_caller(call).await,
                _ => self.caller(call).await,
            };
            let known = caller.as_ref().ok().and_then(|caller| caller.known.as_ref());
            let principal = known.map(|known| &known.principal);
            self.shared.counted.count(&rates, principal, call.client(), now)?;
            call.caller = caller?;
        }
        self.operate(operation, call, body).await
    }

    async fn operate(
        &self,
        operation: &Operation,
        call: &Call<'_>,
        body: Arriving,
    ) -> Result<Answer, Refusal> {
        match self.moving(operation, call).await? {
            Some(moving) => transition::answer(self, &moving, operation, call, body).await,
            None => self.dispatch(operation, call, body).await,
        }
    }

    /// What this registry itself answers.
    pub(crate) async fn dispatch(
        &self,
        operation: &Operation,
        call: &Call<'_>,
        body: Arriving,
    ) -> Result<Answer, Refusal> {
        match operation {
            Operation::Ping | Operation::Health | Operation::Ready | Operation::Metrics if !call.reads() => {
                Err(call.refuse_method("GET, HEAD"))
            }
            Operation::Ping if call.caller.must_authenticate() => Err(Refusal::Unauthenticated {
                needs: Needs::Token,
                problem: None,
            }),
            Operation::Ping => Ok(answer::bytes(
                StatusCode::OK,
                "application/json",
                Bytes::from_static(b"{}"),
            )),
            Operation::Token => token_endpoint::token(self, call, body).await,
            Operation::Catalog => catalog::catalog(self, call).await,
            Operation::Blob { name, digest } => blobs::blob(self, call, name, digest).await,
            Operation::Uploads { name } => uploads::begin(self, call, name, body).await,
            Operation::Upload { name, session } => uploads::go_on(self, call, (name, session), body).await,
            Operation::Manifest { name, reference } => {
                manifests::manifest(self, call, (name, reference), body).await
            }
            Operation::Tags { name } => tags::tags(self, call, name).await,
            Operation::Referrers { name, digest } => referrers::referrers(self, call, name, digest).await,
            Operation::Administration => administration::answer(self, call, body).await,
            Operation::Health => Ok(answer::bytes(StatusCode::OK, TEXT, Bytes::from_static(b"ok\n"))),
            Operation::Ready => room::ready(self).await,
            Operation::Metrics => {
                self.metrics().writes(self.writes().await);
                let mut text = self.metrics().text();
                self.transition_counts().metrics(&mut text);
                Ok(answer::bytes(StatusCode::OK, TEXT, text.into()))
            }
        }
    }

    /// The repository that a push goes to. It makes it, for those who may make one. The repository of hosts that no
    /// route names is the registry's own, and everybody who may push to it makes it.
    pub(crate) async fn ensure_repository(
        &self,
        call: &Call<'_>,
        package: &PackagePath,
    ) -> Result<Repository, Refusal> {
        let path = &package.repository;
        if let Some(repository) = self.metadata().repository(path).await? {
            return Ok(repository);
        }
        if path != self.options().routes.default_repository() && call.caller.is_closed() {
            self.authorise(call, Permission::CreateRepositoryOnPush, package)
                .await?;
        }
        let NewRepositories::Made { immutable_tags } = self.options().new_repositories.clone() else {
            return Err(Refusal::RepositoryUnknown);
        };
        let repository = Repository {
            immutable_tags,
            ..Repository::new(path.clone(), self.now())
        };
        // Somebody else may have made it at the same moment.
        let _ = self
            .metadata()
            .create_repository(&repository, &call.caller.actor())
            .await?;
        Ok(repository)
    }

    /// Writes to the manifests or tags of a package, and then forgets what is kept of it in memory. Goes on to its end
    /// where the client goes away meanwhile: the store may write all the same, and what is kept would be of before.
    pub(crate) async fn change<T, W>(
        &self,
        package: &PackagePath,
        work: impl FnOnce(Arc<dyn MetadataStore>) -> W,
    ) -> Result<T, StoreError>
    where
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        let package = package.clone();
        self.write(work, move |registry| registry.manifest_cache().forget(&package))
            .await
    }

    /// Makes, changes or removes a repository, and then forgets what is kept of it in memory. Goes on to its end where the
    /// client goes away meanwhile.
    pub(crate) async fn change_repository<T, W>(
        &self,
        path: &RepositoryPath,
        work: impl FnOnce(Arc<dyn MetadataStore>) -> W,
    ) -> Result<T, StoreError>
    where
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        let path = path.clone();
        let forget = move |registry: &Registry| {
            registry.modes().forget(&path);
            registry.manifest_cache().forget_all();
        };
        self.write(work, forget).await
    }

    async fn write<T, W>(
        &self,
        work: impl FnOnce(Arc<dyn MetadataStore>) -> W,
        forget: impl FnOnce(&Registry) + Send + 'static,
    ) -> Result<T, StoreError>
    where
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        let work = work(Arc::clone(&self.shared.services.metadata));
        let registry = self.clone();
        let done = tokio::spawn(async move {
            let result = work.await;
            forget(&registry);
            result
        });
        done.await
            .unwrap_or_else(|error| Err(StoreError::io("finish a write", io::Error::other(error))))
    }

    fn request_id(&self) -> String {
        let mut bytes = [0; 8];
        self.entropy().fill(&mut bytes);
        format!("{:016x}", u64::from_be_bytes(bytes))
    }

    pub(crate) fn blobs(&self) -> &dyn BlobStore {
        &*self.shared.services.blobs
    }

    pub(crate) fn metadata(&self) -> &dyn MetadataStore {
        &*self.shared.services.metadata
    }

    pub(crate) fn backups(&self) -> Option<&dyn Backups> {
        self.shared.services.backups.as_deref()
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.shared.services.entropy
    }

    pub(crate) fn log(&self) -> &dyn Log {
        &*self.shared.services.log
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.services.clock.now()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) fn authentication(&self) -> &Authentication {
        &self.shared.authentication
    }

    pub(crate) fn usage(&self) -> &UsageCounts {
        &self.shared.usage
    }

    pub(crate) fn room(&self) -> &Room {
        &self.shared.room
    }

    pub(crate) fn transition_memory(&self) -> &TransitionMemory {
        &self.shared.transition_memory
    }

    pub(crate) fn transition_counts(&self) -> &TransitionCounts {
        &self.shared.transition_counts
    }

    pub(crate) fn rollbacks(&self) -> &Rollbacks {
        &self.shared.rollbacks
    }

    pub(crate) fn modes(&self) -> &Modes {
        &self.shared.modes
    }

    pub(crate) fn upstreams(&self) -> &Upstreams {
        &self.shared.upstreams
    }

    /// What the registries behind remote repositories said lately.
    pub(crate) fn memory(&self) -> &Memory {
        &self.shared.memory
    }

    pub(crate) fn lists(&self) -> &Lists {
        &self.shared.lists
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.shared.jobs
    }

    /// Writes what was counted of pulls and pushes since the last time. What cannot be written is not counted.
    pub(crate) async fn write_usage(&self) {
        let usage = self.usage().take();
        if usage.is_empty() {
            return;
        }
        if let Err(error) = self.metadata().add_usage(&usage).await {
            self.trouble("usage", &error);
        }
    }

    /// Tells the operator of what failed while nobody waited for it.
    pub(crate) fn trouble(&self, what: &str, error: &dyn std::error::Error) {
        self.shared.services.log.trouble(what, error);
    }

    pub(crate) fn manifest_cache(&self) -> &ManifestCache {
        &self.shared.manifest_cache
    }

    pub(crate) fn hashes(&self) -> &RunningHashes {
        &self.shared.hashes
    }
}

/// Whether it can be a host with its port.
pub(crate) fn is_host(authority: &str) -> bool {
    let may =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !authority.is_empty() && authority.len() <= AUTHORITY_BYTES_MAX && authority.bytes().all(may)
}

/// A host of DNS and a port.
const AUTHORITY_BYTES_MAX: usize = 262;
