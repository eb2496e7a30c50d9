//! A registry on a data directory, for measuring: `serve --data DIR --listen ADDRESS`. A line on standard input starts a collection of
//! what nobody has needed for an hour, and its end is told on standard output.

#![expect(clippy::print_stdout, reason = "an example that tells what it did")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an example: whatever fails ends it"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the server's clock, handed down as a value"
)]

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use registry::{
    Clock, HostRoutes, Limits, Log, NewRepositories, Options, Record, Registry, Services, Writes,
};
use store::{Actor, CollectionOptions, DataDirectory, Entropy, ImmutableTags};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [.., "--data", path, "--listen", address] = words.as_slice() else {
        panic!("usage: serve --data DIR --listen ADDRESS");
    };
    let data = DataDirectory::open(Path::new(path)).unwrap();
    let services = Services {
        blobs: Arc::new(data.blobs().clone()),
        metadata: Arc::new(data.metadata().clone()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        log: Arc::new(Silent),
        backups: None,
        upstreams: None,
    };
    let repository = "projects/default/locations/local/repositories/images";
    let options = Options {
        routes: HostRoutes::google(repository.parse().unwrap()).unwrap(),
        writes: Writes::ThisMachine,
        sparse_manifests: false,
        new_repositories: NewRepositories::Made {
            immutable_tags: ImmutableTags::None,
        },
        grace: HOUR,
        upload_idle: HOUR,
        limits: Limits::default(),
        access: registry::AccessOptions::default(),
        trusted_proxies: registry::TrustedProxies::default(),
        rates: registry::Rates::default(),
    };
    let listener = TcpListener::bind(address).await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    let registry = Registry::new(services, options);
    let collected = registry.clone();
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines() {
            runtime.block_on(collection(&collected));
        }
    });
    registry::serve(registry, listener, std::future::pending())
        .await
        .unwrap();
}

async fn collection(registry: &Registry) {
    let options = CollectionOptions {
        grace: HOUR,
        upload_idle: HOUR,
        untagged_after: Some(HOUR),
        dry_run: false,
        actor: Actor("system".to_owned()),
    };
    let begun = Instant::now();
    let report = registry.collect(&options).await.unwrap();
    println!(
        "{:.3} {} {}",
        begun.elapsed().as_secs_f64(),
        report.manifests,
        report.blobs.count
    );
}

const HOUR: Duration = Duration::from_secs(3600);

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        std::fs::File::open("/dev/urandom")
            .unwrap()
            .read_exact(bytes)
            .unwrap();
    }
}

struct Silent;

impl Log for Silent {
    fn request(&self, _: &Record<'_>) {}
    fn trouble(&self, _: &str, _: &dyn std::error::Error) {}
}
