//! The specifications that ship with the program.

use std::path::Path;

use crate::specification::{Specification, SpecificationError, suggestion};

/// The names of the catalogue's images, in the order in which they are listed: by release, and small
/// ones first.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|(name, _)| *name)
}

/// The text of a catalogue image's specification.
pub fn text(name: &str) -> Option<&'static str> {
    ENTRIES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// Reads the specification of a catalogue image.
///
/// # Errors
/// When there is no such image.
pub fn specification(name: &str) -> Result<Specification, SpecificationError> {
    let text = text(name).ok_or_else(|| SpecificationError::UnknownImage {
        name: name.to_owned(),
        suggestion: newest_of_family(name).or_else(|| suggestion(name, names())),
    })?;
    Specification::parse(&format!("catalogue:{name}"), text, Path::new(""))
}

/// Who writes `cc` means the newest release's.
fn newest_of_family(family: &str) -> Option<&'static str> {
    names()
        .filter(|name| {
            name.strip_prefix(family)
                .is_some_and(|rest| rest.starts_with("-debian"))
        })
        .last()
}

macro_rules! entries {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../catalogue/", $name, ".yaml"))),)*]
    };
}

static ENTRIES: &[(&str, &str)] = entries! {
    "static-debian12",
    "base-nossl-debian12",
    "base-debian12",
    "cc-debian12",
    "python3-debian12",
    "java-base-debian12",
    "java17-debian12",
    "nodejs18-debian12",
    "static-debian13",
    "base-nossl-debian13",
    "base-debian13",
    "cc-debian13",
    "python3-debian13",
    "java-base-debian13",
    "java21-debian13",
    "java25-debian13",
    "nodejs20-debian13",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn suggested(name: &str) -> Option<&'static str> {
        match specification(name) {
            Err(SpecificationError::UnknownImage { suggestion, .. }) => suggestion,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_family_without_a_release_means_the_newest() {
        assert_eq!(suggested("cc"), Some("cc-debian13"));
        assert_eq!(suggested("java17"), Some("java17-debian12"));
        assert_eq!(suggested("pyton3-debian13"), Some("python3-debian13"));
        assert_eq!(suggested("something-else"), None);
    }

    #[test]
    fn every_name_has_a_specification_of_that_name() {
        for name in names() {
            let specification = specification(name).unwrap();
            assert!(specification.plans.iter().all(|plan| plan.name == name), "{name}");
        }
    }
}
