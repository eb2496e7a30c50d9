//! Promises about what is found to be needed by nobody, and about walks over everything.

use oci::Digest;

use super::{MetadataWorld, ann, at, blob, manifest, package};
use crate::{
    Blob, Cursor, EventKind, Extent, InPackage, ManifestState, PackagePath, Page, Reference, StoreError, Walk,
};

/// All parts of a walk, each of which looks at `limit` things.
async fn walked<T>(limit: usize, part: impl AsyncFn(Walk<'_>) -> Result<Page<T>, StoreError>) -> Vec<T> {
    let (mut items, mut from): (Vec<T>, Option<Cursor>) = (Vec::new(), None);
    for _ in 0..1000 {
        let walk = Walk {
            from: from.as_ref(),
            limit,
        };
        let page = part(walk).await.unwrap();
        assert!(page.items.len() <= limit);
        items.extend(page.items);
        from = page.next;
        if from.is_none() {
            return items;
        }
    }
    panic!("a walk without an end");
}

impl MetadataWorld {
    async fn idle_blobs(&self, before: i64) -> Vec<Blob> {
        walked(2, async |walk| self.store.idle_blobs(at(before), walk).await).await
    }

    async fn idle_links(&self, before: i64) -> Vec<InPackage> {
        walked(2, async |walk| self.store.idle_links(at(before), walk).await).await
    }

    async fn untagged(&self, before: i64) -> Vec<InPackage> {
        walked(2, async |walk| {
            self.store.untagged_manifests(at(before), walk).await
        })
        .await
    }

    async fn take(&self, digests: &[Digest], before: i64) -> Vec<Blob> {
        self.store.take_idle_blobs(digests, at(before)).await.unwrap()
    }
}

fn in_package(package: &PackagePath, digest: Digest) -> InPackage {
    InPackage {
        package: package.clone(),
        digest,
    }
}

pub(crate) async fn a_blob_is_taken_when_nobody_links_it_and_its_time_is_over(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, x) = (package("a"), blob(b"x", 1));
    world.commit(&a, &x).await;
    assert_eq!(world.idle_blobs(99).await, []);
    assert_eq!(world.take(&[x.digest], 99).await, []);
    world.store.unlink_blob(&a, &x.digest).await.unwrap();
    // Seen at second 10.
    assert_eq!(world.idle_blobs(10).await, []);
    assert_eq!(world.take(&[x.digest], 10).await, []);
    assert_eq!(world.idle_blobs(11).await, vec![x.clone()]);
    let other = blob(b"x", 2).key;
    let keys = [x.key.clone(), other];
    assert_eq!(world.store.named_keys(&keys).await.unwrap(), vec![x.key.clone()]);
    assert_eq!(world.take(&[x.digest, x.digest], 11).await, vec![x.clone()]);
    assert_eq!(world.store.named_keys(&keys).await.unwrap(), []);
    assert_eq!(world.idle_blobs(11).await, []);
    // The next push is the first again, under its own key.
    let again = blob(b"x", 3);
    assert_eq!(world.commit(&a, &again).await, crate::Committed::Kept);
    assert_eq!(
        world.store.blob(&a, &x.digest).await.unwrap().unwrap().key,
        again.key
    );
}

pub(crate) async fn a_link_that_a_manifest_needs_stays(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, b, x, y) = (package("a"), package("b"), blob(b"x", 1), blob(b"y", 1));
    for package in [&a, &b] {
        world.commit(package, &x).await;
    }
    world.commit(&a, &y).await;
    let z = blob(b"z", 1);
    world.commit(&a, &z).await;
    let references = [(x.digest, Reference::Blob), (z.digest, Reference::SparseBlob)];
    world.put(&a, &manifest("m", &references, &["t"])).await.unwrap();
    assert_eq!(world.idle_links(10).await, []);
    let mut idle = world.idle_links(11).await;
    idle.sort();
    let mut expected = [in_package(&a, y.digest), in_package(&b, x.digest)];
    expected.sort();
    assert_eq!(idle, expected);
    let asked = [&expected[..], &[in_package(&a, x.digest)]].concat();
    assert_eq!(world.store.remove_idle_links(&asked, at(10)).await.unwrap(), 0);
    assert_eq!(world.store.remove_idle_links(&asked, at(11)).await.unwrap(), 2);
    assert!(world.store.blob(&a, &x.digest).await.unwrap().is_some());
    assert_eq!(world.store.blob(&b, &x.digest).await.unwrap(), None);
    // b holds nothing now, and a does.
    assert_eq!(world.store.forget_empty_packages().await.unwrap(), 1);
    assert_eq!(world.store.tags(&b, None, 9).await.unwrap(), None);
    assert!(world.store.tags(&a, None, 9).await.unwrap().is_some());
}

pub(crate) async fn untagged_manifests_are_those_that_nothing_holds(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, store) = (package("a"), &world.store);
    let (child, tagged) = (manifest("child", &[], &[]), manifest("tagged", &[], &["t"]));
    let index = manifest("index", &[(child.digest, Reference::Child)], &[]);
    let mut referrer = manifest("referrer", &[], &[]);
    referrer.subject = Some(tagged.digest);
    let mut lonely = manifest("lonely", &[], &[]);
    lonely.subject = Some(Digest::sha256_of(b"gone"));
    for image in [&child, &tagged, &index, &referrer, &lonely] {
        world.put(&a, image).await.unwrap();
    }
    assert_eq!(world.untagged(20).await, []);
    let mut expected = [in_package(&a, index.digest), in_package(&a, lonely.digest)];
    expected.sort();
    let mut found = world.untagged(21).await;
    found.sort();
    assert_eq!(found, expected);
    let remove = async |digests: &[Digest], before| {
        let manifests: Vec<_> = digests.iter().map(|digest| in_package(&a, *digest)).collect();
        let removed = store.remove_untagged(&manifests, at(before), ann(), at(80));
        removed.await.unwrap()
    };
    let all = [child.digest, tagged.digest, referrer.digest, lonely.digest];
    assert_eq!(remove(&all, 20).await, 0);
    assert_eq!(remove(&all, 21).await, 1);
    assert_eq!(remove(&[index.digest], 21).await, 1);
    assert_eq!(world.untagged(21).await, [in_package(&a, child.digest)]);
    let last = store.events(0, 99).await.unwrap().pop().unwrap();
    let deleted = EventKind::ManifestDeleted { digest: index.digest };
    assert_eq!((last.time, last.kind), (at(80), deleted));
    // From the loss of its tag on a manifest is untagged, and its referrer with it once it is gone.
    store
        .delete_tag(&a, &super::tag("t"), ann(), at(50))
        .await
        .unwrap()
        .unwrap();
    assert!(!world.untagged(50).await.contains(&in_package(&a, tagged.digest)));
    assert!(world.untagged(51).await.contains(&in_package(&a, tagged.digest)));
    assert_eq!(remove(&[tagged.digest], 51).await, 1);
    assert!(
        world
            .untagged(51)
            .await
            .contains(&in_package(&a, referrer.digest))
    );
}

pub(crate) async fn what_became_needed_since_it_was_listed_stays(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, x, store) = (package("a"), blob(b"x", 1), &world.store);
    world.commit(&a, &x).await;
    let links = world.idle_links(99).await;
    assert_eq!(links.len(), 1);
    let image = manifest("m", &[(x.digest, Reference::Blob)], &[]);
    world.put(&a, &image).await.unwrap();
    assert_eq!(store.remove_idle_links(&links, at(99)).await.unwrap(), 0);
    let untagged = world.untagged(99).await;
    world
        .put(&a, &manifest("m", &[(x.digest, Reference::Blob)], &["t"]))
        .await
        .unwrap();
    let removed = store.remove_untagged(&untagged, at(99), ann(), at(99));
    assert_eq!(removed.await.unwrap(), 0);
    let b = package("b");
    let y = blob(b"y", 1);
    world.commit(&a, &y).await;
    store.mount_blob(&b, &a, &y.digest, at(20)).await.unwrap();
    for package in [&a, &b] {
        store.unlink_blob(package, &y.digest).await.unwrap();
    }
    assert_eq!(
        world.idle_blobs(99).await,
        [Blob {
            last_seen: at(20),
            ..y.clone()
        }]
    );
    world.commit(&b, &blob(b"y", 2)).await;
    assert_eq!(world.take(&[y.digest], 99).await, []);
}

pub(crate) async fn walks_reach_everything_in_small_parts(world: MetadataWorld) {
    let world = world.plain().await;
    for number in 0..20_u32 {
        let package = package(["a", "b/c", "d"][number as usize % 3]);
        let x = blob(&number.to_be_bytes(), number);
        world.commit(&package, &x).await;
        world
            .put(&package, &manifest(&format!("m{number}"), &[], &[]))
            .await
            .unwrap();
    }
    for limit in [1, 3, 20, 21] {
        let store = &world.store;
        let links = walked(limit, async |walk| store.idle_links(at(99), walk).await).await;
        let manifests = walked(limit, async |walk| store.untagged_manifests(at(99), walk).await).await;
        let blobs = walked(limit, async |walk| store.all_blobs(walk).await).await;
        let states = walked(limit, async |walk| store.all_manifests(walk).await).await;
        let counts = [links.len(), manifests.len(), blobs.len(), states.len()];
        assert_eq!(counts, [20; 4], "{limit}");
    }
}

pub(crate) async fn a_scrub_walk_tells_what_is_missing(world: MetadataWorld) {
    let world = world.plain().await;
    let (a, x, y) = (package("a"), blob(b"x", 1), blob(b"y", 1));
    world.commit(&a, &x).await;
    world.commit(&a, &y).await;
    let gone = Digest::sha256_of(b"gone");
    let references = [
        (x.digest, Reference::Blob),
        (y.digest, Reference::Blob),
        (gone, Reference::SparseChild),
        (Digest::sha256_of(b"elsewhere"), Reference::SparseBlob),
    ];
    let image = manifest("m", &references, &[]);
    world.put(&a, &image).await.unwrap();
    world.store.unlink_blob(&a, &y.digest).await.unwrap();
    let states = walked(9, async |walk| world.store.all_manifests(walk).await).await;
    let expected = ManifestState {
        package: a,
        digest: image.digest,
        bytes: image.bytes,
        unlinked: vec![y.digest],
        missing_children: vec![gone],
    };
    assert_eq!(states, [expected]);
    assert_eq!(world.store.integrity().await.unwrap(), Vec::<String>::new());
    let extent = Extent { objects: 2, bytes: 2 };
    assert_eq!(world.store.extent().await.unwrap(), extent);
}
