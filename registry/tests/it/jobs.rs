//! Backups and scrubs of a registry that serves.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use access::Role;
use serde_json::{Value, json};
use store::{Content, DataDirectory, ScrubOptions, restore, scrub};

use crate::administration::{get, refused, send, send_as};
use crate::faults::SmallDisk;
use crate::server::Server;

/// Runs a job to its end.
pub(crate) async fn ended(server: &Server, body: &Value) -> Value {
    let (status, mut job) = send(server, "POST", "/lightship/v1/jobs", body).await;
    assert_eq!(status, 200, "{job}");
    let path = format!("/lightship/v1/{}", job["name"].as_str().unwrap());
    // It ends by itself; the test's own limit of time is that of its runner.
    while job["state"] == "RUNNING" {
        tokio::task::yield_now().await;
        job = get(server, &path).await;
    }
    job
}

/// What a job reports that is done.
pub(crate) async fn report_of_job(server: &Server, body: &Value) -> Value {
    let mut job = ended(server, body).await;
    assert_eq!(job["state"], "DONE", "{job}");
    job["report"].take()
}

fn backup() -> Value {
    json!({"kind": "BACKUP"})
}

fn names(server: &Server) -> Vec<String> {
    let entries = fs::read_dir(&server.backups).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "lightship.lock").collect()
}

async fn metric(server: &Server, name: &str) -> String {
    let metrics = server.get("/metrics").await;
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("there is no {name}"))
        .trim()
        .to_owned()
}

/// What pushes, deletes and collections do while backups are made.
struct Use<'s> {
    server: &'s Server,
    is_over: AtomicBool,
    /// How many images of each pusher are there for good.
    pushed: [AtomicUsize; 3],
}

impl Use<'_> {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    /// Pushes, and deletes every second image again.
    async fn push(&self, pusher: usize) {
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let layer = format!("{pusher} {number}");
            let name = format!("a{pusher}");
            let tag = format!("k{number}");
            self.server.push_image(&name, &tag, layer.as_bytes()).await;
            self.pushed[pusher].fetch_add(1, Ordering::SeqCst);
            let layer = format!("deleted {pusher} {number}");
            let tag = format!("d{number}");
            let digest = self.server.push_image(&name, &tag, layer.as_bytes()).await;
            let path = format!("/v2/{name}/manifests/{digest}");
            assert_eq!(
                self.server.ask("DELETE", &path, &[], b"").await.status.as_u16(),
                202
            );
        }
    }

    async fn collect(&self) {
        let body = json!({"kind": "COLLECTION", "untaggedAfter": "0s"});
        while self.goes_on() {
            report_of_job(self.server, &body).await;
        }
    }

    /// Everything that was answered before is in it.
    async fn back_up(&self, number: usize) {
        let before = self.pushed.each_ref().map(|count| count.load(Ordering::SeqCst));
        let report = report_of_job(self.server, &backup()).await;
        let from = self.server.backups.join(report["name"].as_str().unwrap());
        let to = self.server.backups.join(format!("restored {number}"));
        let copied = restore(&from, &to, None).unwrap();
        assert_eq!(report["objects"], copied.objects);
        let data = DataDirectory::open(&to).unwrap();
        let found = scrub(data.blobs(), data.metadata(), &ScrubOptions::default()).await;
        assert_eq!(found.unwrap().findings, []);
        for (pusher, count) in before.into_iter().enumerate() {
            for kept in 0..count {
                let package = store::PackagePath {
                    repository: "projects/d/locations/l/repositories/r".parse().unwrap(),
                    name: format!("a{pusher}").parse().unwrap(),
                };
                let tag = format!("k{kept}").parse().unwrap();
                let tagged = data.metadata().tagged(&package, &tag).await.unwrap();
                assert!(tagged.is_some(), "{pusher} {kept} of {before:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_every_push_that_was_answered_before_it_began() {
    let server = Server::start().await;
    fs::create_dir(&server.backups).unwrap();
    server.push_image("a0", "first", b"first").await;
    let used = Use {
        server: &server,
        is_over: AtomicBool::new(false),
        pushed: Default::default(),
    };
    let backups = async {
        for number in 0..4 {
            let aim = used.pushed[0].load(Ordering::SeqCst) + 3;
            while used.pushed[0].load(Ordering::SeqCst) < aim {
                tokio::task::yield_now().await;
            }
            used.back_up(number).await;
        }
        used.is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(backups, used.push(0), used.push(1), used.push(2), used.collect());
    let entries = names(&server);
    assert!(
        !entries.iter().any(|name| name.ends_with(".unfinished")),
        "{entries:?}"
    );
    assert_eq!(
        metric(&server, "lightship_backups_total{outcome=\"done\"}").await,
        "4"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_are_for_administrators_of_the_registry() {
    let server = Server::start().await;
    fs::create_dir(&server.backups).unwrap();
    for name in ["user:root", "user:ann"] {
        server.create_account(name, &[]).await;
    }
    server
        .bind("registry", &[(Role::Administrator, "user:root")])
        .await;
    let r = "projects/d/locations/l/repositories/r";
    server
        .bind(r, &[(Role::RepositoryAdministrator, "user:ann")])
        .await;
    let ask = async |who: &str| {
        let body = backup();
        let asked = send_as(&server, who, ("POST", "/lightship/v1/jobs"), &body);
        asked.await.0
    };
    assert_eq!((ask("ann").await, ask("").await), (403, 401));
    assert_eq!(names(&server), Vec::<String>::new());
    assert_eq!(ask("root").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_for_backups_that_is_not_there_is_not_made() {
    let server = Server::start_amid_trouble().await;
    // A client has no say in where they go.
    let body = json!({"kind": "BACKUP", "directory": "/tmp", "to": "/tmp", "name": "../x"});
    let job = ended(&server, &body).await;
    assert_eq!(
        (&job["state"], &job["error"]),
        (&json!("FAILED"), &json!("the directory for backups is not there"))
    );
    assert!(!server.backups.exists());
    fs::create_dir(&server.backups).unwrap();
    let report = report_of_job(&server, &body).await;
    assert_eq!(report["name"], "lightship-20270115T080000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_room_fails_by_itself() {
    let Some(disk) = SmallDisk::mount() else { return };
    let server = Server::start_amid_trouble().await;
    symlink(&disk.mounted, &server.backups).unwrap();
    server.push_image("a", "small", b"small").await;
    let small = report_of_job(&server, &backup()).await;
    assert_eq!((&small["objects"], &small["linked"]), (&json!(2), &json!(0)));
    server.push_image("a", "large", &vec![7; 12 << 20]).await;
    let job = ended(&server, &backup()).await;
    assert_eq!(
        (&job["state"], &job["error"]),
        (&json!("FAILED"), &json!("no room left to copy an object"))
    );
    assert_eq!(names(&server), [small["name"].as_str().unwrap()]);
    assert_eq!(
        metric(&server, "lightship_backups_total{outcome=\"failed\"}").await,
        "1"
    );
    // The registry has room.
    server.push_image("a", "next", b"next").await;
    let path = "/lightship/v1/jobs";
    let (status, _) = refused(&server, "POST", path, &json!({"kind": "BACKUPS"})).await;
    assert_eq!(status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_says_how_far_it_is() {
    let server = Server::start().await;
    server.push_image("a", "latest", &vec![7; 3 << 20]).await;
    let job = ended(&server, &json!({"kind": "SCRUB", "bytesPerSecond": "0"})).await;
    let all =
        json!({"objectsDone": 2, "objectsTotal": 2, "bytesDone": (3 << 20) + 2, "bytesTotal": (3 << 20) + 2});
    assert_eq!((&job["progress"], &job["report"]["blobs"]), (&all, &json!(2)));
    let read = metric(&server, "lightship_scrub_read_bytes_total").await;
    assert_eq!(read, ((3 << 20) + 2).to_string());
    assert_eq!(
        metric(&server, "lightship_scrubs_total{outcome=\"done\"}").await,
        "1"
    );

    // A slow one is asked about while it runs; it ends with the server.
    server.push_image("a", "large", &vec![8; 24 << 20]).await;
    let slow = json!({"kind": "SCRUB", "bytesPerSecond": 1 << 20});
    let (_, mut job) = send(&server, "POST", "/lightship/v1/jobs", &slow).await;
    let path = format!("/lightship/v1/{}", job["name"].as_str().unwrap());
    while job["progress"]["bytesDone"].as_u64().unwrap_or_default() < 1 << 20 {
        tokio::task::yield_now().await;
        job = get(&server, &path).await;
    }
    assert_eq!(job["state"], "RUNNING");
    let (status, _) = refused(&server, "POST", "/lightship/v1/jobs", &slow).await;
    assert_eq!(status, 400, "one at a time");
}
