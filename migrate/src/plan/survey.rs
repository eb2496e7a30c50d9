//! Looking at both sides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use client::TagKind;
use client::registry::TagListing;
use futures_util::{StreamExt, stream};
use oci::{CONFIG_BYTES_MAX, Digest, ImageConfig, RepositoryName};
use progress::{Progress, Task, Work};

use super::{Closures, Plan, PlannedRepository, PlannedTag, TagState};
use crate::failure::{Failure, PlaceError};
use crate::filter::Filter;
use crate::inventory::BlobEntry;
use crate::journal::Journal;
use crate::manifests::ManifestStore;
use crate::mapping::{Mapping, MappingError};
use crate::pace::Pace;
use crate::place::{Origin, OriginRepository, Target, TargetRepository};

/// Repositories that are looked at at once; the pace bounds the requests.
const REPOSITORIES_AT_ONCE: usize = 32;

/// Tags and manifests of one repository that are looked at at once.
const THINGS_AT_ONCE: usize = 64;

/// Both sides of a move.
pub struct Sides {
    /// Where from.
    pub origin: Arc<dyn Origin>,
    /// Where to.
    pub target: Arc<dyn Target>,
    /// How fast the source is asked.
    pub from_pace: Pace,
    /// How fast the destination is.
    pub to_pace: Pace,
}

/// What to look at.
pub struct SurveyOptions<'s> {
    /// The source, as it was named.
    pub from: String,
    /// The destination.
    pub to: String,
    /// The repositories; those that the source lists when nothing is said.
    pub names: Option<Vec<RepositoryName>>,
    /// What names at the source begin with.
    pub from_prefix: Option<RepositoryName>,
    /// What names at the destination begin with.
    pub to_prefix: Option<RepositoryName>,
    /// What repositories are called there.
    pub mapping: Mapping,
    /// What is wanted.
    pub filter: Filter,
    /// How closely to look.
    pub depth: Depth,
    /// What an earlier run has done.
    pub journal: Option<&'s Journal>,
    /// Where manifests are kept that are read on the way.
    pub store: &'s ManifestStore,
}

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Names only.
    Names,
    /// What is missing at the destination, and what it needs.
    Missing,
    /// Every manifest of the source, and whether every blob is there.
    Complete,
}

/// Why a source or destination cannot be looked at as a whole.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The repositories cannot be listed.
    #[error("cannot list the repositories of the source")]
    Source(#[source] PlaceError),
    /// The source tells nobody what it has.
    #[error("the source does not list its repositories")]
    NoCatalogue,
    /// The names do not fit together.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A side cannot be opened.
    #[error("cannot open a side")]
    Open(#[source] PlaceError),
}

/// Looks at both sides, and says what is to be done.
///
/// One request for each page of a list, one HEAD for each tag whose digest no list tells; manifests are read only where
/// they are to be copied, unless [`Depth::Complete`] is wanted.
///
/// # Errors
/// When the source cannot be listed. What is wrong with one repository or image is in the plan.
pub async fn survey(
    sides: &Sides,
    options: &SurveyOptions<'_>,
    progress: &dyn Progress,
) -> Result<Plan, SurveyError> {
    let mut found = match &options.names {
        Some(names) => names.iter().map(|name| (name.clone(), None)).collect(),
        None => {
            let listed = sides.from_pace.call(|| sides.origin.repositories()).await;
            listed
                .map_err(SurveyError::Source)?
                .ok_or(SurveyError::NoCatalogue)?
        }
    };
    found.retain(|name, _| options.filter.takes_repository(name.as_str()));
    let names: Vec<RepositoryName> = found.keys().cloned().collect();
    let mapped = options
        .mapping
        .names(&names, options.from_prefix.as_ref(), options.to_prefix.as_ref())?;
    let survey = Survey {
        sides,
        options,
        closures: Closures::new(&sides.from_pace, options.store, &options.filter, &BTreeMap::new()),
        failures: Mutex::default(),
        task: Task::start(progress, Work::Survey, &options.from, None),
    };
    let looks = found.into_iter().zip(mapped).map(|((name, listing), to)| {
        let survey = &survey;
        async move {
            let planned = survey.repository(&name, to, listing).await;
            survey.task.count(1);
            (name, planned)
        }
    });
    let looked = stream::iter(looks).buffer_unordered(REPOSITORIES_AT_ONCE);
    let looked: Vec<(RepositoryName, Option<PlannedRepository>)> = looked.collect().await;
    let mut failures = std::mem::take(&mut *survey.failures());
    failures.sort_by(|left, right| {
        (&left.repository, &left.reference).cmp(&(&right.repository, &right.reference))
    });
    Ok(Plan {
        from: options.from.clone(),
        to: options.to.clone(),
        filter: options.filter.words(),
        made: String::new(),
        repositories: looked
            .into_iter()
            .filter_map(|(name, planned)| Some((name, planned?)))
            .collect(),
        manifests: survey.closures.into_known(),
        failures,
    })
}

struct Survey<'s> {
    sides: &'s Sides,
    options: &'s SurveyOptions<'s>,
    closures: Closures<'s>,
    failures: Mutex<Vec<Failure>>,
    task: Task<'s>,
}

/// One repository that is looked at.
struct Looking<'l> {
    name: &'l RepositoryName,
    to: &'l RepositoryName,
    origin: &'l dyn OriginRepository,
    target: &'l dyn TargetRepository,
    there: Option<TagListing>,
}

impl Survey<'_> {
    /// What is to be done in one repository; nothing when it cannot be looked at, which is noted.
    async fn repository(
        &self,
        name: &RepositoryName,
        to: RepositoryName,
        listing: Option<TagListing>,
    ) -> Option<PlannedRepository> {
        let looked = self.look(name, to, listing).await;
        looked.map_err(|error| self.failed(name, "", None, &error)).ok()
    }

    async fn look(
        &self,
        name: &RepositoryName,
        to: RepositoryName,
        listing: Option<TagListing>,
    ) -> Result<PlannedRepository, PlaceError> {
        let Sides {
            from_pace, to_pace, ..
        } = self.sides;
        let origin = self.sides.origin.repository(name)?;
        let target = self.sides.target.repository(&to)?;
        let mut planned = PlannedRepository {
            to: to.clone(),
            exists: false,
            tags: BTreeMap::new(),
            untagged: BTreeSet::new(),
            only_there: Vec::new(),
        };
        if self.options.depth == Depth::Names {
            return Ok(planned);
        }
        let listing = match listing {
            Some(listing) => listing,
            None => from_pace.call(|| origin.listing()).await?.unwrap_or_default(),
        };
        let there = to_pace.call(|| target.listing()).await?;
        planned.exists = there.is_some();
        let looking = Looking {
            name,
            to: &to,
            origin: &*origin,
            target: &*target,
            there,
        };
        let tags = self.wanted_tags(&looking, &listing).await;
        planned.tags = self.with_states(&looking, tags).await;
        planned.only_there = looking.only_there(&listing);
        planned.untagged = self.untagged(&looking, &listing, &planned.tags).await;
        self.read_manifests(&looking, &mut planned).await;
        Ok(planned)
    }

    /// The tags that are wanted, with what they name and when it was uploaded.
    async fn wanted_tags(
        &self,
        looking: &Looking<'_>,
        listing: &TagListing,
    ) -> Vec<(String, Digest, Option<i64>)> {
        let filter = &self.options.filter;
        let digests = listing.digests();
        let by_tag = |tag: &String| filter.takes_tag(tag) || TagKind::of(tag) != TagKind::Image;
        let wanted: Vec<&String> = listing.tags.iter().filter(|tag| by_tag(tag)).collect();
        let heads = stream::iter(wanted)
            .map(|tag| {
                let listed = digests.get(tag.as_str()).copied();
                async move {
                    if let Some(digest) = listed {
                        return Some((tag.clone(), digest));
                    }
                    let pace = &self.sides.from_pace;
                    match pace.call(|| looking.origin.digest_of(tag)).await {
                        // One that was deleted since it was listed is simply not there.
                        Ok(digest) => Some((tag.clone(), digest?)),
                        Err(error) => {
                            self.failed(looking.name, tag, None, &error);
                            None
                        }
                    }
                }
            })
            .buffer_unordered(THINGS_AT_ONCE);
        let found: Vec<Option<(String, Digest)>> = heads.collect().await;
        let times = |digest: &Digest| listing.manifests.as_ref()?.get(digest)?.uploaded_ms;
        let mut tags: Vec<(String, Digest, Option<i64>)> = found
            .into_iter()
            .flatten()
            .map(|(tag, digest)| {
                let time = times(&digest);
                (tag, digest, time)
            })
            .collect();
        tags.sort();
        if filter.needs_times() {
            self.choose_by_time(looking, &mut tags).await;
        }
        self.drop_strangers(&mut tags);
        tags
    }

    /// Leaves the versions that are young enough. Where no list tells a time, the image's own says when it was made.
    async fn choose_by_time(&self, looking: &Looking<'_>, tags: &mut Vec<(String, Digest, Option<i64>)>) {
        let images: BTreeMap<Digest, Option<i64>> = tags
            .iter()
            .filter(|(tag, ..)| TagKind::of(tag) == TagKind::Image)
            .map(|(_, digest, time)| (*digest, *time))
            .collect();
        let times = stream::iter(images)
            .map(|(digest, time)| async move {
                match time {
                    Some(time) => (digest, Some(time)),
                    None => (digest, self.made_at(looking.origin, &digest).await),
                }
            })
            .buffer_unordered(THINGS_AT_ONCE);
        let times: Vec<(Digest, Option<i64>)> = times.collect().await;
        let chosen: BTreeSet<Digest> = self.options.filter.chosen_by_time(&times).into_iter().collect();
        let known: BTreeMap<Digest, Option<i64>> = times.into_iter().collect();
        tags.retain(|(tag, digest, _)| TagKind::of(tag) != TagKind::Image || chosen.contains(digest));
        for (_, digest, time) in tags {
            *time = time.or_else(|| known.get(digest).copied().flatten());
        }
    }

    /// When an image was made, as its configuration says.
    async fn made_at(&self, origin: &dyn OriginRepository, digest: &Digest) -> Option<i64> {
        let below = self.closures.below(origin, digest).await.ok()?;
        for manifest in below {
            let entry = self.closures.entry(origin, &manifest).await.ok()?;
            let Some(config) = entry.config else { continue };
            let blob = entry.blobs.iter().find(|blob| blob.digest == config)?;
            if blob.size > CONFIG_BYTES_MAX as u64 {
                continue;
            }
            let bytes = self.sides.from_pace.call(|| whole(origin, blob)).await.ok()?;
            let created = ImageConfig::parse(&bytes).ok()?.created?;
            let made: jiff::Timestamp = created.parse().ok()?;
            // Images that are built reproducibly say that they are of 1970.
            return Some(made.as_millisecond()).filter(|time| *time > 0);
        }
        None
    }

    /// Where versions are chosen, what stands beside an image goes with the image that it stands beside.
    fn drop_strangers(&self, tags: &mut Vec<(String, Digest, Option<i64>)>) {
        if !self.options.filter.chooses_versions() {
            return;
        }
        let chosen: BTreeSet<Digest> = tags
            .iter()
            .filter(|(tag, ..)| TagKind::of(tag) == TagKind::Image)
            .map(|(_, digest, _)| *digest)
            .collect();
        tags.retain(|(tag, ..)| subject_of(tag).is_none_or(|subject| chosen.contains(&subject)));
    }

    async fn with_states(
        &self,
        looking: &Looking<'_>,
        tags: Vec<(String, Digest, Option<i64>)>,
    ) -> BTreeMap<String, PlannedTag> {
        let listed = looking
            .there
            .as_ref()
            .map(TagListing::digests)
            .unwrap_or_default();
        let names: BTreeSet<&str> = looking.names_there();
        let (listed, names) = (&listed, &names);
        let states = stream::iter(tags).map(|(tag, digest, uploaded_ms)| async move {
            let there = if !names.contains(tag.as_str()) {
                Ok(None)
            } else if let Some(there) = listed.get(tag.as_str()) {
                Ok(Some(*there))
            } else if let Some(there) = self
                .options
                .journal
                .and_then(|journal| journal.tag(looking.to, &tag))
            {
                Ok(Some(there))
            } else {
                self.sides.to_pace.call(|| looking.target.digest_of(&tag)).await
            };
            let state = match there {
                Ok(None) => TagState::Missing,
                Ok(Some(there)) if there == digest => TagState::Same,
                Ok(Some(there)) => TagState::Differs { there },
                Err(error) => {
                    self.failed(looking.name, &tag, Some(digest), &error);
                    return None;
                }
            };
            let planned = PlannedTag {
                digest,
                state,
                uploaded_ms,
            };
            Some((tag, planned))
        });
        let states: Vec<Option<(String, PlannedTag)>> =
            states.buffer_unordered(THINGS_AT_ONCE).collect().await;
        states.into_iter().flatten().collect()
    }

    /// What has no tag and is to be copied: what Google's listing shows, and what refers to what is wanted.
    async fn untagged(
        &self,
        looking: &Looking<'_>,
        listing: &TagListing,
        tags: &BTreeMap<String, PlannedTag>,
    ) -> BTreeSet<Digest> {
        let roots: BTreeSet<Digest> = tags.values().map(|tag| tag.digest).collect();
        // Those of what is to be copied are asked for when it is read.
        let same = tags.values().filter(|tag| tag.state == TagState::Same);
        let same: BTreeSet<Digest> = same.map(|tag| tag.digest).collect();
        let mut wanted = BTreeSet::new();
        if let (Some(listed), false) = (&listing.manifests, self.options.filter.chooses_versions()) {
            let without = listed.iter().filter(|(_, manifest)| manifest.tags.is_empty());
            wanted.extend(without.map(|(digest, _)| *digest));
        }
        let referrers = stream::iter(&same)
            .map(|digest| async move {
                let pace = &self.sides.from_pace;
                pace.call(|| looking.origin.referrers(digest))
                    .await
                    .map_err(|error| (*digest, error))
            })
            .buffer_unordered(THINGS_AT_ONCE);
        let referrers: Vec<Result<Vec<Digest>, (Digest, PlaceError)>> = referrers.collect().await;
        for found in referrers {
            match found {
                Ok(found) => wanted.extend(found),
                Err((digest, error)) => self.failed(looking.name, &digest.to_string(), Some(digest), &error),
            }
        }
        wanted.retain(|digest| !roots.contains(digest) && !self.is_there(looking, digest));
        wanted
    }

    fn is_there(&self, looking: &Looking<'_>, digest: &Digest) -> bool {
        let listed = looking.there.as_ref().and_then(|there| there.manifests.as_ref());
        match listed {
            Some(listed) => listed.contains_key(digest),
            None => {
                looking.there.is_some()
                    && self
                        .options
                        .journal
                        .is_some_and(|journal| journal.has_manifest(looking.to, digest))
            }
        }
    }

    /// Reads what is to be copied, or everything. What cannot be read is noted, and is not in the plan.
    async fn read_manifests(&self, looking: &Looking<'_>, planned: &mut PlannedRepository) {
        let is_complete = self.options.depth == Depth::Complete;
        let mut roots: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for (tag, planned) in &planned.tags {
            if is_complete || planned.state != TagState::Same {
                roots.entry(planned.digest).or_default().push(tag.clone());
            }
        }
        for digest in &planned.untagged {
            roots.entry(*digest).or_default();
        }
        let reads = stream::iter(roots)
            .map(|(digest, tags)| async move {
                let read = self.read_image(looking.origin, &digest).await;
                (digest, tags, read)
            })
            .buffer_unordered(THINGS_AT_ONCE);
        let reads: Vec<(Digest, Vec<String>, Result<Vec<Digest>, PlaceError>)> = reads.collect().await;
        let mut referrers = BTreeSet::new();
        for (digest, tags, read) in reads {
            match read {
                Ok(found) => referrers.extend(found),
                Err(error) if tags.is_empty() => {
                    planned.untagged.remove(&digest);
                    self.failed(looking.name, &digest.to_string(), Some(digest), &error);
                }
                Err(error) => {
                    for tag in &tags {
                        planned.tags.remove(tag);
                        self.failed(looking.name, tag, Some(digest), &error);
                    }
                }
            }
        }
        referrers.retain(|digest| !self.is_there(looking, digest));
        planned.untagged.extend(referrers);
    }

    /// Reads an image's manifests; returns what refers to those below its root, and what refers to that.
    async fn read_image(
        &self,
        origin: &dyn OriginRepository,
        root: &Digest,
    ) -> Result<Vec<Digest>, PlaceError> {
        let below = self.closures.below(origin, root).await?;
        let mut found: Vec<Digest> = Vec::new();
        let mut open = below.clone();
        let mut seen: BTreeSet<Digest> = below.iter().copied().collect();
        // Referrers of the root itself are known already, but not what refers to them.
        while let Some(digest) = open.pop() {
            for referrer in self.sides.from_pace.call(|| origin.referrers(&digest)).await? {
                if seen.insert(referrer) {
                    let more = self.closures.below(origin, &referrer).await?;
                    open.extend(more.into_iter().filter(|digest| seen.insert(*digest)));
                    open.push(referrer);
                    found.push(referrer);
                }
            }
        }
        if self.options.depth == Depth::Complete {
            self.look_for_blobs(origin, &below).await?;
        }
        Ok(found)
    }

    /// Whether the source has every blob that it says it has.
    async fn look_for_blobs(
        &self,
        origin: &dyn OriginRepository,
        manifests: &[Digest],
    ) -> Result<(), PlaceError> {
        for digest in manifests {
            let entry = self.closures.entry(origin, digest).await?;
            let looks = stream::iter(&entry.blobs).map(|blob| self.closures.look_for(origin, blob));
            let looked: Vec<Result<(), PlaceError>> = looks.buffer_unordered(THINGS_AT_ONCE).collect().await;
            looked.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    fn failed(
        &self,
        repository: &RepositoryName,
        reference: &str,
        digest: Option<Digest>,
        error: &PlaceError,
    ) {
        let told = error.told();
        self.failures().push(Failure {
            repository: repository.to_string(),
            reference: reference.to_owned(),
            digest,
            error: told.error,
            kind: told.kind,
            attempts: 1,
        });
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Vec<Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Looking<'_> {
    fn names_there(&self) -> BTreeSet<&str> {
        let there = self.there.iter().flat_map(|there| &there.tags);
        there.map(String::as_str).collect()
    }

    fn only_there(&self, listing: &TagListing) -> Vec<String> {
        let here: BTreeSet<&str> = listing.tags.iter().map(String::as_str).collect();
        let only = self.names_there().into_iter().filter(|tag| !here.contains(tag));
        only.map(str::to_owned).collect()
    }
}

/// The image that a tag stands beside, by its name.
fn subject_of(tag: &str) -> Option<Digest> {
    if TagKind::of(tag) == TagKind::Image {
        return None;
    }
    let stem = tag.split_once('.').map_or(tag, |(stem, _)| stem);
    stem.replacen('-', ":", 1).parse().ok()
}

async fn whole(origin: &dyn OriginRepository, blob: &BlobEntry) -> Result<Vec<u8>, PlaceError> {
    let mut bytes = Vec::new();
    let mut pieces = origin.blob(blob, 0).await?;
    while let Some(piece) = pieces.source.next().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > CONFIG_BYTES_MAX {
            break;
        }
    }
    Ok(bytes)
}
