//! What the store will list by itself.

use oci::Digest;
use store::{PackagePath, Version};

use super::Asked;
use crate::refusal::Refusal;

pub(crate) async fn version(
    asked: &Asked<'_>,
    package: &PackagePath,
    digest: &Digest,
) -> Result<Option<Version>, Refusal> {
    let mut after = None;
    loop {
        let found = asked.registry.metadata().versions(package, after.as_ref(), 500).await?;
        if let Some(version) = found.iter().find(|version| version.digest == *digest) {
            return Ok(Some(version.clone()));
        }
        after = found.last().map(|version| version.digest);
        if found.len() < 500 {
            return Ok(None);
        }
    }
}
