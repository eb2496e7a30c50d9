//! Where a registry keeps things: [`BlobStore`] for bytes, [`MetadataStore`] for everything that is said of them.
//!
//! The two meet in one rule: *rows decide*. Bytes arrive as an upload, become an object under a [`StorageKey`] of its
//! own, durable, and only then a row names the key. Nothing ever reads an object that no row names, so nobody sees a
//! part; and an object that lost a race, or whose server died before the row, is garbage that collection takes.
//! Blob bytes are stored once per digest; who may read one is a *link* of a package to it.
//!
//! No path and no SQL passes through the traits, and no answer depends on one process having made another: several
//! servers over one store, on an object store and a shared database, are thinkable.
//!
//! Every call that writes takes the time as a value and says who writes ([`Actor`]); random bytes come from an
//! [`Entropy`].

mod entropy;
mod error;
mod extent;
mod resource;

mod accounts;
mod backup;
mod blobs;
mod cleanup;
mod collection;
mod content;
mod events;
mod listing;
mod metadata;
mod modes;
mod policies;
mod projects;
mod repositories;
mod scrub;
mod settings;
mod statistics;
mod transitions;

#[cfg(test)]
mod conformance;
mod directory;
mod files;
mod private;
mod sqlite;

pub use accounts::{Account, AccountKey, AccountRefusal, Accounts};
pub use backup::{Backup, BackupDirectory, BackupError, BackupOptions, Backups, Copied, MadeBackup, restore};
pub use blobs::{
    Append, BlobContent, BlobStore, ByteRange, ObjectAge, STORAGE_KEY_BYTES_MAX, StorageKey, UploadKey,
};
pub use cleanup::{
    CLEANED_LISTED_MAX, CLEANUP_POLICIES_MAX, Cleaned, Cleaning, CleanupAction, CleanupCondition,
    CleanupMatch, CleanupOptions, CleanupPolicy, CleanupReport, Expired, Expiry, TagState, cleanup,
};
pub use collection::{
    Collection, CollectionOptions, CollectionReport, Cursor, Freed, GRACE_MIN, InPackage, Others, Page, Walk,
    collect, collect_beside,
};
pub use content::{
    Blob, Committed, Content, ManifestReference, NewManifest, PutRefusal, Reference, ReferrerQuery, Removal,
    StoredManifest, TagMove,
};
pub use directory::DataDirectory;
pub use entropy::Entropy;
pub use error::StoreError;
pub use events::{Actor, Event, EventKind, Events};
pub use extent::{Advance, Extent, Watch};
pub use files::FileBlobStore;
pub use listing::{Image, Listing, Package, TagEntry, Version, VersionOrder, VersionQuery};
pub use metadata::MetadataStore;
pub use modes::{FRESH, Member, Mode, Remote, Upstream, UpstreamError, Virtual};
pub use policies::{Policies, PolicyRefusal};
pub use projects::{Project, Projects};
pub use repositories::{Format, ImmutableTags, Repositories, Repository, RepositoryRefusal};
pub use resource::{
    LocationId, PackagePath, ProjectId, RESOURCE_ID_BYTES_MAX, RepositoryId, RepositoryPath, Resource,
    ResourceError,
};
pub use scrub::{FINDINGS_MAX, Finding, Inspection, ManifestState, ScrubOptions, ScrubReport, scrub};
pub use settings::{
    CLEANUP_ID_BYTES_MAX, CLEANUP_PREFIX_BYTES_MAX, CLEANUP_PREFIXES_MAX, DESCRIPTION_BYTES_MAX,
    KEEP_COUNT_MAX, LABEL_BYTES_MAX, LABELS_MAX, MEMBER_ID_BYTES_MAX, MEMBERS_MAX, OWNED_PACKAGES_MAX,
    SettingsError, TAG_PATTERN_BYTES_MAX, TAG_PATTERNS_MAX, VIRTUAL_DEPTH_MAX,
};
pub use sqlite::SqliteMetadata;
pub use statistics::{Counted, Statistics, Usage};
pub use transitions::{
    InTransition, KeptFromOld, OnlyThere, Pushes, Transition, TransitionRefusal, TransitionState,
    TransitionStateError, Transitions,
};
