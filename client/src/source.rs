//! Where images come from.

use std::fmt;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use oci::{Descriptor, Digest, Manifest, ManifestError};

use crate::BlobRead;
use crate::registry::RegistryError;

/// A place that images are read from: one repository of a registry, one layout, one archive.
///
/// Required by every implementation: manifests come verified against their descriptor and verbatim;
/// blobs come unverified, with the length their descriptor says where that is known beforehand.
#[async_trait]
pub trait Source: Send + Sync {
    /// The descriptor of the manifest that `selector` names.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] and [`SourceError::NotUnique`], which list what there is.
    async fn resolve(&self, selector: &Selector) -> Result<Descriptor, SourceError>;

    /// The manifest of that digest, verified.
    ///
    /// # Errors
    /// When it is absent, is not what its digest and size say, or is no manifest.
    async fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError>;

    /// The bytes of a blob, unverified.
    ///
    /// # Errors
    /// When it is absent, or is known to have another size.
    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobRead, SourceError>;

    /// Every name and what it names, by name.
    ///
    /// # Errors
    /// When the list cannot be read.
    async fn tags(&self) -> Result<Vec<(String, Descriptor)>, SourceError>;

    /// Descriptors of the manifests whose subject is `digest`, with their artifact type and annotations.
    ///
    /// # Errors
    /// When the list cannot be read.
    ///
    /// Spec: distribution-spec "Listing Referrers".
    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, SourceError>;
}

/// Which manifest of a source is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The one with that name.
    Tag(String),
    /// The one with that digest.
    Digest(Digest),
    /// The only one there is.
    Only,
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(formatter, "tag {tag:?}"),
            Self::Digest(digest) => write!(formatter, "digest {digest}"),
            Self::Only => formatter.write_str("the only image"),
        }
    }
}

/// Why something cannot be read from a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing there is what was selected.
    #[error("no image with {selector}; there is {}", listed(.available))]
    NotFound {
        /// What was selected.
        selector: Selector,
        /// The names that there are.
        available: Vec<String>,
    },
    /// More than one is there, and none was named.
    #[error("more than one image, name one of them: {}", listed(.available))]
    NotUnique {
        /// The names, or digests of what has no name.
        available: Vec<String>,
    },
    /// A blob or manifest is absent.
    #[error("blob {digest} is missing")]
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// A blob or manifest does not have its size.
    #[error("blob {digest} is {actual} bytes, its descriptor says {expected}")]
    Size {
        /// Its digest.
        digest: Digest,
        /// The size its descriptor says.
        expected: u64,
        /// The size it has.
        actual: u64,
    },
    /// The bytes are not what their digest says.
    #[error("content of {expected} is damaged: its digest is {actual}")]
    Digest {
        /// The digest its descriptor says.
        expected: Digest,
        /// The digest of what is there.
        actual: Digest,
    },
    /// A manifest cannot be read.
    #[error("manifest {digest} cannot be used")]
    Manifest {
        /// Its digest.
        digest: Digest,
        /// Why not.
        source: ManifestError,
    },
    /// A registry did not give it.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file, or its name inside an archive.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl From<RegistryError> for SourceError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

/// Names for a message: not longer than a few lines.
fn listed(names: &[String]) -> String {
    const LISTED_MAX: usize = 12;
    if names.is_empty() {
        return "none with a name".to_owned();
    }
    let shown: Vec<&str> = names.iter().take(LISTED_MAX).map(String::as_str).collect();
    match names.len().checked_sub(LISTED_MAX) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_names_is_cut() {
        let available: Vec<String> = (0..14).map(|number| format!("v{number}")).collect();
        let error = SourceError::NotUnique { available };
        assert!(
            error
                .to_string()
                .ends_with("them: v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11 and 2 more")
        );
        let error = SourceError::NotFound {
            selector: Selector::Tag("a".to_owned()),
            available: vec!["b".to_owned()],
        };
        assert_eq!(error.to_string(), "no image with tag \"a\"; there is b");
    }
}
