//! What a manifest needs: the values that an inventory is made of.

use oci::{Digest, Manifest, MediaType, Parsed, Platform};
use serde::{Deserialize, Serialize};

use crate::filter::Filter;

/// A manifest, as far as copying it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// What it is.
    pub media_type: MediaType,
    /// Its length, in bytes.
    pub size: u64,
    /// The manifests that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
    /// The blobs that it names and that are meant to be copied, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<BlobEntry>,
    /// What it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// The configuration of an image, which tells when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Digest>,
}

/// A manifest in an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its digest.
    pub digest: Digest,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// A blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobEntry {
    /// Its digest.
    pub digest: Digest,
    /// Its length, in bytes.
    pub size: u64,
}

impl ManifestEntry {
    /// What `manifest` needs. Layers that are fetched from their own URLs are not meant to be copied.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let mut entry = Self {
            media_type: manifest.media_type().clone(),
            size: manifest.bytes().len() as u64,
            children: Vec::new(),
            blobs: Vec::new(),
            subject: manifest.subject().map(|subject| subject.digest),
            config: None,
        };
        match manifest.parsed() {
            Parsed::Index(index) => {
                for named in &index.manifests {
                    if named.media_type.is_manifest() {
                        entry.children.push(Child {
                            digest: named.digest,
                            platform: named.platform.clone(),
                        });
                    } else {
                        entry.blobs.push(BlobEntry {
                            digest: named.digest,
                            size: named.size,
                        });
                    }
                }
            }
            Parsed::Image(image) => {
                entry.config = image
                    .config
                    .media_type
                    .is_image_config()
                    .then_some(image.config.digest);
                entry
                    .blobs
                    .extend(image.distributable_blobs().map(|blob| BlobEntry {
                        digest: blob.digest,
                        size: blob.size,
                    }));
            }
        }
        entry.blobs.sort_unstable();
        entry.blobs.dedup_by_key(|blob| blob.digest);
        entry
    }

    /// The manifests below that are wanted.
    pub fn wanted_children<'e>(&'e self, filter: &'e Filter) -> impl Iterator<Item = Digest> + 'e {
        let wanted = |child: &&Child| filter.takes_platform(child.platform.as_ref());
        self.children.iter().filter(wanted).map(|child| child.digest)
    }
}
