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

/// Whether a tag stands beside some image.
pub(crate) fn is_companion(tag: &str) -> bool {
    let stem = SUFFIXES.iter().find_map(|suffix| tag.strip_suffix(suffix));
    stem.is_some_and(|stem| stem.replacen('-', ":", 1).parse::<Digest>().is_ok())
}

/// The tag that a manifest must keep wherever it goes, since nothing else tells what it belongs to.
pub(crate) fn kept_tag(descriptor: &Descriptor) -> Option<&str> {
    let name = descriptor.annotations.get(annotation::REF_NAME)?;
    is_companion(name).then_some(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_tags_beside_an_image() {
        let digest = Digest::sha256_of(b"x");
        for tag in tags_of(&digest) {
            assert!(is_companion(&tag), "{tag}");
        }
        for tag in [
            fallback_tag(&digest),
            "a.sig".to_owned(),
            "sha256-ab.sig".to_owned(),
            ".sig".to_owned(),
        ] {
            assert!(!is_companion(&tag), "{tag}");
        }
    }
}
