//! Push, mount, HEAD-then-PUT, delete and collection against a model of what should be there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use oci::Digest;
use proptest::prelude::*;

use super::*;
use crate::conformance::{Counter, ann, at, bytes_of, manifest, no_redirects, package, repository, tag};
use crate::files::SimulatedDisk;
use crate::{
    BlobStore, ByteRange, Committed, Content, FileBlobStore, Inspection, NewManifest, Reference,
    Repositories, SqliteMetadata, UploadKey,
};

const HOUR: i64 = 3600;
const GRACE: i64 = 4 * HOUR;
const UPLOAD_IDLE: i64 = 3 * HOUR;
const UNTAGGED_AFTER: i64 = 6 * HOUR;

const PACKAGES: [&str; 3] = ["a", "a/b", "c"];
const CONTENTS: usize = 4;
const TAGS: [&str; 2] = ["t", "latest"];

/// What clients and operators do; numbers choose a package, a content, a tag.
#[derive(Debug, Clone)]
enum Step {
    Push {
        package: usize,
        content: usize,
        dies: bool,
    },
    Mount {
        package: usize,
        from: usize,
        content: usize,
    },
    Head {
        package: usize,
        content: usize,
    },
    Put {
        package: usize,
        contents: usize,
        tag: usize,
    },
    DeleteTag {
        package: usize,
        tag: usize,
    },
    DeleteManifest {
        package: usize,
        contents: usize,
    },
    Unlink {
        package: usize,
        content: usize,
    },
    LeaveUpload,
    Wait {
        minutes: i64,
    },
    Collect {
        dry_run: bool,
        untagged: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (package, content) = (0..PACKAGES.len(), 0..CONTENTS);
    let (contents, tags) = (1..(1_usize << CONTENTS), 0..=TAGS.len());
    let step = prop_oneof![
        4 => (package.clone(), content.clone(), prop::bool::weighted(0.2))
            .prop_map(|(package, content, dies)| Step::Push { package, content, dies }),
        2 => (package.clone(), package.clone(), content.clone())
            .prop_map(|(package, from, content)| Step::Mount { package, from, content }),
        3 => (package.clone(), content.clone()).prop_map(|(package, content)| Step::Head { package, content }),
        4 => (package.clone(), contents.clone(), tags.clone())
            .prop_map(|(package, contents, tag)| Step::Put { package, contents, tag }),
        1 => (package.clone(), 0..TAGS.len()).prop_map(|(package, tag)| Step::DeleteTag { package, tag }),
        1 => (package.clone(), contents).prop_map(|(package, contents)| Step::DeleteManifest { package, contents }),
        1 => (package, content).prop_map(|(package, content)| Step::Unlink { package, content }),
        1 => Just(Step::LeaveUpload),
        3 => (0..400_i64).prop_map(|minutes| Step::Wait { minutes }),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(dry_run, untagged)| Step::Collect { dry_run, untagged }),
    ];
    prop::collection::vec(step, 1..60)
}

/// What should be there.
#[derive(Default)]
struct Model {
    now: i64,
    /// When each content that has a row was last seen.
    blobs: BTreeMap<usize, i64>,
    links: BTreeSet<(usize, usize)>,
    /// Manifests by package and contents, and when they were updated.
    manifests: BTreeMap<(usize, usize), i64>,
    tags: BTreeMap<(usize, usize), usize>,
    /// Objects that no row names, and uploads, by when they were written.
    orphans: Vec<i64>,
    uploads: Vec<i64>,
    /// When a client was last told that a package has a content.
    told: BTreeMap<(usize, usize), i64>,
}

impl Model {
    fn see(&mut self, package: usize, content: usize) {
        self.links.insert((package, content));
        let seen = self.blobs.entry(content).or_insert(self.now);
        *seen = self.now.max(*seen);
        self.told.insert((package, content), self.now);
    }

    fn untagged(&self) -> Vec<(usize, usize)> {
        let tagged: BTreeSet<_> = self
            .tags
            .iter()
            .map(|((package, _), to)| (*package, *to))
            .collect();
        let old = |updated: &i64| *updated < self.now - UNTAGGED_AFTER;
        let found = self
            .manifests
            .iter()
            .filter(|(name, updated)| !tagged.contains(name) && old(updated));
        found.map(|(name, _)| *name).collect()
    }

    fn is_old(&self, content: usize) -> bool {
        self.blobs
            .get(&content)
            .is_some_and(|seen| *seen < self.now - GRACE)
    }

    fn idle_links(&self) -> Vec<(usize, usize)> {
        let needed = |package: usize, content: usize| {
            let mut held = self.manifests.keys().filter(|(of, _)| *of == package);
            held.any(|(_, contents)| contents & (1 << content) != 0)
        };
        let idle =
            |(package, content): &&(usize, usize)| self.is_old(*content) && !needed(*package, *content);
        self.links.iter().filter(idle).copied().collect()
    }

    fn idle_blobs(&self) -> Vec<usize> {
        let linked: BTreeSet<usize> = self.links.iter().map(|(_, content)| *content).collect();
        let idle = |content: &usize| self.is_old(*content) && !linked.contains(content);
        self.blobs.keys().copied().filter(idle).collect()
    }

    /// What a collection reports, and what becomes of the model.
    fn collect(&mut self, dry_run: bool, with_untagged: bool) -> CollectionReport {
        let before = self.clone_for_dry_run();
        let mut report = CollectionReport::default();
        if with_untagged {
            let untagged = self.untagged();
            report.manifests = untagged.len() as u64;
            if !dry_run {
                self.manifests.retain(|name, _| !untagged.contains(name));
            }
        }
        let links = self.idle_links();
        report.links = links.len() as u64;
        if !dry_run {
            self.links.retain(|link| !links.contains(link));
        }
        let blobs = self.idle_blobs();
        report.blobs.count = blobs.len() as u64;
        report.blobs.bytes = blobs.iter().map(|content| bytes(*content).len() as u64).sum();
        self.blobs.retain(|content, _| !blobs.contains(content));
        let now = self.now;
        let (old, young) = self.orphans.iter().partition(|written| now - **written > GRACE);
        self.orphans = young;
        let old: Vec<i64> = old;
        report.orphans.count = old.len() as u64;
        let (old, young) = self
            .uploads
            .iter()
            .partition(|written| now - **written >= UPLOAD_IDLE);
        self.uploads = young;
        let old: Vec<i64> = old;
        report.uploads = Freed {
            count: old.len() as u64,
            bytes: 3 * old.len() as u64,
        };
        if dry_run {
            (self.blobs, self.orphans, self.uploads) = before;
        }
        report
    }

    fn clone_for_dry_run(&self) -> (BTreeMap<usize, i64>, Vec<i64>, Vec<i64>) {
        (self.blobs.clone(), self.orphans.clone(), self.uploads.clone())
    }
}

fn bytes(content: usize) -> Vec<u8> {
    vec![b'0' + content as u8; 10 + content]
}

fn digest(content: usize) -> Digest {
    Digest::sha256_of(&bytes(content))
}

fn image(contents: usize, tags: &[&str]) -> NewManifest {
    let references: Vec<_> = (0..CONTENTS)
        .filter(|content| contents & (1 << content) != 0)
        .map(|content| (digest(content), Reference::Blob))
        .collect();
    manifest(&format!("image {contents}"), &references, tags)
}

/// The stores themselves, used as the registry uses them.
struct World {
    disk: SimulatedDisk,
    blobs: FileBlobStore,
    metadata: SqliteMetadata,
    entropy: Counter,
    model: Model,
}

impl World {
    async fn upload(&self, bytes: Vec<u8>) -> UploadKey {
        let upload = UploadKey::of(&UploadKey::session(&self.entropy), "p").unwrap();
        self.blobs.begin(&upload).await.unwrap();
        let mut append = self.blobs.append(&upload, 0).await.unwrap();
        append.write(Bytes::from(bytes)).await.unwrap();
        append.finish().await.unwrap();
        upload
    }

    async fn push(&mut self, at_package: usize, content: usize, dies: bool) {
        let (digest, upload) = (digest(content), self.upload(bytes(content)).await);
        let key = StorageKey::new(&digest, &self.entropy);
        let size = bytes(content).len() as u64;
        self.blobs.seal(&upload, &key, size).await.unwrap();
        if dies {
            self.model.orphans.push(self.model.now);
            return;
        }
        let blob = Blob {
            digest,
            size: bytes(content).len() as u64,
            key: key.clone(),
            last_seen: at(self.model.now),
        };
        let package = package(PACKAGES[at_package]);
        let committed = self.metadata.commit_blob(&package, &blob, ann()).await.unwrap();
        if self.model.blobs.contains_key(&content) {
            assert_eq!(committed, Committed::Superseded);
            self.blobs.remove(&key).await.unwrap();
        } else {
            assert_eq!(committed, Committed::Kept);
        }
        self.model.see(at_package, content);
    }

    /// As the registry answers HEAD: one that is told is seen, if that is not noted already.
    async fn head(&mut self, at_package: usize, content: usize) {
        let (package, digest) = (package(PACKAGES[at_package]), digest(content));
        let now = self.model.now;
        let found = self.metadata.blob(&package, &digest).await.unwrap();
        assert_eq!(found.is_some(), self.model.links.contains(&(at_package, content)));
        let Some(blob) = found else { return };
        assert_eq!(blob.last_seen, at(self.model.blobs[&content]));
        if self.model.blobs[&content] < now - GRACE / 2 {
            assert!(
                self.metadata
                    .touch_blob(&package, &digest, at(now))
                    .await
                    .unwrap()
            );
            self.model.see(at_package, content);
        }
        self.model.told.insert((at_package, content), now);
    }

    async fn put(&mut self, at_package: usize, contents: usize, at_tag: usize) {
        let tags = TAGS.get(at_tag).map(std::slice::from_ref).unwrap_or_default();
        let now = self.model.now;
        let package = package(PACKAGES[at_package]);
        let image = image(contents, tags);
        let put = self.metadata.put_manifest(&package, &image, ann(), at(now));
        let stored = put.await.unwrap().is_ok();
        let named = || (0..CONTENTS).filter(|content| contents & (1 << content) != 0);
        let expected = named().all(|content| self.model.links.contains(&(at_package, content)));
        assert_eq!(stored, expected);
        // Whoever was told half a grace time ago that all is there may rely on it.
        let may_rely = named().all(|content| {
            let told = self.model.told.get(&(at_package, content));
            told.is_some_and(|told| now - told <= GRACE / 2)
        });
        assert!(stored || !may_rely, "a blob went that a client was told of");
        if !stored {
            return;
        }
        self.model.manifests.insert((at_package, contents), now);
        if at_tag < TAGS.len() {
            self.untag(at_package, at_tag);
            self.model.tags.insert((at_package, at_tag), contents);
        }
    }

    fn untag(&mut self, at_package: usize, at_tag: usize) -> bool {
        let Some(was) = self.model.tags.remove(&(at_package, at_tag)) else {
            return false;
        };
        self.model.manifests.insert((at_package, was), self.model.now);
        true
    }

    async fn mount(&mut self, to: usize, from: usize, content: usize) {
        let (there, source, digest) = (package(PACKAGES[to]), package(PACKAGES[from]), digest(content));
        let mount = self
            .metadata
            .mount_blob(&there, &source, &digest, at(self.model.now));
        let mounted = mount.await.unwrap();
        assert_eq!(mounted, self.model.links.contains(&(from, content)));
        if mounted {
            self.model.see(to, content);
        }
    }

    async fn delete_tag(&mut self, of: usize, number: usize) {
        let (package, tag, now) = (package(PACKAGES[of]), tag(TAGS[number]), at(self.model.now));
        let deleted = self.metadata.delete_tag(&package, &tag, ann(), now).await;
        assert_eq!(deleted.unwrap(), Ok(self.untag(of, number)));
    }

    async fn delete_manifest(&mut self, of: usize, contents: usize) {
        let (package, now) = (package(PACKAGES[of]), at(self.model.now));
        let digest = image(contents, &[]).digest;
        let deleted = self.metadata.delete_manifest(&package, &digest, ann(), now).await;
        let was_there = self.model.manifests.remove(&(of, contents)).is_some();
        assert_eq!(deleted.unwrap(), Ok(was_there));
        self.model
            .tags
            .retain(|(package, _), to| (*package, *to) != (of, contents));
    }

    async fn unlink(&mut self, of: usize, content: usize) {
        let unlinked = self
            .metadata
            .unlink_blob(&package(PACKAGES[of]), &digest(content))
            .await;
        assert_eq!(unlinked.unwrap(), self.model.links.remove(&(of, content)));
        self.model.told.remove(&(of, content));
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Push {
                package,
                content,
                dies,
            } => self.push(package, content, dies).await,
            Step::Mount {
                package,
                from,
                content,
            } => self.mount(package, from, content).await,
            Step::Head { package, content } => self.head(package, content).await,
            Step::Put {
                package,
                contents,
                tag,
            } => self.put(package, contents, tag).await,
            Step::DeleteTag { package, tag } => self.delete_tag(package, tag).await,
            Step::DeleteManifest { package, contents } => self.delete_manifest(package, contents).await,
            Step::Unlink { package, content } => self.unlink(package, content).await,
            Step::LeaveUpload => {
                self.upload(b"abc".to_vec()).await;
                self.model.uploads.push(self.model.now);
            }
            Step::Wait { minutes } => {
                self.model.now += 60 * minutes;
                self.disk.advance(Duration::from_secs(60 * minutes as u64));
            }
            Step::Collect { dry_run, untagged } => self.collect(dry_run, untagged).await,
        }
    }

    async fn collect(&mut self, dry_run: bool, untagged: bool) {
        let seconds = |time: i64| Duration::from_secs(time as u64);
        let options = CollectionOptions {
            grace: seconds(GRACE),
            upload_idle: seconds(UPLOAD_IDLE),
            untagged_after: untagged.then(|| seconds(UNTAGGED_AFTER)),
            dry_run,
            actor: ann().clone(),
        };
        let mut report = collect(&self.blobs, &self.metadata, &options, at(self.model.now))
            .await
            .unwrap();
        // Which contents orphans have is not modelled, nor are empty packages.
        (report.orphans.bytes, report.packages) = (0, 0);
        assert_eq!(report, self.model.collect(dry_run, untagged));
    }

    async fn check(&self) {
        for (number, name) in PACKAGES.iter().enumerate() {
            for content in 0..CONTENTS {
                let blob = self
                    .metadata
                    .blob(&package(name), &digest(content))
                    .await
                    .unwrap();
                assert_eq!(blob.is_some(), self.model.links.contains(&(number, content)));
                let Some(blob) = blob else { continue };
                let read = self
                    .blobs
                    .read(&blob.key, blob.size, ByteRange::all(blob.size))
                    .await;
                assert_eq!(bytes_of(read.unwrap(), &no_redirects).await, bytes(content));
            }
        }
        let objects = self.blobs.objects(None, 1000).await.unwrap();
        assert_eq!(objects.len(), self.model.blobs.len() + self.model.orphans.len());
        let walk = Walk {
            from: None,
            limit: 1000,
        };
        let rows = self.metadata.all_blobs(walk).await.unwrap().items;
        assert_eq!(rows.len(), self.model.blobs.len());
    }
}

async fn run(steps: Vec<Step>) {
    let directory = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::default();
    let mut world = World {
        blobs: FileBlobStore::on(Box::new(disk.clone())).unwrap(),
        metadata: SqliteMetadata::open(&directory.path().join("metadata.sqlite")).unwrap(),
        disk,
        entropy: Counter::default(),
        model: Model::default(),
    };
    world
        .metadata
        .create_repository(&repository("r"), ann())
        .await
        .unwrap()
        .unwrap();
    for step in steps {
        world.step(step).await;
        world.check().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_collection_takes_what_nobody_needs_and_nothing_else(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}
