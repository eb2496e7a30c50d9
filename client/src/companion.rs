//! Tags that stand beside an image and say something about it: cosign's signatures, attestations and SBOMs.
//!
//! They are named after the image's digest, `sha256-HEX.sig`, and their manifests name no subject.

use oci::{Descriptor, Digest, annotation};

/// What follows `sha256-HEX`.
const SUFFIXES: [&str; 3] = [".sig", ".att", ".sbom"];

/// The fallback tag of an image's referrers, which cosign's tags begin with.
///
/// Spec: distribution-spec "Referrers Tag Schema".
pub(crate) fn fallback_tag(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm(), digest.hex())
}

/// The tags that may stand beside the image of that digest.
pub(crate) fn tags_of(digest: &Digest) -> [String; 3] {
    SUFFIXES.map(|suffix| format!("{}{suffix}", fallback_tag(digest)))
}

/// What a tag is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagKind {
    /// It names an image or artifact.
    Image,
    /// It lists the referrers of an image, where there is no API for them. They come along with the image, and are
    /// listed anew where they go: the list itself is not to be copied.
    Referrers,
    /// It stands beside an image and comes along with it.
    Companion,
}

impl TagKind {
    /// What `tag` is there for, by its form.
    #[must_use]
    pub fn of(tag: &str) -> Self {
        let is_digest = |text: &str| text.replacen('-', ":", 1).parse::<Digest>().is_ok();
        let mut stems = SUFFIXES.iter().filter_map(|suffix| tag.strip_suffix(suffix));
        if stems.any(is_digest) {
            Self::Companion
        } else if is_digest(tag) {
            Self::Referrers
        } else {
            Self::Image
        }
    }
}

/// The tag that a manifest must keep wherever it goes, since nothing else tells what it belongs to.
pub(crate) fn kept_tag(descriptor: &Descriptor) -> Option<&str> {
    let name = descriptor.annotations.get(annotation::REF_NAME)?;
    (TagKind::of(name) == TagKind::Companion).then_some(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_tags_beside_an_image() {
        let digest = Digest::sha256_of(b"x");
        for tag in tags_of(&digest) {
            assert_eq!(TagKind::of(&tag), TagKind::Companion, "{tag}");
        }
        assert_eq!(TagKind::of(&fallback_tag(&digest)), TagKind::Referrers);
        for tag in ["a.sig", "sha256-ab.sig", ".sig", "sha256-ab", "sha256", "latest"] {
            assert_eq!(TagKind::of(tag), TagKind::Image, "{tag}");
        }
    }
}
