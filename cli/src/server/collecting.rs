//! Cleanup and collection on schedule.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use registry::Registry;
use store::{Cleaned, CollectionReport};

use super::logging::{ServerLog, with_causes};
use super::options::Collecting;
use crate::output;

/// The first collection comes no later after the start.
const FIRST_COLLECTION: Duration = Duration::from_secs(300);

/// Removes what policies remove and frees what nobody needs, again and again.
///
/// `rest` lets a time pass.
pub(super) async fn collect<R>(
    registry: Registry,
    collecting: Collecting,
    log: Arc<ServerLog>,
    rest: impl Fn(Duration) -> R,
) where
    R: Future<Output = ()>,
{
    let Some(interval) = collecting.interval else {
        return;
    };
    let (cleanup, options) = (collecting.cleanup(), collecting.options());
    rest(interval.min(FIRST_COLLECTION)).await;
    loop {
        // First what then nobody needs any more.
        match registry.clean_up(&cleanup).await {
            Ok(report) if report.removed == Cleaned::default() => {}
            Ok(report) => log.notice(&cleaned(report.removed)),
            Err(error) => log.failed(&format!("the cleanup failed: {}", with_causes(&error))),
        }
        match registry.collect(&options).await {
            Ok(report) => {
                if report != CollectionReport::default() {
                    log.notice(&freed(&report));
                }
            }
            Err(error) => log.failed(&format!("the collection failed: {}", with_causes(&error))),
        }
        rest(interval).await;
    }
}

fn cleaned(removed: Cleaned) -> String {
    format!(
        "cleanup policies removed {} versions ({}) with {} tags",
        removed.versions,
        output::bytes(removed.bytes),
        removed.tags
    )
}

fn freed(report: &CollectionReport) -> String {
    let bytes = report.blobs.bytes + report.orphans.bytes + report.uploads.bytes;
    let mut text = format!(
        "collection freed {}: {} manifests, {} blobs, {} orphans, {} uploads",
        output::bytes(bytes),
        report.manifests,
        report.blobs.count,
        report.orphans.count,
        report.uploads.count
    );
    if report.failures > 0 {
        text.push_str(&format!("; {} could not be removed", report.failures));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper::Request;
    use jiff::Timestamp;
    use oci::{Digest, MediaType};
    use registry::{
        AccessOptions, Clock, HostRoutes, Limits, NewRepositories, Options, Rates, Services, Writes,
    };
    use store::{
        Actor, CleanupAction, CleanupCondition, CleanupMatch, CleanupPolicy, Content, DataDirectory, Entropy,
        NewManifest, PackagePath, Repositories, Repository, TagState,
    };
    use tokio::sync::Semaphore;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::configuration::{LogFormat, LogLevel};
    use crate::server::logging::LogSettings;

    const INTERVAL: Duration = Duration::from_secs(6 * 3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    struct Later;

    impl Clock for Later {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(1_800_000_000).unwrap()
        }
    }

    struct Counter(AtomicU64);

    impl Entropy for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            bytes.fill(0);
            bytes.iter_mut().zip(number).for_each(|(byte, of)| *byte = of);
        }
    }

    /// A registry whose one repository loses everything that is a day old.
    struct World {
        directory: tempfile::TempDir,
        data: DataDirectory,
        registry: Registry,
        package: PackagePath,
    }

    impl World {
        async fn new() -> World {
            let directory = tempfile::tempdir().unwrap();
            let data = DataDirectory::open(&directory.path().join("data")).unwrap();
            let package = PackagePath {
                repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
                name: "a".parse().unwrap(),
            };
            let aged = CleanupPolicy {
                id: "aged".to_owned(),
                action: CleanupAction::Delete,
                matches: CleanupMatch::Condition(CleanupCondition {
                    tag_state: TagState::Any,
                    tag_prefixes: Vec::new(),
                    version_prefixes: Vec::new(),
                    package_prefixes: Vec::new(),
                    older_than: Some(DAY),
                    newer_than: None,
                    unused_for: None,
                }),
            };
            let repository = Repository {
                cleanup: vec![aged],
                ..Repository::new(package.repository.clone(), Timestamp::UNIX_EPOCH)
            };
            let made = data.metadata().create_repository(&repository, &ann()).await;
            made.unwrap().unwrap();
            let services = Services {
                blobs: Arc::new(data.blobs().clone()),
                metadata: Arc::new(data.metadata().clone()),
                clock: Arc::new(Later),
                entropy: Arc::new(Counter(AtomicU64::new(0))),
                log: log(),
                backups: None,
                upstreams: None,
            };
            let options = Options {
                routes: HostRoutes::whole(package.repository.clone()),
                writes: Writes::ThisMachine,
                access: AccessOptions::default(),
                rates: Rates::default(),
                trusted_proxies: registry::TrustedProxies::default(),
                sparse_manifests: false,
                new_repositories: NewRepositories::default(),
                grace: DAY,
                upload_idle: DAY,
                limits: Limits::default(),
            };
            World {
                directory,
                data,
                registry: Registry::new(services, options),
                package,
            }
        }

        /// Stores a manifest long ago.
        async fn push(&self, content: &'static str) {
            let manifest = NewManifest {
                digest: Digest::sha256_of(content.as_bytes()),
                bytes: Bytes::from_static(content.as_bytes()),
                media_type: MediaType::OCI_MANIFEST,
                artifact_type: None,
                subject: None,
                references: Vec::new(),
                size_bytes: 7,
                tags: Vec::new(),
            };
            let (metadata, ann, long_ago) = (self.data.metadata(), ann(), Timestamp::UNIX_EPOCH);
            let put = metadata.put_manifest(&self.package, &manifest, &ann, long_ago);
            put.await.unwrap().unwrap();
        }

        async fn has(&self, content: &str) -> bool {
            let digest = Digest::sha256_of(content.as_bytes());
            let found = self.data.metadata().manifest(&self.package, &digest).await;
            found.unwrap().is_some()
        }

        async fn metric(&self, name: &str) -> String {
            let request = Request::get("/metrics").header("host", "localhost");
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            let peer = "127.0.0.1:1".parse().unwrap();
            let answer = self.registry.ask(peer, request).await.unwrap();
            let text = String::from_utf8(answer.into_body().to_vec()).unwrap();
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.unwrap_or_else(|| panic!("no {name}")).to_owned()
        }
    }

    fn ann() -> Actor {
        Actor("user:ann".to_owned())
    }

    fn log() -> Arc<ServerLog> {
        let settings = LogSettings {
            format: LogFormat::Text,
            level: LogLevel::Trouble,
            audit: None,
        };
        Arc::new(ServerLog::open(&settings, || Timestamp::UNIX_EPOCH).unwrap())
    }

    fn every(interval: Option<Duration>) -> Collecting {
        Collecting {
            interval,
            grace: DAY,
            upload_idle: DAY,
            untagged_after: None,
        }
    }

    #[tokio::test]
    async fn what_policies_remove_goes_by_itself_again_and_again() {
        let world = World::new().await;
        let (sleeps, mut slept) = unbounded_channel();
        let wakes = Arc::new(Semaphore::new(0));
        let waking = Arc::clone(&wakes);
        let rest = move |time: Duration| {
            sleeps.send(time).unwrap();
            let waking = Arc::clone(&waking);
            async move { waking.acquire().await.unwrap().forget() }
        };
        let collecting = every(Some(INTERVAL));
        tokio::spawn(collect(world.registry.clone(), collecting, log(), rest));
        world.push("first").await;
        assert_eq!(slept.recv().await, Some(FIRST_COLLECTION));
        assert!(world.has("first").await, "not before its time");
        let done = "lightship_cleanups_total{outcome=\"done\"}";
        assert_eq!(world.metric(done).await, "0");
        for (round, content) in [(1, "first"), (2, "second")] {
            world.push(content).await;
            wakes.add_permits(1);
            assert_eq!(slept.recv().await, Some(INTERVAL));
            assert!(!world.has(content).await, "{content}");
            assert_eq!(world.metric(done).await, round.to_string());
            let collections = "lightship_collections_total{outcome=\"done\"}";
            assert_eq!(world.metric(collections).await, round.to_string());
        }
        let removed = "lightship_cleanup_removed_total{kind=\"version\"}";
        assert_eq!(world.metric(removed).await, "2");
        let ended = "lightship_cleanup_last_end_timestamp_seconds";
        assert_eq!(world.metric(ended).await, "1800000000");
        drop(world.directory);
    }

    #[tokio::test]
    async fn a_short_interval_is_kept_from_the_beginning_and_none_is_never() {
        let world = World::new().await;
        let short = Duration::from_secs(10);
        let (sleeps, mut slept) = unbounded_channel();
        let rest = move |time: Duration| {
            sleeps.send(time).unwrap();
            std::future::pending()
        };
        let collecting = collect(world.registry.clone(), every(Some(short)), log(), rest);
        tokio::select! {
            () = collecting => unreachable!(),
            time = slept.recv() => assert_eq!(time, Some(short)),
        }
        let never = |_: Duration| async { unreachable!() };
        collect(world.registry.clone(), every(None), log(), never).await;
    }
}
