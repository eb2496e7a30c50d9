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

    /// Until nothing is on its way any more.
    async fn is_free(&self) {
        crate::sides::until("it is over", async || uploads(&self.server) == 0).await;
    }

    async fn here_alone(&self) -> Option<store::Blob> {
        self.linked(&self.digest).await
    }

    fn package(&self) -> store::PackagePath {
        store::PackagePath {
            repository: "projects/p/locations/us/repositories/mirror".parse().unwrap(),
            name: "app".parse().unwrap(),
        }
    }

    async fn linked(&self, digest: &Digest) -> Option<store::Blob> {
        use store::Content as _;
        let package = self.package();
        let metadata = self.server.directory.metadata();
        metadata.blob(&package, digest).await.unwrap()
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

/// Whether a client gets less than `whole` bytes and notices it, or is refused or cut off where all was over before it was answered.
async fn is_broken(world: &World, path: &str, whole: usize) -> bool {
    let Ok(mut client) = world.server.try_begin("GET", path, &[HOST], b"").await else {
        return true;
    };
    if client.status() == 502 {
        return true;
    }
    let (bytes, ended_well) = take(&mut client, usize::MAX).await;
    client.status() == 200 && !ended_well && bytes.len() < whole
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
            false => (world.digest, LENGTH),
            true => (world.files.blob("app", b"small"), 5),
        };
        let there = format!("/v2/app/blobs/{digest}");
        let here = format!("{MIRROR}/app/blobs/{digest}");
        world.upstream.fault_once(&there, Fault::FlipByte(offset));
        assert!(is_broken(&world, &here, whole).await, "{offset}");
        world.is_free().await;
        assert!(world.linked(&digest).await.is_none());
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
    assert!(is_broken(&world, &world.here(), LENGTH + 1).await);
    world.is_free().await;
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

async fn settings(world: &World, config: &str) {
    let body = format!(r#"{{"lightshipConfig":{{{config}}}}}"#);
    let changed = change(&world.server, "mirror", "lightshipConfig", &body).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_whose_length_nobody_says_comes_up_to_what_the_quota_leaves() {
    let world = World::new().await;
    settings(&world, &format!(r#""quotaBytes":"{HELD}""#)).await;
    world.upstream.fault_once(&world.there(), Fault::Endless);
    assert!(is_broken(&world, &world.here(), HELD + 1).await);
    world.is_free().await;
    // What fits comes and is kept.
    let small = world.files.blob("app", b"small");
    let there = format!("/v2/app/blobs/{small}");
    world.upstream.fault_once(&there, Fault::WithoutLength);
    let here = format!("{MIRROR}/app/blobs/{small}");
    assert_eq!(read(&world.server, &here).await.text(), "small");
    crate::sides::until("it is kept", async || world.linked(&small).await.is_some()).await;
    // Where nothing is left at all, it is said at once.
    settings(&world, r#""quotaBytes":"1""#).await;
    world.upstream.fault_once(&world.there(), Fault::WithoutLength);
    let reply = read(&world.server, &world.here()).await;
    assert_eq!(reply.refusal(), (403, "DENIED".to_owned()));
    assert_eq!(uploads(&world.server), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_as_long_as_a_manifest_says_that_names_it() {
    let world = World::new().await;
    let config = world.files.blob("app", b"{}");
    let manifest = crate::server::image_of(config, world.digest, LENGTH);
    world.files.put("v2/app/manifests/v1", manifest.as_bytes());
    let pulled = read(&world.server, &format!("{MIRROR}/app/manifests/v1")).await;
    assert_eq!(pulled.status, 200);
    use store::Content as _;
    let package = world.package();
    // It is answered before it is kept, which a quota may forbid.
    crate::sides::until("it is kept", async || {
        let (metadata, tag) = (world.server.directory.metadata(), "v1".parse().unwrap());
        metadata.tagged(&package, &tag).await.unwrap().is_some()
    })
    .await;
    // Nothing is left of the quota, which the manifest's word for the length makes no matter.
    settings(&world, r#""quotaBytes":"1""#).await;
    world.upstream.fault_once(&world.there(), Fault::Endless);
    assert!(is_broken(&world, &world.here(), LENGTH + 1).await);
    world.is_free().await;
    world.upstream.fault_once(&world.there(), Fault::WithoutLength);
    assert!(read(&world.server, &world.here()).await.body == content());
    // Another length is wrong before any byte comes.
    world.files.put(&world.there(), &content()[1..]);
    assert_eq!(read(&world.server, &world.here()).await.status, 502);
    assert_eq!(uploads(&world.server), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_without_an_end_in_sight_stops_when_nobody_waits_for_it() {
    let world = World::new().await;
    // Slow enough for the disk of whoever runs this.
    settings(&world, r#""upstreamBytesPerSecondMax":"2097152""#).await;
    world.upstream.fault_once(&world.there(), Fault::Endless);
    let mut only = world.begin().await;
    take(&mut only, 1).await;
    assert_eq!(uploads(&world.server), 1);
    drop(only);
    world.is_free().await;
    // Whoever comes then has it fetched anew.
    settings(&world, r#""upstreamBytesPerSecondMax":"0""#).await;
    assert!(read(&world.server, &world.here()).await.body == content());
    assert_eq!(world.gets().len(), 2, "{:?}", world.gets());
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
    // One that says it has it still has to show it.
    stranger.put(&format!("v2/app/blobs/{}", world.digest), b"something else");
    world.server.clock.forward(61);
    assert!(is_broken(&world, &blob("other", "app"), 14).await);
    // The same one has it under one name alone.
    assert_eq!(read(&world.server, &blob("same", "else")).await.status, 404);
    assert!(read(&world.server, &blob("same", "app")).await.body == content());
    assert_eq!(world.gets().len(), 1, "{:?}", world.gets());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_a_fetch_has_to_find_it_under_its_own_name() {
    let world = World::new().await;
    world.files.put("v2/known/blobs/x", b"");
    world.files.blob("known", &content());
    world.upstream.fault_once(&world.there(), Fault::HoldAfter(HELD));
    let mut first = world.begin().await;
    take(&mut first, 1).await;
    let other = |name: &str| format!("{MIRROR}/{name}/blobs/{}", world.digest);
    assert_eq!(read(&world.server, &other("unknown")).await.status, 404);
    let mut joined = world.server.begin("GET", &other("known"), &[HOST], b"").await;
    take(&mut joined, 1).await;
    world.upstream.release();
    take(&mut joined, usize::MAX).await;
    take(&mut first, usize::MAX).await;
    world.is_kept().await;
    // Both link it now.
    assert!(read(&world.server, &other("known")).await.body == content());
    assert_eq!(world.gets().len(), 1, "{:?}", world.gets());
}
