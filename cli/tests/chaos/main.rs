//! The server is killed again and again while clients push, move and delete; whatever it acknowledged has to be there
//! afterwards, byte by byte, and nothing else.
//!
//! `LIGHTSHIP_CHAOS_KILLS` is how often (30 by default), `LIGHTSHIP_CHAOS_SEED` repeats a run as far as chance goes: when
//! exactly a kill strikes is the machine's affair.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "functions shared by tests are test code too, and a test may read the environment and say how a run is repeated"
)]

mod chance;
mod connection;
mod package;
mod server;
mod worker;

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use store::{Actor, CollectionOptions, CollectionReport, DataDirectory, collect, scrub};

use chance::Dice;
use package::Package;
use server::Server;

/// Clients at once.
const WORKERS: usize = 4;

/// Longest life of a server between two kills.
const LIFE_MILLISECONDS_MAX: usize = 400;

/// Until a server answers after a kill. It takes some milliseconds; the rest is for a machine that does other things too.
const START_MAX: Duration = Duration::from_secs(10);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let kills = number("LIGHTSHIP_CHAOS_KILLS", 30);
    let seed = number("LIGHTSHIP_CHAOS_SEED", u64::from(std::process::id()));
    println!("LIGHTSHIP_CHAOS_SEED={seed}");
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut dice = Dice::new(seed);
    let mut packages: Vec<Package> = (0..WORKERS)
        .map(|worker| Package::new(&format!("app/w{worker}")))
        .collect();
    let (mut acknowledged, mut slowest) = (0, Duration::ZERO);
    for _ in 0..kills {
        let begun = Instant::now();
        let server = Server::start(&data);
        slowest = slowest.max(begun.elapsed());
        for package in &mut packages {
            package.verify(&server.address);
        }
        let life = Duration::from_millis(dice.below(LIFE_MILLISECONDS_MAX) as u64);
        (packages, acknowledged) = live(&server.address, packages, &mut dice, acknowledged, || {
            std::thread::sleep(life);
            server.kill();
        });
        if dice.below(4) == 0 {
            collected(&data);
        }
    }
    println!("{kills} kills, {acknowledged} acknowledged, slowest start {slowest:?}");
    assert!(
        acknowledged >= kills,
        "{acknowledged} acknowledged is next to nothing"
    );
    assert!(slowest < START_MAX, "{slowest:?}");
    let server = Server::start(&data);
    for package in &mut packages {
        package.verify(&server.address);
    }
    server.kill();
    nothing_is_wrong_and_everything_can_go(&data);
}

/// Lets a worker work on each package until `death` is done; how many operations were acknowledged in all.
fn live(
    address: &str,
    packages: Vec<Package>,
    dice: &mut Dice,
    before: u64,
    death: impl FnOnce(),
) -> (Vec<Package>, u64) {
    std::thread::scope(|scope| {
        let workers: Vec<_> = packages
            .into_iter()
            .map(|package| {
                let dice = dice.split();
                scope.spawn(move || worker::work(address, package, dice))
            })
            .collect();
        death();
        let mut acknowledged = before;
        let packages = workers.into_iter().map(|worker| {
            let (package, count) = worker.join().unwrap();
            acknowledged += count;
            package
        });
        (packages.collect(), acknowledged)
    })
}

/// Without any grace, which is safe while no server runs.
fn collected(data: &Path) -> CollectionReport {
    let directory = DataDirectory::open(data).unwrap();
    let options = CollectionOptions {
        grace: Duration::ZERO,
        upload_idle: Duration::ZERO,
        untagged_after: None,
        dry_run: false,
        actor: Actor("lightship".to_owned()),
    };
    let later = Timestamp::now() + Duration::from_secs(60);
    blocking(collect(directory.blobs(), directory.metadata(), &options, later)).unwrap()
}

fn nothing_is_wrong_and_everything_can_go(data: &Path) {
    let directory = DataDirectory::open(data).unwrap();
    let report = blocking(scrub(directory.blobs(), directory.metadata())).unwrap();
    assert_eq!(report.findings, []);
    assert!(report.manifests > 0 && report.blobs > 0);
    let (actor, now) = (Actor("lightship".to_owned()), Timestamp::now());
    blocking(async {
        use store::Repositories as _;
        for repository in directory.metadata().repositories(None, None, 9).await.unwrap() {
            let deleted = directory
                .metadata()
                .delete_repository(&repository.path, &actor, now);
            deleted.await.unwrap().unwrap();
        }
    });
    drop(directory);
    let report = collected(data);
    assert_eq!(report.failures, 0);
    let left = |name: &str| files_below(&data.join(name));
    assert_eq!((left("objects"), left("uploads")), (0, 0));
}

fn files_below(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => files_below(&entry.path()),
            false => 1,
        })
        .sum()
}

fn blocking<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}
