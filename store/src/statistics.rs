//! How often what is pulled and pushed.

use async_trait::async_trait;
use jiff::Timestamp;
use oci::Digest;

use crate::{PackagePath, StoreError};

/// Pulls and pushes of one version, to be added to what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// In which package.
    pub package: PackagePath,
    /// The manifest.
    pub digest: Digest,
    /// How often its manifest was pulled (by GET), and when last.
    pub pulls: Option<Counted>,
    /// How often it was pushed, and when last.
    pub pushes: Option<Counted>,
}

/// How often, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Timestamp,
}

/// Counts of use. They are added in batches and in no push's way: what was counted since the last batch is lost with a
/// killed server.
#[async_trait]
pub trait Statistics: Send + Sync {
    /// Adds to what is known; versions that are gone are passed over.
    async fn add_usage(&self, usages: &[Usage]) -> Result<(), StoreError>;

    /// What is known of these versions of a package; those never used are left out.
    async fn usage(&self, package: &PackagePath, digests: &[Digest]) -> Result<Vec<Usage>, StoreError>;
}
