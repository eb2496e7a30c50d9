//! Removing more than one transaction takes.

use std::sync::Arc;

use oci::Digest;
use tokio::task::JoinSet;

use super::{MetadataWorld, ann, at, blob, manifest, package, repository, tag};
use crate::{Cursor, MetadataStore, NewManifest, PackagePath, Reference, Repository, Walk};

/// Images of a package; with what they name these are many times what one transaction removes.
const IMAGES: usize = 1500;

/// Images that an index names.
const OF_AN_INDEX: usize = 10;

/// All manifests of a package that is filled.
const MANIFESTS: usize = IMAGES + IMAGES / OF_AN_INDEX;

/// Pushes that find their turn while so much is removed, at the very least; in one piece it would be ten.
const PUSHES_MIN: usize = 15;

type Store = Arc<dyn MetadataStore>;

/// The blobs that an image names: one of its own, and one of all.
fn blobs_of(number: usize) -> [Vec<u8>; 2] {
    [format!("layer {number}").into_bytes(), b"shared".to_vec()]
}

fn image(number: usize) -> NewManifest {
    let references = blobs_of(number).map(|content| (Digest::sha256_of(&content), Reference::Blob));
    manifest(&format!("image {number}"), &references, &[&format!("t{number}")])
}

async fn put(store: &Store, package: &PackagePath, manifest: &NewManifest) {
    let put = store.put_manifest(package, manifest, ann(), at(20)).await;
    put.unwrap().unwrap();
}

/// A package with [`IMAGES`] images, and indexes that name all of them.
async fn filled(store: &Store, package: &PackagePath) {
    let shared = blob(b"shared", 1);
    store.commit_blob(package, &shared, ann()).await.unwrap();
    let mut pushes = JoinSet::new();
    for number in 0..IMAGES {
        let (store, package) = (Arc::clone(store), package.clone());
        pushes.spawn(async move {
            let [own, _] = blobs_of(number);
            store.commit_blob(&package, &blob(&own, 1), ann()).await.unwrap();
            put(&store, &package, &image(number)).await;
        });
    }
    pushes.join_all().await;
    let mut pushes = JoinSet::new();
    for first in (0..IMAGES).step_by(OF_AN_INDEX) {
        let (store, package) = (Arc::clone(store), package.clone());
        pushes.spawn(async move {
            let images = first..first + OF_AN_INDEX;
            let children: Vec<_> = images
                .map(|number| (image(number).digest, Reference::Child))
                .collect();
            let index = manifest(&format!("index {first}"), &children, &[&format!("i{first}")]);
            put(&store, &package, &index).await;
        });
    }
    pushes.join_all().await;
}

/// How many manifests a package has.
async fn manifests(store: &Store, package: &PackagePath) -> usize {
    whole(store).await.iter().filter(|of| *of == package).count()
}

/// The packages of all manifests; each of these has everything that it names.
async fn whole(store: &Store) -> Vec<PackagePath> {
    let mut packages = Vec::new();
    let mut from: Option<Cursor> = None;
    loop {
        let walk = Walk {
            from: from.as_ref(),
            limit: 500,
        };
        let page = store.all_manifests(walk).await.unwrap();
        for state in page.items {
            assert_eq!((state.unlinked, state.missing_children), (vec![], vec![]));
            packages.push(state.package);
        }
        from = page.next;
        if from.is_none() {
            return packages;
        }
    }
}

async fn other_repository(store: &Store) -> PackagePath {
    let made: Repository = repository("other");
    store.create_repository(&made, ann()).await.unwrap().unwrap();
    PackagePath {
        repository: made.path,
        name: "b".parse().unwrap(),
    }
}

/// Pushes until it is told to end; how many pushes that were.
async fn push_while(store: &Store, package: &PackagePath, goes_on: impl Fn() -> bool) -> usize {
    let mut pushed = 0;
    while goes_on() {
        put(
            store,
            package,
            &manifest(&format!("push {pushed}"), &[], &["latest"]),
        )
        .await;
        pushed += 1;
    }
    pushed
}

pub(crate) async fn pushes_go_on_while_much_is_removed(world: MetadataWorld) {
    let world = world.plain().await;
    let store = Arc::clone(&world.store);
    let (a, b) = (package("a"), other_repository(&store).await);
    for of_repository in [false, true] {
        filled(&store, &a).await;
        let (deleting, whose) = (Arc::clone(&store), a.clone());
        let deletion = tokio::spawn(async move {
            match of_repository {
                false => {
                    let deleted = deleting.delete_package(&whose, ann(), at(40)).await;
                    assert_eq!(deleted.unwrap(), Ok(true));
                }
                true => {
                    let deleted = deleting.delete_repository(&whose.repository, ann(), at(40)).await;
                    assert_eq!(deleted.unwrap(), Ok(()));
                }
            }
        });
        let pushed = push_while(&store, &b, || !deletion.is_finished()).await;
        deletion.await.unwrap();
        assert!(pushed >= PUSHES_MIN, "{pushed}");
        assert_eq!(manifests(&store, &a).await, 0);
        for content in blobs_of(0) {
            let digest = Digest::sha256_of(&content);
            assert_eq!(store.blob(&a, &digest).await.unwrap(), None);
        }
        let found = store.repository(&a.repository).await.unwrap();
        assert_eq!(found.map(|found| found.size_bytes), (!of_repository).then_some(0));
    }
    assert!(store.tagged(&b, &tag("latest")).await.unwrap().is_some());
}

pub(crate) async fn a_removal_that_ends_half_way_leaves_what_is_whole_and_is_repeated(world: MetadataWorld) {
    let world = world.plain().await;
    let store = Arc::clone(&world.store);
    let (a, b) = (package("a"), other_repository(&store).await);
    filled(&store, &a).await;
    let (deleting, whose) = (Arc::clone(&store), a.clone());
    let deletion = tokio::spawn(async move { deleting.delete_package(&whose, ann(), at(40)).await });
    while manifests(&store, &a).await == MANIFESTS {
        tokio::task::yield_now().await;
    }
    deletion.abort();
    assert!(deletion.await.unwrap_err().is_cancelled(), "it was in one piece");
    // What it had begun comes before this.
    put(&store, &b, &manifest("after", &[], &[])).await;
    let left = manifests(&store, &a).await;
    assert!((1..MANIFESTS).contains(&left), "{left}");
    let deleted = store.delete_package(&a, ann(), at(41)).await;
    assert_eq!(deleted.unwrap(), Ok(true));
    assert_eq!(manifests(&store, &a).await, 0);
    let found = store.repository(&a.repository).await.unwrap();
    assert_eq!(found.unwrap().size_bytes, 0);
    let deleted = store.delete_package(&a, ann(), at(42)).await;
    assert_eq!(deleted.unwrap(), Ok(false));
}

pub(crate) async fn what_is_pushed_while_a_package_goes_stays_whole(world: MetadataWorld) {
    let world = world.plain().await;
    let store = Arc::clone(&world.store);
    let a = package("a");
    filled(&store, &a).await;
    let (deleting, whose) = (Arc::clone(&store), a.clone());
    let deletion = tokio::spawn(async move { deleting.delete_package(&whose, ann(), at(40)).await });
    while manifests(&store, &a).await == MANIFESTS {
        tokio::task::yield_now().await;
    }
    // Of those that came at the same time it goes last.
    let oldest = (0..IMAGES)
        .map(image)
        .min_by_key(|image| image.digest.to_string());
    let oldest = oldest.unwrap();
    let index = manifest("new", &[(oldest.digest, Reference::Child)], &["new"]);
    let pushed = store.put_manifest(&a, &index, ann(), at(50)).await.unwrap();
    assert_eq!(pushed, Ok(()));
    assert_eq!(deletion.await.unwrap().unwrap(), Ok(true));
    assert_eq!(manifests(&store, &a).await, 2);
    let kept = store.tagged(&a, &tag("new")).await.unwrap();
    assert_eq!(kept.unwrap().digest, index.digest);
    assert!(store.manifest(&a, &oldest.digest).await.unwrap().is_some());
    let of_others = Digest::sha256_of(b"layer 0");
    let own = oldest.references[0].digest;
    assert!(store.blob(&a, &own).await.unwrap().is_some());
    assert!(own == of_others || store.blob(&a, &of_others).await.unwrap().is_none());
}

pub(crate) async fn indexes_that_are_older_than_what_they_name_go_too(world: MetadataWorld) {
    const DEPTH: i64 = 40;
    let world = world.plain().await;
    let store = Arc::clone(&world.store);
    let a = package("a");
    let nested = |level: i64| manifest(&format!("level {level}"), &[], &[]).digest;
    for level in 0..DEPTH {
        let child = (nested(level + 1), Reference::SparseChild);
        let index = manifest(&format!("level {level}"), &[child], &[]);
        let pushed = store.put_manifest(&a, &index, ann(), at(100 + level)).await;
        pushed.unwrap().unwrap();
    }
    // Also where all of it came later than now.
    let deleted = store.delete_package(&a, ann(), at(40)).await;
    assert_eq!(deleted.unwrap(), Ok(true));
    assert_eq!(store.tags(&a, None, 9).await.unwrap(), None);
    for level in 0..DEPTH {
        let found = store.manifest(&a, &nested(level)).await.unwrap();
        assert_eq!(found, None, "{level}");
    }
}
