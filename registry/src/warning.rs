//! What a client is told besides its answer: `Warning` headers, which it shows to its user.
//!
//! Spec: distribution-spec "Warnings".

use hyper::header::{HeaderValue, WARNING};
use oci::{Manifest, Tag};
use store::ImmutableTags;

use crate::answer::Answer;

/// Of all warnings of an answer together.
const WARNINGS_BYTES_MAX: usize = 4096;

/// What there is to say about a push.
///
/// It succeeded, so this is only what its user could not know: what will not be there for others, and what he cannot take
/// back.
pub(crate) fn of_push(manifest: &Manifest, tags: &[Tag], immutable: &ImmutableTags) -> Vec<String> {
    let layers = manifest.image().map_or(&[][..], |image| &image.layers);
    let foreign = layers
        .iter()
        .filter(|layer| layer.media_type.is_nondistributable())
        .count();
    let fixed = tags.iter().filter(|tag| immutable.contains(tag.as_str()));
    let mut warnings: Vec<String> = fixed
        .map(|tag| format!("Tag {tag} is immutable here: it cannot be moved or deleted any more."))
        .collect();
    if foreign > 0 {
        warnings.push(format!(
            "{foreign} of the layers are of a non-distributable type, which is deprecated: they need not be in this \
             registry, and who pulls has to get them elsewhere."
        ));
    }
    warnings
}

/// Adds warnings, the first first, as long as there is room.
pub(crate) fn add(answer: &mut Answer, warnings: &[String]) {
    let mut left = WARNINGS_BYTES_MAX;
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        let text = format!("299 - \"{quoted}\"");
        let Some(rest) = left.checked_sub(text.len()) else {
            return;
        };
        if let Ok(value) = HeaderValue::from_str(&text) {
            answer.headers_mut().append(WARNING, value);
            left = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;
    use crate::answer;

    #[test]
    fn warnings_are_quoted_and_bounded() {
        let with = |warnings: &[String]| {
            let mut answer = answer::empty(StatusCode::CREATED);
            add(&mut answer, warnings);
            let values = answer.headers().get_all(WARNING).iter();
            let texts = values.map(|value| value.to_str().unwrap().to_owned());
            texts.collect::<Vec<_>>()
        };
        assert_eq!(with(&[]), Vec::<String>::new());
        assert_eq!(
            with(&["say \"a\\b\"".to_owned(), "c".to_owned()]),
            [r#"299 - "say \"a\\b\"""#, r#"299 - "c""#]
        );
        let fits = "x".repeat(WARNINGS_BYTES_MAX - r#"299 - """#.len());
        assert_eq!(with(&[fits.clone(), "c".to_owned()]).len(), 1);
        assert!(with(&[fits + "x"]).is_empty());
    }
}
