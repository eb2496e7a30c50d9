//! Secrets and credentials that stand in files: configurations of docker, pull secrets, keys.
//!
//! Nothing of a key goes into a finding: what is shown is its name, and that something stands there.

mod encoded;
mod keys;
mod pull_secret;

use super::{Look, Spotted};
use crate::host::Family;
use crate::image::ImageText;
use crate::mapped::Span;
use crate::place::{Place, Sort};
use crate::reading::{Piece, Role, Step};

/// How far before a host what it is an entry of is looked for, in bytes.
const LOOK_BACK_BYTES_MAX: usize = 2048;

/// How many pieces after a host its login stands at most.
const LOGIN_PIECES_MAX: usize = 8;

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    pull_secret::detect(look);
    keys::detect(look);
    encoded::detect(look);
    let document = look.document;
    for (index, piece) in document.pieces.iter().enumerate() {
        let after = document.pieces.get(index + 1..).unwrap_or_default();
        for image in look.images.find(piece.text.text()) {
            let span = piece.text.span(image.range.clone());
            if is_old(&image) && (is_entry(piece) || is_login(piece, after) || is_written_entry(look, span)) {
                spot(look, piece, &image);
            }
        }
    }
}

fn is_old(image: &ImageText) -> bool {
    image.family.is_legacy() || image.family == Family::Google
}

fn spot(look: &mut Look<'_>, piece: &Piece, image: &ImageText) {
    let host = &image.host;
    let message = match new_entry(look) {
        Some(new) => format!(
            "docker finds credentials for {host} here, and for {new} already: take this one away when everything has moved"
        ),
        None => format!(
            "docker finds credentials for {host} here: add LOCATION-docker.pkg.dev (gcloud auth configure-docker LOCATION-docker.pkg.dev)"
        ),
    };
    look.spot(Spotted {
        reference: Some(image.written(piece.text.text()).to_owned()),
        place: Place::of(Sort::Login),
        is_verbatim: look.is_verbatim(&piece.text, image.range.clone()),
        ..Spotted::new(
            "cred-helper",
            piece.text.span(image.range.clone()),
            piece.role,
            message,
        )
    });
}

/// The host of Artifact Registry that docker finds credentials for in the same file.
fn new_entry(look: &Look<'_>) -> Option<String> {
    let keys = look.document.pieces.iter().filter(|piece| is_entry(piece));
    let mut hosts = keys.flat_map(|piece| look.images.find(piece.text.text()));
    let new = hosts.find(|image| image.family == Family::ArtifactRegistry);
    new.map(|image| image.host)
}

fn is_docker_config(key: &str) -> bool {
    let key = key.trim_start_matches('.').to_ascii_lowercase();
    matches!(key.as_str(), "dockerconfigjson" | "dockercfg")
}

fn is_list_of_logins(key: &str) -> bool {
    key.eq_ignore_ascii_case("credHelpers") || key.eq_ignore_ascii_case("auths")
}

/// A key below `credHelpers` or `auths`.
fn is_entry(piece: &Piece) -> bool {
    let is_key = piece.role == Role::Key || piece.role.is_mention();
    is_key && piece.keys().rev().nth(1).is_some_and(is_list_of_logins)
}

/// A key with a login right below it, as `.dockercfg` has it.
fn is_login(piece: &Piece, after: &[Piece]) -> bool {
    let next = after
        .iter()
        .take(LOGIN_PIECES_MAX)
        .find(|next| next.role == Role::Value);
    piece.role == Role::Key
        && next.is_some_and(|next| {
            let below = next.path.strip_prefix(&*piece.path);
            matches!(below, Some([Step::Key(key)]) if matches!(key.as_str(), "auth" | "identitytoken"))
        })
}

/// An entry in JSON that stands in a script or a program, or what a filter names: `.credHelpers["gcr.io"]`.
fn is_written_entry(look: &Look<'_>, span: Span) -> bool {
    let text = look.source.text();
    let from = span.start.saturating_sub(LOOK_BACK_BYTES_MAX);
    let from = (from..=span.start)
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(span.start);
    let before = text.get(from..span.start).unwrap_or_default();
    let before = before
        .strip_suffix("https://")
        .or_else(|| before.strip_suffix("http://"))
        .unwrap_or(before);
    let unquoted = before.trim_end_matches(['"', '\'', '\\']);
    if unquoted.len() == before.len() {
        return false;
    }
    if ends_with_list(unquoted.trim_end_matches(['[', '.'])) {
        return true;
    }
    let after = text.get(span.end..).unwrap_or_default().trim_start_matches('/');
    let after = after.trim_start_matches("v1/").trim_start_matches("v2/");
    let rest = after.trim_start_matches(['"', '\'', '\\']);
    if rest.len() == after.len() || !rest.trim_start().starts_with([':', '=']) {
        return false;
    }
    enclosing(unquoted).is_some_and(ends_with_list)
}

/// What stands before the brace that a text ends in.
fn enclosing(before: &str) -> Option<&str> {
    let mut closed = 0_usize;
    for (at, sign) in before.bytes().enumerate().rev() {
        match sign {
            b'}' => closed += 1,
            b'{' if closed == 0 => return before.get(..at),
            b'{' => closed -= 1,
            _ => {}
        }
    }
    None
}

fn ends_with_list(before: &str) -> bool {
    let name = before.trim_end_matches([' ', '\t', '\n', '\r', ':', '=', '>', '"', '\'', '\\']);
    let start = name
        .rfind(|sign: char| !sign.is_ascii_alphanumeric())
        .map_or(0, |at| at + 1);
    // A newline's escape stands before a name as a letter: `{\n"auths"`.
    name.get(start..).is_some_and(is_list_of_logins)
}

#[cfg(test)]
mod tests {
    use crate::rules::found::found_anywhere as rules;
    use crate::{Auditor, Settings};

    #[test]
    fn an_entry_beside_a_new_one_is_to_be_taken_away() {
        let text = r#"{"credHelpers": {"gcr.io": "gcloud", "europe-docker.pkg.dev": "gcloud"}}"#;
        let report = Auditor::new(Settings::default()).file("config.json", text.as_bytes());
        assert!(
            report.findings[0]
                .message
                .contains("for europe-docker.pkg.dev already"),
            "{}",
            report.findings[0].message
        );
    }

    #[test]
    fn entries_of_docker_configurations_are_found_wherever_they_stand() {
        for (path, text, wanted) in [
            (
                "config.json",
                r#"{"credHelpers": {"gcr.io": "gcloud"}}"#,
                "cred-helper gcr.io",
            ),
            (
                "config.json",
                r#"{"auths": {"https://eu.gcr.io": {"auth": ""}}}"#,
                "cred-helper eu.gcr.io",
            ),
            (
                "auth.json",
                r#"{"auths": {"gcr.io/p": {}}}"#,
                "cred-helper gcr.io/p",
            ),
            (
                "config.json",
                r#"{"credHelpers": {"us-docker.pkg.dev": "gcloud"}}"#,
                "artifact-registry us-docker.pkg.dev",
            ),
            (
                ".dockercfg",
                r#"{"https://gcr.io": {"auth": "x"}}"#,
                "cred-helper gcr.io",
            ),
            (
                "a.py",
                r#"c = {"credHelpers": {"gcr.io": "gcloud"}}"#,
                "cred-helper gcr.io",
            ),
            (
                "a.go",
                "const c = `{\"auths\":{\"gcr.io\":{}}}`",
                "cred-helper gcr.io",
            ),
            (
                "a.tf",
                "data = { \".dockerconfigjson\" = jsonencode({ auths = { \"https://gcr.io\" = {} } }) }",
                "pull-secret gcr.io",
            ),
            (
                "config.json",
                r#"{"other": {"gcr.io": "x"}}"#,
                "host-legacy gcr.io",
            ),
        ] {
            assert_eq!(rules(path, text), wanted, "{text}");
        }
    }
}
