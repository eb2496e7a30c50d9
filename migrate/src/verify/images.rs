//! The images of a repository on both sides.

use std::collections::BTreeMap;

use client::Selector;
use oci::{Descriptor, Digest};

use super::finding::{Damage, Finding};
use super::hashing::Hashed;
use super::report::Report;
use super::side::{Presence, Side, told};
use super::walk::{Fault, Seen, walk};
use super::{Depth, Pair, Verification};

/// Tags of a repository that are looked at for one whole image.
const SAMPLED_MAX: usize = 20;

/// An image that is whole and the same on both sides, for principals to pull.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) tag: String,
    pub(super) digest: Digest,
    pub(super) blob: Option<Descriptor>,
    /// Whether the new side may lack it: what is not there is fetched when it is asked for.
    pub(super) may_be_absent: bool,
}

/// What is needed while one repository is compared.
struct Comparison<'c> {
    old: &'c Side,
    new: &'c Side,
    depth: Depth,
    seen_old: Seen,
    seen_new: Seen,
    hashed: &'c mut Hashed,
    report: &'c mut Report,
}

/// Compares every tag, and what it needs; gives an image to try as others, if there is one.
pub(super) async fn compare(
    pair: &Pair,
    with: &Verification<'_>,
    hashed: &mut Hashed,
    report: &mut Report,
) -> Option<Sample> {
    let opened = (
        Side::open(&with.operator.old, &pair.old),
        Side::open(&with.operator.new, &pair.new),
    );
    let (old, new) = match opened {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) => {
            report.unchecked(pair.old.to_string(), told(&error));
            return None;
        }
        (_, Err(error)) => {
            report.unchecked(pair.new.to_string(), told(&error));
            return None;
        }
    };
    let old_tags = tags(&old, report).await?;
    let new_tags = tags(&new, report).await?;
    let wanted = |tag: &String| pair.tags.as_ref().is_none_or(|tags| tags.contains(tag));
    report.only_new += new_tags
        .keys()
        .filter(|tag| wanted(tag) && !old_tags.contains_key(*tag))
        .count();
    // A tag that was to be there and is not was moved away meanwhile.
    for tag in pair
        .tags
        .iter()
        .flatten()
        .filter(|tag| !old_tags.contains_key(*tag))
    {
        report.unchecked(
            format!("{}:{tag}", old.name),
            "it is not on the old side any more",
        );
    }
    let mut comparison = Comparison {
        old: &old,
        new: &new,
        depth: with.depth,
        seen_old: Seen::default(),
        seen_new: Seen::default(),
        hashed,
        report,
    };
    let mut sample = None;
    let compared: Vec<(&String, &Descriptor)> = old_tags.iter().filter(|(tag, _)| wanted(tag)).collect();
    for (tag, there) in &compared {
        comparison.report.tags += 1;
        let found = comparison.tag(tag, there, new_tags.get(*tag)).await;
        sample = sample.or(found);
    }
    if sample.is_some() || compared.is_empty() {
        return sample;
    }
    // Nothing is whole and the same on both sides: who may read is looked at with what the old side has.
    let names = compared.into_iter().map(|(tag, _)| tag.clone()).collect();
    first_readable(&old, names, report).await
}

/// An image of the old side to try as others, of the first tags; nothing is compared.
pub(super) async fn sample(pair: &Pair, with: &Verification<'_>, report: &mut Report) -> Option<Sample> {
    let old = match Side::open(&with.operator.old, &pair.old) {
        Ok(old) => old,
        Err(error) => {
            report.unchecked(pair.old.to_string(), told(&error));
            return None;
        }
    };
    let names = match old.names().await {
        Ok(names) => names,
        Err(error) => {
            report.unchecked(format!("the tags of {}", old.name), told(&error));
            return None;
        }
    };
    let wanted = |tag: &String| pair.tags.as_ref().is_none_or(|tags| tags.contains(tag));
    let names: Vec<String> = names.into_iter().filter(wanted).collect();
    report.tags += names.len();
    first_readable(&old, names, report).await
}

/// The first image that is whole on the old side, else the first that has a manifest there. When there is none of either,
/// nothing can be said of who may read, and that is noted.
async fn first_readable(old: &Side, names: Vec<String>, report: &mut Report) -> Option<Sample> {
    let (mut damaged, mut failed) = (None, None);
    let has_tags = !names.is_empty();
    for tag in names.into_iter().take(SAMPLED_MAX) {
        let root = match old.source.resolve(&Selector::Tag(tag.clone())).await {
            Ok(root) => root,
            Err(error) => {
                failed.get_or_insert(told(&error));
                continue;
            }
        };
        let walked = walk(old, &root, &mut Seen::default()).await;
        let is_whole = walked.faults.is_empty();
        let sample = Sample {
            tag,
            digest: root.digest,
            // Of an image that is not whole only the manifest is tried.
            blob: walked.first_blob.filter(|_| is_whole),
            may_be_absent: true,
        };
        if is_whole {
            return Some(sample);
        }
        damaged.get_or_insert(sample);
    }
    if damaged.is_none() && has_tags {
        let error = failed.unwrap_or_else(|| "it has no image to try with".to_owned());
        report.unchecked(format!("who may read {}", old.name), error);
    }
    damaged
}

async fn tags(side: &Side, report: &mut Report) -> Option<BTreeMap<String, Descriptor>> {
    match side.tags().await {
        Ok(tags) => Some(tags),
        Err(error) => {
            report.unchecked(format!("the tags of {}", side.name), told(&error));
            None
        }
    }
}

impl Comparison<'_> {
    async fn tag(&mut self, tag: &str, there: &Descriptor, here: Option<&Descriptor>) -> Option<Sample> {
        let repository = self.new.name.clone();
        let Some(here) = here else {
            if !self.is_damaged_there(tag, there).await {
                self.report.add(Finding::TagMissing {
                    repository,
                    tag: tag.to_owned(),
                    digest: there.digest,
                });
            }
            return None;
        };
        if here.digest != there.digest {
            self.report.add(Finding::TagDiffers {
                repository,
                tag: tag.to_owned(),
                old: there.digest,
                new: here.digest,
            });
        }
        let (is_whole, blob) = self.image(tag, here).await;
        (is_whole && here.digest == there.digest).then(|| Sample {
            tag: tag.to_owned(),
            digest: here.digest,
            blob,
            may_be_absent: false,
        })
    }

    /// Follows an image on the new side, with what refers to it; whether it is whole, and a blob of it.
    async fn image(&mut self, tag: &str, root: &Descriptor) -> (bool, Option<Descriptor>) {
        let mut is_whole = true;
        let mut first_blob = None;
        let mut waiting = vec![root.clone()];
        while let Some(descriptor) = waiting.pop() {
            let walked = walk(self.new, &descriptor, &mut self.seen_new).await;
            first_blob = first_blob.or(walked.first_blob);
            self.report.manifests += walked.manifests.len();
            self.report.blobs += walked.blobs.len() + walked.faults.len();
            for fault in walked.faults {
                is_whole = false;
                self.fault(tag, fault);
            }
            for blob in walked.blobs {
                self.hash(tag, &blob).await;
            }
            for subject in walked.manifests {
                waiting.extend(self.referrers(&subject).await);
            }
        }
        (is_whole, first_blob)
    }

    fn fault(&mut self, tag: &str, fault: Fault) {
        let Fault {
            part,
            digest,
            presence,
        } = fault;
        let (repository, tag) = (self.new.name.clone(), tag.to_owned());
        self.report.add(match presence {
            Presence::Damaged(problem) => Finding::PartDamaged {
                repository,
                tag,
                part,
                digest,
                problem,
            },
            Presence::Unknown(error) => Finding::Unchecked {
                what: format!("{part} {digest} of {repository}:{tag}"),
                error,
            },
            Presence::Missing | Presence::Here => Finding::PartMissing {
                repository,
                tag,
                part,
                digest,
            },
        });
    }

    async fn hash(&mut self, tag: &str, blob: &Descriptor) {
        if self.depth == Depth::Presence {
            return;
        }
        let Some((bytes, problem)) = self.hashed.check(self.new, blob).await else {
            return;
        };
        self.report.hashed_bytes += bytes;
        if let Some(problem) = problem {
            self.report.add(Finding::PartDamaged {
                repository: self.new.name.clone(),
                tag: tag.to_owned(),
                part: super::Part::Blob,
                digest: blob.digest,
                problem,
            });
        }
    }

    /// Compares what refers to a manifest; gives what does here.
    async fn referrers(&mut self, subject: &Digest) -> Vec<Descriptor> {
        let mut both = Vec::new();
        for side in [self.old, self.new] {
            match side.source.referrers(subject).await {
                Ok(found) => both.push(found),
                Err(error) => {
                    let what = format!("what refers to {subject} in {}", side.name);
                    self.report.unchecked(what, told(&error));
                    return Vec::new();
                }
            }
        }
        let here = both.pop().unwrap_or_default();
        let there = both.pop().unwrap_or_default();
        for referrer in there {
            let is_here = here.iter().any(|other| other.digest == referrer.digest);
            if !is_here && !self.is_damaged_there(&subject.to_string(), &referrer).await {
                self.report.add(Finding::ReferrerMissing {
                    repository: self.new.name.clone(),
                    subject: *subject,
                    digest: referrer.digest,
                });
            }
        }
        here
    }

    /// Whether an image is not whole on the old side either, which is then noted.
    async fn is_damaged_there(&mut self, reference: &str, root: &Descriptor) -> bool {
        // What was walked as a part of another image is walked again: its faults are this one's too.
        self.seen_old = Seen::default();
        let walked = walk(self.old, root, &mut self.seen_old).await;
        let mut is_damaged = false;
        for Fault { digest, presence, .. } in walked.faults {
            let problem = match presence {
                Presence::Missing => "is missing".to_owned(),
                Presence::Damaged(problem) => format!("is damaged: {problem}"),
                // What could not be looked at may be whole.
                Presence::Unknown(_) | Presence::Here => continue,
            };
            is_damaged = true;
            self.report.damaged(Damage {
                repository: self.old.name.clone(),
                reference: reference.to_owned(),
                digest,
                problem,
            });
        }
        is_damaged
    }
}
