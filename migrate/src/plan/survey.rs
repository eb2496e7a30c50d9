//! Looking at both sides.

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use client::TagKind;
use client::registry::{Misnamed, TagListing};
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
use crate::place::{Origin, OriginRepository, Repositories, Target, TargetRepository};

/// Repositories that are looked at at once; the pace bounds the requests.
const REPOSITORIES_AT_ONCE: usize = 32;

/// Tags and manifests of one repository that are looked at at once.
const THINGS_AT_ONCE: usize = 64;

/// Names that are none and are told of one list, each by itself.
const MISNAMED_TOLD_MAX: usize = 100;

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
    let listed = match &options.names {
        Some(names) => Repositories {
            named: names.iter().map(|name| (name.clone(), None)).collect(),
            misnamed: Misnamed::default(),
        },
        None => {
            let listed = sides.from_pace.call(|| sides.origin.repositories()).await;
            listed
                .map_err(SurveyError::Source)?
                .ok_or(SurveyError::NoCatalogue)?
        }
    };
    let mut found = listed.named;
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
    survey.misnamed(None, listed.misnamed);
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
    /// Whether the source's listing names all that is to be copied: every manifest, and so every referrer.
    is_told_whole: bool,
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
        looked
            .map_err(|error| self.failed(name.as_str(), "", None, &error))
            .ok()
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
            None => match from_pace.call(|| origin.listing()).await? {
                Some(listing) => listing,
                // Catalogues name what was deleted; who names a repository himself means one that is there.
                None if self.options.names.is_none() => TagListing::default(),
                None => return Err(PlaceError::NoRepository { name: name.clone() }),
            },
        };
        self.misnamed(Some(name), listing.misnamed.clone());
        let there = to_pace.call(|| target.listing()).await?;
        planned.exists = there.is_some();
        let looking = Looking {
            name,
            to: &to,
            origin: &*origin,
            target: &*target,
            there,
            is_told_whole: listing.manifests.is_some() && !self.options.filter.chooses_versions(),
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
                            self.failed(looking.name.as_str(), tag, None, &error);
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
            let there = match (names.contains(tag.as_str()), listed.get(tag.as_str())) {
                (false, _) => Ok(None),
                (true, Some(there)) => Ok(Some(*there)),
                (true, None) => self.digest_there(looking, &tag).await,
            };
            let state = match there {
                Ok(None) => TagState::Missing,
                Ok(Some(there)) if there == digest => TagState::Same,
                Ok(Some(there)) => TagState::Differs { there },
                Err(error) => {
                    self.failed(looking.name.as_str(), &tag, Some(digest), &error);
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

    /// What a tag names at the destination, where no list tells: as the journal says, or else by a question, whose answer
    /// the journal keeps.
    async fn digest_there(&self, looking: &Looking<'_>, tag: &str) -> Result<Option<Digest>, PlaceError> {
        let journal = self.options.journal;
        if let Some(there) = journal.and_then(|journal| journal.tag(looking.to, tag)) {
            return Ok(Some(there));
        }
        let there = self.sides.to_pace.call(|| looking.target.digest_of(tag)).await?;
        if let (Some(journal), Some(there)) = (journal, there) {
            journal.tag_done(looking.to, tag, &there)?;
        }
        Ok(there)
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
        let asked = match (&listing.manifests, looking.is_told_whole) {
            (Some(listed), true) => {
                let without = listed.iter().filter(|(_, manifest)| manifest.tags.is_empty());
                wanted.extend(without.map(|(digest, _)| *digest));
                BTreeSet::new()
            }
            _ => same,
        };
        let referrers = stream::iter(&asked)
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
                Err((digest, error)) => {
                    self.failed(looking.name.as_str(), &digest.to_string(), Some(digest), &error)
                }
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

    /// Notes what is listed and is no name, of repositories or within one: it is not copied, and nobody would notice.
    fn misnamed(&self, repository: Option<&RepositoryName>, mut misnamed: Misnamed) {
        let filter = &self.options.filter;
        misnamed.retain(|name| match repository {
            Some(_) => filter.takes_tag(name),
            None => filter.takes_repository(name),
        });
        let names = misnamed.first();
        for name in names.take(MISNAMED_TOLD_MAX) {
            match repository {
                Some(repository) => self.failed(repository.as_str(), name, None, &PlaceError::Misnamed),
                None => self.failed(name, "", None, &PlaceError::Misnamed),
            }
        }
        let untold = misnamed.first().skip(MISNAMED_TOLD_MAX).count() as u64;
        let count = misnamed.more().saturating_add(untold);
        if count > 0 {
            let repository = repository.map_or("", RepositoryName::as_str);
            self.failed(repository, "", None, &PlaceError::MisnamedMore { count });
        }
    }

    fn failed(&self, repository: &str, reference: &str, digest: Option<Digest>, error: &PlaceError) {
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
