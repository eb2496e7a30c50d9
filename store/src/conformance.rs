//! What every back end keeps to: the contract of the traits as tests, and what they need.
//!
//! A back end calls [`blob_store_contract`] and [`metadata_contract`] with an expression that makes a new, empty store.

pub(crate) mod accounts;
pub(crate) mod administrators;
pub(crate) mod blobs;
pub(crate) mod cleanup;
pub(crate) mod collection;
pub(crate) mod content;
pub(crate) mod listing;
pub(crate) mod metadata;
pub(crate) mod modes;
mod otherwise;
pub(crate) mod policies;
pub(crate) mod removal;
pub(crate) mod statistics;
pub(crate) mod transitions;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use oci::{Digest, MediaType, Tag};
use tokio::io::AsyncReadExt;

use crate::{
    Actor, Blob, BlobContent, BlobStore, Entropy, ImmutableTags, ManifestReference, MetadataStore,
    NewManifest, PackagePath, Reference, Repository, StorageKey, UploadKey,
};

/// A test for each promise of [`BlobStore`]. `$world` makes a `BlobWorld`.
macro_rules! blob_store_contract {
    ($world:expr) => {
        $crate::conformance::contract! { $world, $crate::conformance::blobs,
            what_was_sealed_is_read_by_range,
            an_empty_object_is_an_object,
            nothing_of_an_upload_is_an_object,
            one_appends_at_a_time_and_only_at_the_end,
            an_upload_is_read_while_it_grows,
            an_append_that_was_dropped_leaves_a_beginning,
            a_read_that_began_before_a_removal_ends_well,
            an_object_of_another_length_is_not_served,
            uploads_are_listed_when_they_rest,
            objects_are_listed_page_by_page_in_order,
            the_same_bytes_twice_are_two_objects,
        }
    };
}

/// A test for each promise of the families of [`MetadataStore`]. `$world` makes a `MetadataWorld`.
macro_rules! metadata_contract {
    ($world:expr) => {
        mod repositories {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::metadata,
                a_repository_is_made_once_and_found_by_name,
                repositories_are_listed_page_by_page_by_project_or_all,
                settings_are_replaced_and_the_rest_stays,
                a_deleted_repository_takes_everything_along,
                settings_without_bounds_are_refused,
                a_repository_tells_what_it_holds,
                a_quota_of_a_project_counts_all_its_repositories,
                projects_are_those_with_a_repository_or_a_quota,
                pushes_at_once_do_not_exceed_a_quota_together,
                packages_below_a_name_do_not_include_its_neighbours,
                events_are_in_order_and_tell_who_and_when,
            }
        }
        mod modes {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::modes,
                a_repository_says_where_its_content_comes_from,
                virtual_repositories_lead_to_others_and_never_in_a_circle,
            }
        }
        mod content {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::content,
                a_blob_is_seen_by_those_alone_who_link_it,
                a_mount_needs_a_link_at_its_source,
                a_quota_counts_each_blob_of_a_repository_once,
                a_manifest_names_only_what_its_own_package_has,
                a_refused_push_leaves_nothing_behind,
                a_manifest_keeps_its_bytes_and_its_digest,
                an_immutable_tag_is_neither_moved_nor_removed,
                a_tag_remembers_what_it_named,
                tags_are_listed_page_by_page_in_bytewise_order,
                referrers_are_found_by_subject_and_kind_page_by_page,
                a_deleted_package_takes_everything_along,
                an_immutable_tag_keeps_its_package,
                parents_are_indexes_and_referrers,
                manifests_are_found_by_a_blob_that_they_name,
                what_is_held_is_removed_only_by_who_says_so,
                many_writes_at_once_are_all_answered_and_one_failure_is_its_own,
            }
        }
        mod listing {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::listing,
                packages_are_listed_once_they_have_a_manifest,
                versions_are_listed_with_their_tags,
                sizes_that_nobody_can_have_do_not_hinder_a_listing,
                versions_come_in_any_order_page_by_page,
                images_of_all_packages_come_page_by_page,
                tags_are_listed_with_what_they_name,
                a_place_in_another_listing_is_refused,
            }
        }
        mod access {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::accounts,
                an_account_is_made_once_whatever_its_kind,
                accounts_are_listed_page_by_page,
                a_changed_account_is_of_a_newer_generation,
                keys_belong_to_an_account_and_go_with_it,
                the_first_secret_of_a_name_stays,
                events_of_accounts_tell_of_the_registry,
            }
            $crate::conformance::contract! { $world, $crate::conformance::administrators,
                no_change_takes_the_last_administrator_away,
                whoever_administers_by_a_group_counts_and_who_cannot_log_in_does_not,
                of_two_who_remove_each_other_at_once_one_stays,
                who_never_administered_may_go,
                a_registry_that_was_closed_stays_so_until_it_is_reopened,
            }
            $crate::conformance::contract! { $world, $crate::conformance::policies,
                a_policy_is_set_and_read_again,
                of_two_writers_who_read_the_same_the_second_is_told,
                policies_that_say_something_are_listed,
                a_repository_that_is_gone_leaves_no_rights,
                a_deleted_account_leaves_no_rights_to_a_later_one_of_its_name,
                the_access_generation_grows_with_every_change_of_rights,
            }
        }
        mod statistics {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::statistics,
                counts_are_added_and_the_last_time_is_kept,
                counts_of_what_is_gone_are_passed_over,
            }
        }
        mod cleaning {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::cleanup,
                versions_go_by_the_policies_of_their_repository,
                the_newest_images_of_each_package_stay_whatever_they_are_made_of,
                what_an_index_holds_goes_after_it,
                referrers_go_after_what_they_refer_to,
                immutable_tags_and_recent_changes_protect,
                what_is_wanted_again_since_it_was_listed_stays,
                where_policies_only_count_nothing_goes,
                a_cleanup_reaches_everything_in_small_parts,
            }
        }
        mod removing {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::removal,
                pushes_go_on_while_much_is_removed,
                a_removal_that_ends_half_way_leaves_what_is_whole_and_is_repeated,
                what_is_pushed_while_a_package_goes_stays_whole,
                indexes_that_are_older_than_what_they_name_go_too,
            }
        }
        mod moving {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::transitions,
                a_transition_is_changed_by_who_knows_it_as_it_is,
                what_is_deleted_here_leaves_a_tombstone_while_this_side_owns_the_tags,
                a_package_that_is_deleted_does_not_come_back_from_the_old_side,
                a_tag_that_was_pushed_here_is_not_moved_by_the_old_side,
                what_is_owed_is_remembered_until_it_is_repaid,
                a_tag_is_settled_only_while_it_names_what_was_seen,
                who_owns_the_tags_is_decided_where_what_came_is_stored,
                what_only_the_old_side_has_is_deleted_by_a_tombstone,
                a_tag_that_is_set_again_on_what_it_names_is_said_anew_by_a_push_alone,
            }
        }
        mod collecting {
            use super::*;
            $crate::conformance::contract! { $world, $crate::conformance::collection,
                a_blob_is_taken_when_nobody_links_it_and_its_time_is_over,
                a_link_that_a_manifest_needs_stays,
                untagged_manifests_are_those_that_nothing_holds,
                what_became_needed_since_it_was_listed_stays,
                walks_reach_everything_in_small_parts,
                a_scrub_walk_tells_what_is_missing,
            }
        }
    };
}

macro_rules! contract {
    ($world:expr, $suite:path, $($promise:ident,)+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                use $suite as suite;
                suite::$promise($world).await;
            }
        )+
    };
}

pub(crate) use {blob_store_contract, contract, metadata_contract};

/// A store of bytes, what must stay while it is used, and how to follow its redirects.
pub(crate) struct BlobWorld {
    pub(crate) store: Box<dyn BlobStore>,
    pub(crate) entropy: Counter,
    pub(crate) fetch: Box<Fetch>,
    pub(crate) _keep: Box<dyn std::any::Any + Send>,
}

/// Fetches a whole object from where a redirect points.
pub(crate) type Fetch = dyn Fn(&str) -> Vec<u8> + Send + Sync;

pub(crate) fn no_redirects(place: &str) -> Vec<u8> {
    panic!("{place} was not to be fetched");
}

impl BlobWorld {
    pub(crate) async fn upload(&self, content: &[u8]) -> UploadKey {
        let upload = UploadKey::of(&UploadKey::session(&self.entropy), "p").unwrap();
        self.store.begin(&upload).await.unwrap();
        let mut append = self.store.append(&upload, 0).await.unwrap();
        append.write(Bytes::copy_from_slice(content)).await.unwrap();
        assert_eq!(append.finish().await.unwrap(), content.len() as u64);
        upload
    }

    pub(crate) async fn stored(&self, content: &[u8]) -> StorageKey {
        let upload = self.upload(content).await;
        let key = StorageKey::new(&Digest::sha256_of(content), &self.entropy);
        let size = content.len() as u64;
        self.store.seal(&upload, &key, size).await.unwrap();
        key
    }
}

/// Metadata with one repository, and what must stay while it is used.
pub(crate) struct MetadataWorld {
    pub(crate) store: std::sync::Arc<dyn MetadataStore>,
    pub(crate) _keep: Box<dyn std::any::Any + Send>,
}

impl MetadataWorld {
    /// With a repository of these settings.
    pub(crate) async fn with(self, immutable_tags: ImmutableTags, quota_bytes: Option<u64>) -> MetadataWorld {
        let mut made = repository("r");
        made.immutable_tags = immutable_tags;
        made.quota_bytes = quota_bytes;
        self.store.create_repository(&made, ann()).await.unwrap().unwrap();
        self
    }

    pub(crate) async fn plain(self) -> MetadataWorld {
        self.with(ImmutableTags::None, None).await
    }

    pub(crate) async fn put(
        &self,
        package: &PackagePath,
        manifest: &NewManifest,
    ) -> Result<(), crate::PutRefusal> {
        let put = self.store.put_manifest(package, manifest, ann(), at(20));
        put.await.unwrap()
    }

    /// What the repository says that it holds.
    pub(crate) async fn size(&self) -> u64 {
        let found = self.store.repository(&repository("r").path).await.unwrap();
        found.unwrap().size_bytes
    }

    pub(crate) async fn commit(&self, package: &PackagePath, blob: &Blob) -> crate::Committed {
        self.store.commit_blob(package, blob, ann()).await.unwrap()
    }
}

pub(crate) fn repository(id: &str) -> Repository {
    let path = format!("projects/p/locations/l/repositories/{id}");
    Repository {
        description: "of tests".to_owned(),
        labels: [("team".to_owned(), "x".to_owned())].into(),
        ..Repository::new(path.parse().unwrap(), at(1))
    }
}

pub(crate) fn package(name: &str) -> PackagePath {
    PackagePath {
        repository: repository("r").path,
        name: name.parse().unwrap(),
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn ann() -> &'static Actor {
    static ANN: LazyLock<Actor> = LazyLock::new(|| Actor("user:ann".to_owned()));
    &ANN
}

pub(crate) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// A blob seen at second 10, with the key that the `number`th upload of its bytes might have.
pub(crate) fn blob(content: &[u8], number: u32) -> Blob {
    let digest = Digest::sha256_of(content);
    Blob {
        digest,
        size: content.len() as u64,
        key: format!("{digest}.{number:032x}").parse().unwrap(),
        last_seen: at(10),
    }
}

pub(crate) fn manifest(content: &str, references: &[(Digest, Reference)], tags: &[&str]) -> NewManifest {
    NewManifest {
        digest: Digest::sha256_of(content.as_bytes()),
        bytes: Bytes::copy_from_slice(content.as_bytes()),
        media_type: MediaType::OCI_MANIFEST,
        artifact_type: None,
        subject: None,
        references: references
            .iter()
            .map(|(digest, kind)| ManifestReference {
                digest: *digest,
                kind: *kind,
            })
            .collect(),
        size_bytes: 7,
        tags: tags.iter().map(|text| tag(text)).collect(),
    }
}

/// The bytes, however they come.
pub(crate) async fn bytes_of(
    content: BlobContent,
    fetch: &(dyn Fn(&str) -> Vec<u8> + Send + Sync),
) -> Vec<u8> {
    match content {
        BlobContent::File { file, range } => {
            use std::os::unix::fs::FileExt as _;
            let mut bytes = vec![0; range.length() as usize];
            file.read_exact_at(&mut bytes, range.start).unwrap();
            bytes
        }
        BlobContent::Stream(mut stream) => {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            bytes
        }
        BlobContent::Redirect(place) => fetch(&place),
    }
}

/// Counts, so that every key is another.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        bytes.fill(0);
        bytes[..8].copy_from_slice(&number.to_be_bytes());
    }
}

/// Chance that can be had again (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % (end.max(1) as u64)) as usize
    }
}
