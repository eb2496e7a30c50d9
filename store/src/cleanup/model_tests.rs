//! Cleanups against a model: pushes of images, indexes and referrers, tags that move, time that passes.

use std::collections::{BTreeMap, BTreeSet};

use oci::Digest;
use proptest::prelude::*;

use super::*;
use crate::conformance::{ann, at, manifest, package, repository, tag};
use crate::{Content, ImmutableTags, Listing, NewManifest, Reference, Repositories, SqliteMetadata, TagMove};

const PACKAGES: [&str; 2] = ["a/x", "b"];
const TAGS: [&str; 4] = ["v1", "v2", "dev", "latest"];
const GRACE: i64 = 100;

#[derive(Debug, Clone)]
enum Step {
    /// Pushes an image that names the chosen ones before it, or refers to one.
    Push {
        package: usize,
        children: Vec<usize>,
        subject: Option<usize>,
        tag: usize,
    },
    Tag {
        version: usize,
        tag: usize,
    },
    Untag {
        package: usize,
        tag: usize,
    },
    Again {
        version: usize,
    },
    Wait {
        seconds: i64,
    },
    Clean {
        policies: Vec<CleanupPolicy>,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2_usize, prop::collection::vec(0..30_usize, 0..3), prop::option::weighted(0.3, 0..30_usize), 0..9_usize)
            .prop_map(|(package, children, subject, tag)| Step::Push { package, children, subject, tag }),
        1 => (0..30_usize, 0..4_usize).prop_map(|(version, tag)| Step::Tag { version, tag }),
        1 => (0..2_usize, 0..4_usize).prop_map(|(package, tag)| Step::Untag { package, tag }),
        1 => (0..30_usize).prop_map(|version| Step::Again { version }),
        3 => (1..300_i64).prop_map(|seconds| Step::Wait { seconds }),
        1 => prop::collection::vec(policy(), 1..5).prop_map(|policies| Step::Clean { policies }),
    ];
    prop::collection::vec(step, 1..50)
}

fn policy() -> impl Strategy<Value = CleanupPolicy> {
    let prefix = |texts: &'static [&'static str]| {
        prop::collection::vec(prop::sample::select(texts), 0..2)
            .prop_map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let age = || prop::option::weighted(0.4, (0..600_u64).prop_map(Duration::from_secs));
    let state = prop::sample::select(&[TagState::Any, TagState::Tagged, TagState::Untagged][..]);
    let packages = || prefix(&["a", "b", "c"]);
    let condition = (
        state,
        prefix(&["v", "dev", "l"]),
        prefix(&["sha256:", "sha256:1", "x"]),
        packages(),
        age(),
        age(),
    )
        .prop_map(
            |(tag_state, tag_prefixes, version_prefixes, package_prefixes, older_than, newer_than)| {
                CleanupMatch::Condition(CleanupCondition {
                    tag_state,
                    tag_prefixes: if tag_state == TagState::Untagged {
                        Vec::new()
                    } else {
                        tag_prefixes
                    },
                    version_prefixes,
                    package_prefixes,
                    older_than,
                    newer_than,
                    unused_for: None,
                })
            },
        );
    let recent = (packages(), 1..4_u32).prop_map(|(package_prefixes, keep_count)| CleanupMatch::MostRecent {
        package_prefixes,
        keep_count,
    });
    let action =
        prop::sample::select(&[CleanupAction::Delete, CleanupAction::Delete, CleanupAction::Keep][..]);
    prop_oneof![
        3 => (action, condition),
        1 => (Just(CleanupAction::Keep), recent),
    ]
    .prop_map(|(action, matches)| CleanupPolicy {
        id: String::new(),
        action,
        matches,
    })
}

#[derive(Debug, Clone)]
struct Known {
    package: usize,
    digest: Digest,
    children: BTreeSet<usize>,
    subject: Option<usize>,
    created: i64,
    updated: i64,
}

/// Versions by their number, which is the order in which they were stored.
#[derive(Debug, Default, Clone)]
struct Model {
    now: i64,
    versions: BTreeMap<usize, Known>,
    tags: BTreeMap<(usize, usize), usize>,
}

impl Model {
    fn tags_of(&self, version: usize) -> Vec<&'static str> {
        let named = self.tags.iter().filter(|(_, to)| **to == version);
        named.map(|((_, tag), _)| TAGS[*tag]).collect()
    }

    fn set_tag(&mut self, package: usize, tag: usize, to: usize) {
        let before = self.tags.insert((package, tag), to);
        for changed in before.into_iter().chain([to]) {
            self.versions.get_mut(&changed).unwrap().updated = self.now;
        }
    }

    fn is_child(&self, version: usize) -> bool {
        self.versions
            .values()
            .any(|other| other.children.contains(&version))
    }

    fn goes(&self, number: usize, policies: &[CleanupPolicy]) -> bool {
        let version = &self.versions[&number];
        let tags = self.tags_of(number);
        let name = PACKAGES[version.package];
        let digest = version.digest.to_string();
        let age = Duration::from_secs((self.now - version.created) as u64);
        let begins = |text: &str, prefixes: &[String]| {
            prefixes.is_empty() || prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))
        };
        let meets = |matches: &CleanupMatch| match matches {
            CleanupMatch::Condition(condition) => {
                (match condition.tag_state {
                    TagState::Any => true,
                    TagState::Tagged => !tags.is_empty(),
                    TagState::Untagged => tags.is_empty(),
                }) && (condition.tag_prefixes.is_empty()
                    || tags.iter().any(|tag| begins(tag, &condition.tag_prefixes)))
                    && begins(&digest, &condition.version_prefixes)
                    && begins(name, &condition.package_prefixes)
                    && condition.older_than.is_none_or(|limit| age > limit)
                    && condition.newer_than.is_none_or(|limit| age < limit)
            }
            CleanupMatch::MostRecent {
                package_prefixes,
                keep_count,
            } => {
                let mut newest: Vec<(i64, usize)> = self
                    .versions
                    .iter()
                    .filter(|(other, known)| {
                        known.package == version.package && known.subject.is_none() && !self.is_child(**other)
                    })
                    .map(|(other, known)| (known.created, *other))
                    .collect();
                newest.sort_unstable();
                newest.reverse();
                newest.truncate(*keep_count as usize);
                begins(name, package_prefixes) && newest.contains(&(version.created, number))
            }
        };
        let is = |action| {
            policies
                .iter()
                .any(|policy| policy.action == action && meets(&policy.matches))
        };
        let held = self.is_child(number)
            || version
                .subject
                .is_some_and(|subject| self.versions.contains_key(&subject));
        let fixed = tags.contains(&"latest");
        !held
            && !fixed
            && version.updated < self.now - GRACE
            && is(CleanupAction::Delete)
            && !is(CleanupAction::Keep)
    }

    /// Removes one after another until none can go.
    fn clean(&mut self, policies: &[CleanupPolicy]) -> usize {
        let before = self.versions.len();
        while let Some(number) = self
            .versions
            .keys()
            .copied()
            .find(|number| self.goes(*number, policies))
        {
            self.versions.remove(&number);
            self.tags.retain(|_, to| *to != number);
        }
        before - self.versions.len()
    }
}

struct World {
    store: SqliteMetadata,
    model: Model,
    next: usize,
}

impl World {
    async fn push(
        &mut self,
        (at_package, at_tag): (usize, usize),
        children: Vec<usize>,
        subject: Option<usize>,
    ) {
        let in_package = |number: &usize| {
            let known = self.model.versions.get(number);
            known.is_some_and(|known| known.package == at_package && known.subject.is_none())
        };
        let subject = subject.filter(|number| {
            self.model.versions.contains_key(number) && { self.model.versions[number].package == at_package }
        });
        let children: BTreeSet<usize> = if subject.is_some() {
            BTreeSet::new()
        } else {
            children.into_iter().filter(in_package).collect()
        };
        let named: Vec<_> = children
            .iter()
            .map(|child| (self.model.versions[child].digest, Reference::Child))
            .collect();
        let tags = TAGS.get(at_tag).map(std::slice::from_ref).unwrap_or_default();
        let mut image: NewManifest = manifest(&format!("version {}", self.next), &named, tags);
        image.subject = subject.map(|subject| self.model.versions[&subject].digest);
        let package = package(PACKAGES[at_package]);
        let put = self
            .store
            .put_manifest(&package, &image, ann(), at(self.model.now));
        // The tag may be immutable and name another.
        let refused = put.await.unwrap().is_err();
        let fixed = at_tag == 3 && self.model.tags.contains_key(&(at_package, at_tag));
        assert_eq!(refused, fixed);
        if refused {
            return;
        }
        let now = self.model.now;
        let known = Known {
            package: at_package,
            digest: image.digest,
            children,
            subject,
            created: now,
            updated: now,
        };
        self.model.versions.insert(self.next, known);
        if at_tag < TAGS.len() {
            self.model.set_tag(at_package, at_tag, self.next);
        }
        self.next += 1;
    }

    async fn step(&mut self, step: Step) {
        let now = at(self.model.now);
        match step {
            Step::Push {
                package,
                children,
                subject,
                tag,
            } => self.push((package, tag), children, subject).await,
            Step::Tag { version, tag: number } => {
                let Some(known) = self.model.versions.get(&version).cloned() else {
                    return;
                };
                let tag_move = TagMove {
                    tag: tag(TAGS[number]),
                    to: known.digest,
                };
                let package = package(PACKAGES[known.package]);
                let moved = self.store.move_tag(&package, &tag_move, ann(), now).await;
                if moved.unwrap().is_ok() {
                    self.model.set_tag(known.package, number, version);
                }
            }
            Step::Untag {
                package: number,
                tag: name,
            } => {
                let (package, tag) = (package(PACKAGES[number]), tag(TAGS[name]));
                let deleted = self.store.delete_tag(&package, &tag, ann(), now).await;
                if deleted.unwrap() == Ok(true) {
                    let was = self.model.tags.remove(&(number, name)).unwrap();
                    self.model.versions.get_mut(&was).unwrap().updated = self.model.now;
                }
            }
            Step::Again { version } => {
                let Some(known) = self.model.versions.get_mut(&version) else {
                    return;
                };
                known.updated = self.model.now;
                let package = package(PACKAGES[known.package]);
                let image = manifest(&format!("version {version}"), &[], &[]);
                let put = self.store.put_manifest(&package, &image, ann(), now).await;
                put.unwrap().unwrap();
            }
            Step::Wait { seconds } => self.model.now += seconds,
            Step::Clean { policies } => self.clean(policies).await,
        }
    }

    async fn clean(&mut self, mut policies: Vec<CleanupPolicy>) {
        for (number, policy) in policies.iter_mut().enumerate() {
            policy.id = number.to_string();
        }
        let mut settings = repository("r");
        settings.immutable_tags = ImmutableTags::Matching(vec!["latest".to_owned()]);
        settings.cleanup = policies.clone();
        let updated = self.store.update_repository(&settings, ann()).await;
        updated.unwrap().unwrap();
        let mut options = CleanupOptions {
            repository: None,
            grace: Duration::from_secs(GRACE as u64),
            dry_run: true,
            actor: ann().clone(),
        };
        let now = at(self.model.now);
        let counted = cleanup(&self.store, &options, now).await.unwrap();
        options.dry_run = false;
        let report = cleanup(&self.store, &options, now).await.unwrap();
        let expected = self.model.clean(&policies);
        assert_eq!(report.removed.versions, expected as u64);
        assert_eq!(counted.counted, report.removed);
        for (number, name) in PACKAGES.iter().enumerate() {
            let query = crate::VersionQuery {
                limit: 1000,
                ..crate::VersionQuery::default()
            };
            let found = self.store.versions(&package(name), &query).await.unwrap();
            let there: BTreeSet<Digest> = found.items.iter().map(|version| version.digest).collect();
            let known = self
                .model
                .versions
                .values()
                .filter(|known| known.package == number);
            assert_eq!(there, known.map(|known| known.digest).collect());
        }
    }
}

async fn run(steps: Vec<Step>) {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World {
        store: SqliteMetadata::open(&directory.path().join("metadata.sqlite")).unwrap(),
        model: Model::default(),
        next: 0,
    };
    let mut made = repository("r");
    made.immutable_tags = ImmutableTags::Matching(vec!["latest".to_owned()]);
    world
        .store
        .create_repository(&made, ann())
        .await
        .unwrap()
        .unwrap();
    for step in steps {
        world.step(step).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cleanup_takes_what_policies_delete_and_nothing_else(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}
