//! What Google's registries refuse against the specification, where a route asks for it.
//!
//! Tools that clean up there know these refusals by their codes and words. That blobs do not come in chunks to Artifact
//! Registry is with the uploads.

use hyper::HeaderMap;
use hyper::header::ACCEPT;
use oci::MediaType;
use store::Removal;

use crate::refusal::Refusal;
use crate::routes::Reference;

/// Refuses what the client does not accept. One that says nothing accepts everything.
pub(crate) fn accepted(
    headers: &HeaderMap,
    reference: &Reference,
    media_type: &MediaType,
) -> Result<(), Refusal> {
    let texts = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|text| text.to_str().ok());
    // Parameters, as in `;q=0.5`, only order what is accepted.
    let kinds: Vec<&str> = texts
        .flat_map(|text| text.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .filter(|kind| !kind.is_empty())
        .collect();
    let fits = |kind: &&str| match kind.strip_suffix('*') {
        Some("*/") => true,
        Some(start) => media_type.as_str().starts_with(start),
        None => kind.eq_ignore_ascii_case(media_type.as_str()),
    };
    if kinds.is_empty() || kinds.iter().any(fits) {
        return Ok(());
    }
    Err(Refusal::ManifestNotAccepted {
        reference: match reference {
            Reference::Tag(tag) => format!("tag '{tag}'"),
            Reference::Digest(digest) => format!("digest '{digest}'"),
        },
        media_type: media_type.clone(),
        accepted: kinds.join(", "),
    })
}

/// Refuses to have removed what something holds.
pub(crate) fn removed(removal: Removal) -> Result<(), Refusal> {
    match removal {
        Removal::Removed => Ok(()),
        Removal::Unknown => Err(Refusal::ManifestUnknown),
        Removal::Tagged(tag) => Err(Refusal::DanglingTag { tag }),
        Removal::ChildOf(parent) => Err(Refusal::DanglingParent { parent }),
        Removal::SubjectOf(referrer) => Err(Refusal::DanglingReferrer { referrer }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_goes_to_who_accepts_its_type() {
        let ask = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, value.parse().unwrap());
            }
            accepted(
                &headers,
                &Reference::Tag("v1".parse().unwrap()),
                &MediaType::OCI_MANIFEST,
            )
        };
        for values in [
            &[][..],
            &["*/*"],
            &["application/*"],
            &["text/html, application/vnd.oci.image.manifest.v1+json;q=0.1"],
            &["text/html", "Application/vnd.oci.image.manifest.v1+json"],
            &[" , "],
        ] {
            assert!(ask(values).is_ok(), "{values:?}");
        }
        for values in [
            &["text/*"][..],
            &["application/vnd.oci.image.index.v1+json", "application/json"],
        ] {
            assert!(ask(values).is_err(), "{values:?}");
        }
        assert_eq!(
            ask(&["a/b;q=1", "a/c"]).unwrap_err().to_string(),
            "Manifest with tag 'v1' has media type 'application/vnd.oci.image.manifest.v1+json', but client accepts \
             'a/b, a/c'."
        );
    }
}
