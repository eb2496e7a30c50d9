//! Blobs of repositories in front of another registry: fetched once, while everybody reads.

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use oci::Digest;
use testkit::{Fault, TestServer};

use crate::remote::{Files, HOST, MIRROR, change, host_of, in_front_of, make, read};
use crate::server::Server;

/// Larger than all that is held back and gathered on the way.
const LENGTH: usize = 3 << 20;

/// After so many bytes the upstream waits.
const HELD: usize = 1 << 20;

fn content() -> Vec<u8> {
    (0..LENGTH as u32 / 4)
        .flat_map(|number| (number ^ 0x5a5a).to_le_bytes())
        .collect()
}

struct World {
    files: Files,
    upstream: TestServer,
    server: Server,
    digest: Digest,
}

impl World {
    async fn new() -> World {
        let files = Files::new();
        let digest = files.blob("app", &content());
        let upstream = files.serve();
        let server = in_front_of(&[("mirror", &host_of(&upstream))]).await;
        World {
            files,
            upstream,
            server,
            digest,
        }
    }

    fn there(&self) -> String {
        format!("/v2/app/blobs/{}", self.digest)
    }

    fn here(&self) -> String {
        format!("{MIRROR}/app/blobs/{}", self.digest)
    }

    async fn begin(&self) -> Response<Incoming> {
        self.server.begin("GET", &self.here(), &[HOST], b"").await
    }

    fn gets(&self) -> Vec<String> {
        let requests = self.upstream.requests().into_iter();
        requests.filter(|line| line.starts_with("GET")).collect()
    }

    /// Until the package links it.
    async fn is_kept(&self) {
        while self.here_alone().await.is_none() {
            tokio::task::yield_now().await;
        }
    }

    async fn here_alone(&self) -> Option<store::Blob> {
        use store::Content as _;
        let package = store::PackagePath {
            repository: "projects/p/locations/us/repositories/mirror".parse().unwrap(),
            name: "app".parse().unwrap(),
        };
        let metadata = self.server.directory.metadata();
        metadata.blob(&package, &self.digest).await.unwrap()
    }
}

/// Reads so many bytes of a body, or up to its end or break.
async fn take(body: &mut Response<Incoming>, most: usize) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    while bytes.len() < most {
        match body.frame().await {
            Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().unwrap()),
            Some(Err(_)) => return (bytes, false),
            None => return (bytes, true),
        }
    }
    (bytes, true)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_read_one_fetch_while_it_comes() {
    let world = World::new().await;
    world.upstream.fault_once(&world.there(), Fault::HoldAfter(HELD));
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(world.begin().await);
    }
    // Each has what came, while the rest is still at the upstream.
    let some = HELD / 2;
    let mut taken = Vec::new();
    for client in &mut clients {
        assert_eq!(client.headers()["content-length"], LENGTH.to_string().as_str());
        let (bytes, _) = take(client, some).await;
        assert!(content().starts_with(&bytes) && bytes.len() >= some);
        taken.push(bytes);
    }
    // One goes away, one comes late, one wants the last bytes alone.
    drop(clients.pop());
    clients.push(world.begin().await);
    taken.last_mut().unwrap().clear();
    let range = format!("bytes={}-", LENGTH - 5);
    let (path, headers) = (world.here(), [HOST, ("range", &*range)]);
    let mut part = world.server.begin("GET", &path, &headers, b"").await;
    assert_eq!(part.status(), 206);
    let head = world.server.ask("HEAD", &world.here(), &[HOST], b"").await;
    assert_eq!(head.header("content-length"), LENGTH.to_string());
    world.upstream.release();
    for (mut bytes, mut client) in taken.into_iter().zip(clients) {
        bytes.extend(take(&mut client, LENGTH).await.0);
        assert!(bytes == content(), "{} bytes", bytes.len());
    }
    assert_eq!(take(&mut part, 9).await.0, content()[LENGTH - 5..]);
    world.is_kept().await;
    assert!(read(&world.server, &world.here()).await.body == content());
    assert_eq!(world.gets().len(), 1, "{:?}", world.gets());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_ends_though_nobody_waits_for_it_any_more() {
    let world = World::new().await;
    world.upstream.fault_once(&world.there(), Fault::HoldAfter(HELD));
    let mut only = world.begin().await;
    take(&mut only, 1).await;
    drop(only);
    world.upstream.release();
    world.is_kept().await;
    assert!(read(&world.server, &world.here()).await.body == content());
    assert_eq!(world.gets().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_broke_goes_on_where_it_broke() {
    let world = World::new().await;
    world.upstream.fault_once(&world.there(), Fault::CutAfter(HELD));
    world
        .upstream
        .fault_once(&world.there(), Fault::Status(500, None));
    let bytes = read(&world.server, &world.here()).await.body;
    assert!(bytes == content());
    let gets = world.gets();
    assert_eq!(gets.len(), 3, "{gets:?}");
    assert!(gets[2].ends_with(&format!(" bytes={HELD}-")), "{gets:?}");
    // One that knows no ranges sends all of it again.
    let other: Vec<u8> = content().into_iter().rev().collect();
    let digest = world.files.blob("app", &other);
    let there = format!("/v2/app/blobs/{digest}");
    world.upstream.fault_once(&there, Fault::CutAfter(HELD));
    world.upstream.fault_once(&there, Fault::IgnoreRange);
    let bytes = read(&world.server, &format!("{MIRROR}/app/blobs/{digest}"))
        .await
        .body;
    assert!(bytes == other);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_all_of_a_wrong_blob_and_it_is_not_kept() {
    let world = World::new().await;
    for (offset, small) in [(LENGTH - 1, false), (7, false), (3, true)] {
        let (digest, whole) = match small {
            false => (world.digest, content()),
            true => (world.files.blob("app", b"small"), b"small".to_vec()),
        };
        let there = format!("/v2/app/blobs/{digest}");
        let here = format!("{MIRROR}/app/blobs/{digest}");
        world.upstream.fault_once(&there, Fault::FlipByte(offset));
        let mut client = world.server.begin("GET", &here, &[HOST], b"").await;
        let (bytes, ended_well) = take(&mut client, usize::MAX).await;
        assert!(
            !ended_well && bytes.len() < whole.len(),
            "{offset}: {} bytes",
            bytes.len()
        );
        assert!(world.here_alone().await.is_none());
        assert_eq!(uploads(&world.server), 0);
    }
    // The next one asks again.
    assert!(read(&world.server, &world.here()).await.body == content());
}

/// Uploads that are left behind.
fn uploads(server: &Server) -> usize {
    let data = server.backups.with_file_name("data/uploads");
    std::fs::read_dir(data).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_of_unknown_length_comes_as_it_is_and_one_without_end_is_given_up() {
    let world = World::new().await;
    world.upstream.fault_once(&world.there(), Fault::Endless);
    let mut options = (*world.server.registry.options()).clone();
    options.limits.blob_bytes_max = LENGTH as u64;
    world.server.registry.configure(options);
    let mut client = world.begin().await;
    let (bytes, ended_well) = take(&mut client, usize::MAX).await;
    assert!(!ended_well && bytes.len() <= LENGTH);
    let larger = world.files.blob("app", &vec![1; LENGTH + 1]);
    let reply = read(&world.server, &format!("{MIRROR}/app/blobs/{larger}")).await;
    assert_eq!(reply.refusal(), (413, "SIZE_INVALID".to_owned()));
    assert!(read(&world.server, &world.here()).await.body == content());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_repository_has_no_room_for_is_served_all_the_same() {
    let world = World::new().await;
    let quota = change(
        &world.server,
        "mirror",
        "lightshipConfig",
        r#"{"lightshipConfig":{"quotaBytes":"9"}}"#,
    );
    assert_eq!(quota.await.status, 200);
    for count in 1..=2 {
        assert!(read(&world.server, &world.here()).await.body == content());
        assert_eq!(world.gets().len(), count);
    }
    assert!(world.here_alone().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_nobodys_who_cannot_show_it_at_the_upstream() {
    let world = World::new().await;
    let stranger = Files::new();
    stranger.put("v2/x", b"");
    let others = stranger.serve();
    let upstream = host_of(&others);
    let fields = |uri: &str| {
        format!(
            r#""mode":"REMOTE_REPOSITORY","remoteRepositoryConfig":{{"commonRepository":{{"uri":"{uri}"}}}}"#
        )
    };
    make(&world.server, "other", &fields(&upstream)).await;
    make(&world.server, "same", &fields(&host_of(&world.upstream))).await;
    assert!(read(&world.server, &world.here()).await.body == content());
    world.is_kept().await;
    // Another upstream does not have it, and that it is here is nobody's business.
    let blob = |repository: &str, name: &str| format!("/v2/p/{repository}/{name}/blobs/{}", world.digest);
    assert_eq!(read(&world.server, &blob("other", "app")).await.status, 404);
    // The same one has it under one name alone.
    assert_eq!(read(&world.server, &blob("same", "else")).await.status, 404);
    assert!(read(&world.server, &blob("same", "app")).await.body == content());
    assert_eq!(world.gets().len(), 1, "{:?}", world.gets());
}
