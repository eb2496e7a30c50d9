//! The program is killed at random moments while clients push and delete: what was answered is there, byte by byte, and
//! nothing else is served.
//!
//! `LIGHTSHIP_TEST_KILLS` says how often it is killed, `LIGHTSHIP_TEST_SEED` from where the dice go; see
//! `tests/chaos/run.sh`.

mod check;
mod connection;
pub(crate) mod dice;
mod model;
mod pusher;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use oci::Digest;
use store::{Actor, CollectionOptions, CollectionReport, DataDirectory, ScrubOptions, collect, scrub};

use connection::{Connection, Pieces};
use dice::Dice;
use model::{Package, Presence};
use pusher::Pusher;
use server::Server;

const PUSHERS: usize = 4;
const KILLS: u64 = 25;
/// Far more than it takes: with a busy machine, a debug build, and whatever a kill left behind.
const START_MAX: Duration = Duration::from_secs(20);
/// Lives of one data directory, so that a start is from nothing now and then, and no check takes long.
const LIVES: u64 = 40;

/// One data directory and those who push to it.
struct World {
    place: PathBuf,
    packages: Vec<Arc<Package>>,
    pushers: Vec<Pusher>,
    starts: Vec<Duration>,
}

#[test]
fn what_was_answered_is_there_after_a_kill_and_nothing_else_is_served() {
    let (kills, seed) = (
        number("LIGHTSHIP_TEST_KILLS", KILLS),
        number("LIGHTSHIP_TEST_SEED", 1),
    );
    // Shown when the test fails.
    eprintln!("LIGHTSHIP_TEST_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(seed);
    let (mut starts, mut answered, mut gone_on, mut left) = (Vec::new(), 0, 0, kills);
    while left > 0 {
        let lives = left.min(LIVES);
        left -= lives;
        let mut world = World::new(directory.path().join(left.to_string()), &mut dice);
        for _ in 0..lives {
            world.life(&runtime, &mut dice);
        }
        world.end(&runtime);
        starts.extend(world.starts);
        answered += world.pushers.iter().map(|pusher| pusher.answered).sum::<usize>();
        gone_on += world.pushers.iter().map(|pusher| pusher.gone_on).sum::<usize>();
        std::fs::remove_dir_all(&world.place).unwrap();
    }
    starts.sort();
    let (median, worst) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    eprintln!(
        "{kills} kills, {answered} pushes and deletes answered, {gone_on} uploads gone on with; ready after {median:?}, \
         at worst {worst:?}"
    );
    assert!(worst < START_MAX, "{worst:?} to start");
    assert!(answered as u64 > kills, "{answered} answers test little");
}

#[expect(
    clippy::disallowed_methods,
    reason = "how often a test runs is said by its environment"
)]
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    let said = std::env::var(variable).ok();
    said.map_or(otherwise, |said| said.parse().unwrap())
}

impl World {
    fn new(place: PathBuf, dice: &mut Dice) -> World {
        let packages: Vec<Arc<Package>> = (0..=PUSHERS)
            .map(|number| Arc::new(Package::new(format!("of/{number}"))))
            .collect();
        let common: Vec<Bytes> = (1..6)
            .map(|number| dice.bytes(number * number * 20_000).into())
            .collect();
        let common = Arc::new(common);
        let pushers = (0..PUSHERS).map(|number| Pusher {
            own: Arc::clone(&packages[number]),
            shared: Arc::clone(&packages[PUSHERS]),
            others: packages.clone(),
            common: Arc::clone(&common),
            dice: Dice::new(dice.next()),
            cut_short: None,
            gone_on: 0,
            answered: 0,
        });
        let pushers = pushers.collect();
        World {
            place,
            packages,
            pushers,
            starts: Vec::new(),
        }
    }

    /// Starts it, checks what it serves, pushes and deletes, and kills it.
    fn life(&mut self, runtime: &tokio::runtime::Runtime, dice: &mut Dice) {
        if dice.below(4) == 0 {
            server::killed_while_it_starts(&self.place, Duration::from_millis(dice.below(40) as u64));
        }
        let server = Server::start(&self.place);
        self.starts.push(server.started_in);
        runtime.block_on(self.check(&server));
        let alive = Duration::from_millis(dice.below(350) as u64);
        runtime.block_on(self.push_until_killed(server, alive));
        if dice.below(3) == 0 {
            let upload_idle = Duration::from_secs(if dice.below(2) == 0 { 0 } else { 3600 });
            runtime.block_on(collection(&self.place, upload_idle));
            for package in &self.packages {
                package.with(|held| {
                    for digest in held.loose_blobs() {
                        held.blob_is(&digest, Presence::Open);
                    }
                });
            }
        }
    }

    async fn check(&self, server: &Server) {
        let mut connection = Connection::open(server.address).await.unwrap();
        for package in &self.packages {
            check::package(&mut connection, package).await;
        }
        let packages: Vec<&Package> = self.packages.iter().map(Arc::as_ref).collect();
        check::catalogue(&mut connection, &packages).await;
    }

    async fn push_until_killed(&mut self, server: Server, alive: Duration) {
        let is_killed = Arc::new(AtomicBool::new(false));
        let address = server.address;
        let pushing = self.pushers.drain(..).map(|mut pusher| {
            let is_killed = Arc::clone(&is_killed);
            tokio::spawn(async move {
                if let Ok(mut connection) = Connection::open(address).await {
                    pusher.run(&mut connection).await;
                }
                assert!(is_killed.load(Ordering::SeqCst), "cut by a server that is alive");
                pusher
            })
        });
        let pushing: Vec<_> = pushing.collect();
        tokio::time::sleep(alive).await;
        is_killed.store(true, Ordering::SeqCst);
        let killing = tokio::task::spawn_blocking(move || server.kill());
        for pusher in pushing {
            self.pushers.push(pusher.await.unwrap());
        }
        killing.await.unwrap();
    }

    /// With everything deleted a collection frees everything.
    fn end(&mut self, runtime: &tokio::runtime::Runtime) {
        let server = Server::start(&self.place);
        runtime.block_on(async {
            self.check(&server).await;
            let mut connection = Connection::open(server.address).await.unwrap();
            for package in &self.packages {
                delete_all(&mut connection, package).await;
            }
            self.check(&server).await;
        });
        server.kill();
        let report = runtime.block_on(collection(&self.place, Duration::ZERO));
        let objects = files_below(&self.place.join("objects")) + files_below(&self.place.join("uploads"));
        assert_eq!(objects, 0, "{report:?}");
    }
}

/// Scrubs a directory that no server uses, and frees what can be freed.
async fn collection(place: &Path, upload_idle: Duration) -> CollectionReport {
    let data = DataDirectory::open(place).unwrap();
    let found = scrub(data.blobs(), data.metadata(), &ScrubOptions::default())
        .await
        .unwrap();
    assert_eq!(found.findings, []);
    let options = CollectionOptions {
        grace: Duration::ZERO,
        upload_idle,
        untagged_after: None,
        dry_run: false,
        actor: Actor("chaos".to_owned()),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the directory was written by the system's clock"
    )]
    let now = Timestamp::now() + Duration::from_secs(3600);
    let report = collect(data.blobs(), data.metadata(), &options, now)
        .await
        .unwrap();
    assert_eq!(report.failures, 0);
    let found = scrub(data.blobs(), data.metadata(), &ScrubOptions::default())
        .await
        .unwrap();
    assert_eq!(found.findings, []);
    report
}

async fn delete_all(connection: &mut Connection, package: &Package) {
    loop {
        let tops: Vec<Digest> = package.with(|held| held.tops());
        if tops.is_empty() {
            break;
        }
        for digest in tops {
            let path = format!("/v2/{}/manifests/{digest}", package.name);
            let reply = connection
                .ask("DELETE", &path, &[], Pieces::none())
                .await
                .unwrap();
            reply.with_status(&[202]);
            package.with(|held| {
                held.manifests.get_mut(&digest).unwrap().0 = Presence::No;
                for tag in held.tags_of(&digest) {
                    held.tag_is(&tag, None);
                }
            });
        }
    }
}

fn files_below(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let counts = entries.map(|entry| match entry.path() {
        path if path.is_dir() => files_below(&path),
        _ => 1,
    });
    counts.sum()
}
