//! The one verb: from a source to a sink.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oci::{Descriptor, Digest, Manifest, Parsed};
use progress::{Progress, Task, Work};

use crate::bounded::{self, Step};
use crate::companion;
use crate::{BlobRead, Sink, SinkError, Source, SourceError};

/// How deep indexes may lie within indexes, and referrers upon referrers.
pub const INDEX_DEPTH_MAX: usize = 8;

/// Most manifests that one copy follows from its descriptor.
pub const MANIFESTS_MAX: usize = 65_536;

/// Most bytes of manifests that one copy follows: they are kept in memory until they are put.
pub const MANIFESTS_BYTES_MAX: usize = 256 << 20;

/// How often a stream is opened for one blob, the first time included.
const STREAMS_MAX: u32 = 4;

/// The wait before it is opened again; it doubles.
const STREAM_DELAY: Duration = Duration::from_millis(250);

/// How to [`copy`].
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// What to do about manifests that refer to what is copied.
    pub referrers: Referrers,
    /// Blobs copied at a time.
    pub blobs_at_once: NonZeroUsize,
}

/// Manifests that refer to an image: signatures, SBOMs and the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referrers {
    /// Copy them too.
    Include,
    /// Leave them.
    Skip,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            referrers: Referrers::Include,
            blobs_at_once: NonZeroUsize::MIN.saturating_add(7),
        }
    }
}

/// What a [`copy`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The manifest that was asked for.
    pub digest: Digest,
    /// Manifests put, with children and referrers.
    pub manifests: usize,
    /// Blobs put.
    pub blobs: usize,
    /// Blobs that were there.
    pub blobs_present: usize,
    /// Bytes of the blobs put.
    pub blob_bytes: u64,
}

/// Why a [`copy`] failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It could not be read.
    #[error("image cannot be read")]
    Source(#[from] SourceError),
    /// It could not be written.
    #[error("image cannot be written")]
    Sink(#[from] SinkError),
    /// Indexes lie within indexes, or referrers upon referrers, too deep.
    #[error("image has indexes or referrers upon one another, more than {INDEX_DEPTH_MAX} deep")]
    TooDeep,
    /// There are too many manifests.
    #[error(
        "image leads to more than {MANIFESTS_MAX} manifests, or more than {MANIFESTS_BYTES_MAX} bytes of them"
    )]
    TooManyManifests,
}

/// Copies the manifest of `descriptor` with everything it needs, verbatim, and gives it `name`.
///
/// Children of an index and, if asked for, referrers come along. The name is put last, so that nobody
/// finds a name whose content is not whole; [`Sink::finish`] is left to the caller, who may copy more.
/// Blobs that the sink has are not read, and none is copied twice.
///
/// # Errors
/// See [`CopyError`]. What was put until then stays, without a name.
pub async fn copy(
    source: &dyn Source,
    descriptor: &Descriptor,
    sink: &dyn Sink,
    name: Option<&str>,
    options: &CopyOptions,
    progress: &dyn Progress,
) -> Result<Copied, CopyError> {
    let plan = Plan::make(source, descriptor, options.referrers).await?;
    let at_once = options.blobs_at_once.get();
    let present = plan.present_manifests(sink, at_once).await?;
    let missing = plan.missing_blobs(sink, &present, at_once).await?;
    let copied = Copied {
        digest: descriptor.digest,
        manifests: plan.manifests.len(),
        blobs: missing.len(),
        blobs_present: plan.blobs.len() - missing.len(),
        blob_bytes: missing.iter().map(|blob| blob.size).fold(0, u64::saturating_add),
    };
    let title = name.map_or_else(|| descriptor.digest.to_string(), str::to_owned);
    let task = Task::start(progress, Work::Write, &title, Some(copied.blob_bytes));
    let steps = missing
        .into_iter()
        .map(|blob| Box::pin(copy_blob(source, sink, blob, &task)) as Step<'_, CopyError>)
        .collect();
    bounded::run(steps, at_once).await?;

    // A subject stands before its referrers, and gets its name after them.
    let referrers_follow = plan.manifests.len() > plan.root + 1;
    for (position, planned) in plan.manifests.iter().enumerate() {
        let name = name.filter(|_| position == plan.root && !referrers_follow);
        let name = name.or(planned.own_name.as_deref());
        if name.is_some() || !present.contains(&planned.digest) || planned.manifest.subject().is_some() {
            sink.put_manifest(&planned.manifest, name).await?;
        }
    }
    if let (true, Some(root)) = (referrers_follow && name.is_some(), plan.manifests.get(plan.root)) {
        sink.put_manifest(&root.manifest, name).await?;
    }
    Ok(copied)
}

/// Copies one blob. A stream is opened anew when its sink had trouble: it cannot read it again itself.
async fn copy_blob(
    source: &dyn Source,
    sink: &dyn Sink,
    blob: &Descriptor,
    task: &Task<'_>,
) -> Result<(), CopyError> {
    let mut attempt = 1;
    loop {
        let content = source.blob(blob).await?;
        let is_stream = matches!(content, BlobRead::Stream(_));
        match sink.put_blob(blob, content).await {
            Ok(()) => break,
            Err(error) if is_stream && attempt < STREAMS_MAX && error.is_interruption() => {
                tokio::time::sleep(STREAM_DELAY.saturating_mul(1 << attempt)).await;
                attempt += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    task.advance(blob.size);
    Ok(())
}

/// Everything that one copy puts.
struct Plan {
    /// In the order to put them: children before their index, the root, then referrers. Some have a
    /// name that they must keep.
    manifests: Vec<Planned>,
    /// Position of the manifest that was asked for.
    root: usize,
    blobs: BTreeMap<Digest, Descriptor>,
}

struct Planned {
    manifest: Manifest,
    digest: Digest,
    own_name: Option<String>,
}

/// What is known of the manifests on the way to a [`Plan`].
struct Walk<'s> {
    source: &'s dyn Source,
    /// With the depth of each.
    manifests: Vec<(Manifest, Digest, usize)>,
    kept_tags: BTreeMap<Digest, String>,
    seen: BTreeSet<Digest>,
    bytes: usize,
    blobs: BTreeMap<Digest, Descriptor>,
}

enum Visit {
    Enter(Descriptor, usize),
    Leave(Manifest, Digest, usize),
}

impl Plan {
    async fn make(source: &dyn Source, root: &Descriptor, referrers: Referrers) -> Result<Self, CopyError> {
        let mut walk = Walk {
            source,
            manifests: Vec::new(),
            kept_tags: BTreeMap::new(),
            seen: BTreeSet::new(),
            bytes: 0,
            blobs: BTreeMap::new(),
        };
        walk.follow(root.clone(), 0).await?;
        let root = walk.manifests.len().saturating_sub(1);
        if referrers == Referrers::Include {
            let mut position = 0;
            // The list grows while it is walked: a signature of an SBOM comes along too.
            while let Some((_, digest, depth)) = walk.manifests.get(position) {
                let (digest, depth) = (*digest, *depth);
                for referrer in source.referrers(&digest).await? {
                    if let Some(tag) = companion::kept_tag(&referrer) {
                        walk.kept_tags.insert(referrer.digest, tag.to_owned());
                    }
                    walk.follow(referrer, depth + 1).await?;
                }
                position += 1;
            }
        }
        Ok(Self {
            manifests: walk
                .manifests
                .into_iter()
                .map(|(manifest, digest, _)| Planned {
                    own_name: walk.kept_tags.remove(&digest),
                    manifest,
                    digest,
                })
                .collect(),
            root,
            blobs: walk.blobs,
        })
    }

    /// The manifests that the sink has, with everything they name.
    async fn present_manifests(
        &self,
        sink: &dyn Sink,
        at_once: usize,
    ) -> Result<BTreeSet<Digest>, SinkError> {
        let questions = self
            .manifests
            .iter()
            .map(|planned| sink.has_manifest(&planned.digest));
        let answers = answers(questions.collect(), at_once).await?;
        let present = self
            .manifests
            .iter()
            .zip(answers)
            .filter(|(_, is_there)| *is_there);
        Ok(present.map(|(planned, _)| planned.digest).collect())
    }

    /// The blobs that the sink lacks, as far as not all that names them is there.
    async fn missing_blobs(
        &self,
        sink: &dyn Sink,
        present: &BTreeSet<Digest>,
        at_once: usize,
    ) -> Result<Vec<&Descriptor>, SinkError> {
        let new = self
            .manifests
            .iter()
            .filter(|planned| !present.contains(&planned.digest));
        let wanted: BTreeSet<Digest> = new
            .flat_map(|planned| blobs_of(&planned.manifest))
            .map(|blob| blob.digest)
            .collect();
        let wanted: Vec<&Descriptor> = wanted
            .iter()
            .filter_map(|digest| self.blobs.get(digest))
            .collect();
        let answers = answers(wanted.iter().map(|blob| sink.has_blob(blob)).collect(), at_once).await?;
        let missing = wanted.into_iter().zip(answers).filter(|(_, is_there)| !is_there);
        Ok(missing.map(|(blob, _)| blob).collect())
    }
}

/// A question about one thing.
type Question<'q> = Pin<Box<dyn Future<Output = Result<bool, SinkError>> + Send + 'q>>;

/// The answers to `questions`, in their order; several are asked at once.
async fn answers(questions: Vec<Question<'_>>, at_once: usize) -> Result<Vec<bool>, SinkError> {
    let answers: Vec<AtomicBool> = questions.iter().map(|_| AtomicBool::new(false)).collect();
    let steps = questions
        .into_iter()
        .zip(&answers)
        .map(|(question, answer)| {
            Box::pin(async move {
                answer.store(question.await?, Ordering::Relaxed);
                Ok(())
            }) as Step<'_, SinkError>
        })
        .collect();
    bounded::run(steps, at_once).await?;
    Ok(answers.into_iter().map(AtomicBool::into_inner).collect())
}

impl Walk<'_> {
    /// Adds a manifest after everything below it. Each is visited once, however often it is named.
    async fn follow(&mut self, descriptor: Descriptor, depth: usize) -> Result<(), CopyError> {
        let mut stack = vec![Visit::Enter(descriptor, depth)];
        while let Some(visit) = stack.pop() {
            let (descriptor, depth) = match visit {
                Visit::Leave(manifest, digest, depth) => {
                    self.manifests.push((manifest, digest, depth));
                    continue;
                }
                Visit::Enter(descriptor, depth) => (descriptor, depth),
            };
            if !self.seen.insert(descriptor.digest) {
                continue;
            }
            if depth > INDEX_DEPTH_MAX {
                return Err(CopyError::TooDeep);
            }
            let manifest = self.source.manifest(&descriptor).await?;
            self.bytes += manifest.bytes().len();
            if self.seen.len() > MANIFESTS_MAX || self.bytes > MANIFESTS_BYTES_MAX {
                return Err(CopyError::TooManyManifests);
            }
            let children = self.note(&manifest);
            stack.push(Visit::Leave(manifest, descriptor.digest, depth));
            stack.extend(
                children
                    .into_iter()
                    .rev()
                    .map(|child| Visit::Enter(child, depth + 1)),
            );
        }
        Ok(())
    }

    /// Notes the blobs that a manifest names and returns the manifests that it names.
    fn note(&mut self, manifest: &Manifest) -> Vec<Descriptor> {
        for blob in blobs_of(manifest) {
            self.blobs.insert(blob.digest, blob.clone());
        }
        let entries = manifest.index().map_or(&[][..], |index| &index.manifests);
        entries
            .iter()
            .filter(|entry| entry.media_type.is_manifest())
            .cloned()
            .collect()
    }
}

/// The blobs that a manifest names and that are meant to be copied.
fn blobs_of(manifest: &Manifest) -> Vec<&Descriptor> {
    match manifest.parsed() {
        Parsed::Index(index) => {
            let entries = index.manifests.iter();
            entries.filter(|entry| !entry.media_type.is_manifest()).collect()
        }
        Parsed::Image(image) => image.distributable_blobs().collect(),
    }
}
