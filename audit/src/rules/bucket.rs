//! Names of the buckets that Container Registry keeps its layers in.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{Look, Spotted};
use crate::image::variable_length;
use crate::mapped::Mapped;
use crate::reading::Role;

/// What they begin with, after a region.
const BEGINNING: &str = "artifacts.";

/// Looks for it: made once, since most texts are short.
static BEGINNINGS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BEGINNING));

/// What they end with.
const ENDING: &str = ".appspot.com";

/// The longest name, with variables in it.
const NAME_BYTES_MAX: usize = 256;

/// What access to one is worth.
pub(super) const ACCESS: &str = "access to the bucket of Container Registry gives none to Artifact Registry: grant roles/artifactregistry.reader on the repository";

/// Notes every bucket in a text: as something that access is given to, or as a mere name.
pub(super) fn spot(look: &mut Look<'_>, text: &Mapped, gives_access: bool, role: Role) {
    let (rule, message) = match gives_access {
        true => ("bucket-access", ACCESS),
        false => (
            "bucket-name",
            "the bucket of Container Registry: repositories of Artifact Registry have none",
        ),
    };
    for bucket in find(text.text()) {
        look.spot(Spotted::new(rule, text.span(bucket), role, message));
    }
}

/// Where a text has `[REGION.]artifacts.PROJECT.appspot.com`; region and project may be variables.
fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for at in BEGINNINGS.find_iter(text.as_bytes()) {
        let before = text.get(..at).unwrap_or_default();
        let start = at - region_length(before);
        let last = text.get(..start).and_then(|before| before.chars().next_back());
        let is_part = last.is_some_and(|last| last.is_alphanumeric() || matches!(last, '-' | '_' | '.'));
        let rest = text.get(at + BEGINNING.len()..).unwrap_or_default();
        if let Some(length) = project_length(rest).filter(|_| !is_part) {
            found.push(start..at + BEGINNING.len() + length);
        }
    }
    found
}

/// The length of `us.`, `${region}.` and the like at the end of a text.
fn region_length(before: &str) -> usize {
    let Some(label) = before.strip_suffix('.') else {
        return 0;
    };
    if let Some(region) = ["us", "eu", "asia"]
        .iter()
        .find(|region| label.ends_with(**region))
    {
        return region.len() + 1;
    }
    let Some(start) = label.rfind(['$', '%', '{', '<']) else {
        return 0;
    };
    let starts = [start.checked_sub(2), start.checked_sub(1), Some(start)];
    let whole = starts.into_iter().flatten().find(|start| {
        let variable = label.get(*start..);
        variable.is_some_and(|variable| variable_length(variable) == Some(variable.len()))
    });
    whole.map_or(0, |start| before.len() - start)
}

/// The length of `PROJECT.appspot.com` at the beginning of a text, where no longer name goes on.
fn project_length(text: &str) -> Option<usize> {
    let mut at = 0;
    while at < NAME_BYTES_MAX {
        let rest = text.get(at..)?;
        if at > 0 && rest.starts_with(ENDING) {
            let end = at + ENDING.len();
            let mut after = text.get(end..)?.chars();
            let goes_on = match (after.next(), after.next()) {
                (Some('.'), Some(next)) => next.is_alphanumeric(),
                (Some(next), _) => next.is_alphanumeric() || matches!(next, '-' | '_'),
                (None, _) => false,
            };
            return (!goes_on).then_some(end);
        }
        let first = rest.chars().next()?;
        at += match variable_length(rest) {
            Some(length) => length,
            None if first.is_alphanumeric() || matches!(first, '-' | '_' | ':' | '.') => first.len_utf8(),
            // `"artifacts." + project + ".appspot.com"`
            None => return None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_found_whatever_their_project_is_written_as() {
        for (text, wanted) in [
            (
                "gs://artifacts.p.appspot.com/containers",
                "artifacts.p.appspot.com",
            ),
            (
                "gs://eu.artifacts.${P}.appspot.com",
                "eu.artifacts.${P}.appspot.com",
            ),
            ("${R}.artifacts.$P.appspot.com", "${R}.artifacts.$P.appspot.com"),
            (
                "$R.artifacts.$(gcloud config get-value project).appspot.com",
                "$R.artifacts.$(gcloud config get-value project).appspot.com",
            ),
            (
                "artifacts.p.example.com.a.appspot.com",
                "artifacts.p.example.com.a.appspot.com",
            ),
            ("artifacts.{{ .p }}.appspot.com", "artifacts.{{ .p }}.appspot.com"),
            ("see artifacts.p.appspot.com.", "artifacts.p.appspot.com"),
        ] {
            let found: Vec<&str> = find(text)
                .into_iter()
                .filter_map(|range| text.get(range))
                .collect();
            assert_eq!(found, [wanted], "{text}");
        }
        for text in [
            "p.appspot.com",
            "my-artifacts.p.appspot.com",
            "artifacts.appspot.com",
            "artifacts. p.appspot.com",
            "éartifacts.p.appspot.com",
            "gs://artifacts.p.appspot.com.example.org/",
            "gs://artifacts.p.appspot.com-copy",
        ] {
            assert!(find(text).is_empty(), "{text}");
        }
    }
}
