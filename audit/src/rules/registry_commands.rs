//! `gcloud container images`, which works with Container Registry only.

use super::references::rule_of;
use super::{Look, Spotted};
use crate::image::ImageText;
use crate::place::Place;
use crate::reading::Command;

/// Verbs of `gcloud container images`, and what does the same in Artifact Registry.
const VERBS: [(&str, &str); 7] = [
    ("add-tag", "gcloud artifacts docker tags add"),
    ("delete", "gcloud artifacts docker images delete"),
    ("describe", "gcloud artifacts docker images describe"),
    ("list", "gcloud artifacts docker images list"),
    ("list-tags", "gcloud artifacts docker images list --include-tags"),
    ("untag", "gcloud artifacts docker tags delete"),
    ("list-gcr-usage", "gcloud artifacts docker images list"),
];

/// Finds them: each reference that such a command is about, except Google's own images, which stay.
pub(super) fn detect(look: &mut Look<'_>) {
    let document = look.document;
    for command in &document.commands {
        let Some((first, instead)) = arguments(command) else {
            continue;
        };
        for word in command.words.iter().skip(first) {
            let written = look.images.find(word.text());
            if written.is_empty() {
                let resolved = look.variables.resolve(word);
                let about = look
                    .images
                    .find(&resolved)
                    .into_iter()
                    .find(|image| moves(look, image));
                if let Some(about) = about {
                    let reference = about.written(&resolved).to_owned();
                    spot(look, command, (word.whole_span(), reference), instead);
                }
            }
            for image in written
                .into_iter()
                .filter(|image| moves(look, image))
                .collect::<Vec<_>>()
            {
                let reference = image.written(word.text()).to_owned();
                spot(
                    look,
                    command,
                    (word.span(image.range.clone()), reference),
                    instead,
                );
            }
        }
    }
}

/// Whether an image is one that the command will not find where it is now.
fn moves(look: &Look<'_>, image: &ImageText) -> bool {
    let (rule, _) = rule_of(image, &look.settings.own_projects);
    matches!(
        rule,
        "image-own" | "image-third-party" | "image-named" | "host-legacy" | "artifact-registry"
    )
}

fn spot(
    look: &mut Look<'_>,
    command: &Command,
    (span, reference): (crate::mapped::Span, String),
    instead: &str,
) {
    let message = format!("gcloud container images knows Container Registry only: use {instead}");
    look.spot(Spotted {
        reference: Some(reference),
        place: Place::fixed("the command does not work with the new place: write another one"),
        ..Spotted::new("gcloud-container-images", span, command.role, message)
    });
}

/// Where the arguments of such a command begin, and what does the same.
fn arguments(command: &Command) -> Option<(usize, &'static str)> {
    let words: Vec<&str> = command.texts().collect();
    let gcloud = words.iter().position(|word| {
        let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
        matches!(name, "gcloud" | "gcloud.cmd" | "gcloud.exe")
    })?;
    let container = (gcloud + 1..words.len()).find(|at| words.get(*at) == Some(&"container"))?;
    let is_direct = words
        .get(gcloud + 1..container)?
        .iter()
        .all(|word| word.starts_with('-') || matches!(*word, "beta" | "alpha"));
    if !is_direct || words.get(container + 1) != Some(&"images") {
        return None;
    }
    let verb = words.get(container + 2)?;
    let (_, instead) = VERBS.iter().find(|(name, _)| name == verb)?;
    Some((container + 3, instead))
}

#[cfg(test)]
mod tests {
    use crate::fix::{Mapping, propose, rewrite};
    use crate::{Auditor, Settings, Severity};

    #[test]
    fn commands_for_the_old_registry_only_are_told_and_left() {
        let auditor = Auditor::new(Settings::default());
        for (script, wanted) in [
            (
                "gcloud container images list --repository=gcr.io/acme",
                "list: gcr.io/acme",
            ),
            (
                "gcloud -q container images add-tag gcr.io/acme/x:1 gcr.io/acme/x:2",
                "tags add: gcr.io/acme/x:1, gcr.io/acme/x:2",
            ),
            (
                "R=gcr.io/acme\ngcloud container images list-tags $R/x",
                "--include-tags: $R/x",
            ),
            (
                "gcloud container images list --repository=eu-docker.pkg.dev/a/b",
                "list: eu-docker.pkg.dev/a/b",
            ),
            ("gcloud container images list-tags gcr.io/distroless/static", ""),
            ("gcloud container clusters list # gcr.io/acme", ""),
        ] {
            let mut found = auditor.file("a.sh", script.as_bytes()).findings;
            found.retain(|one| one.rule.id == "gcloud-container-images" && one.severity == Severity::Error);
            let told: Vec<&str> = found.iter().map(|one| one.matched.as_str()).collect();
            let (verb, matched) = wanted.split_once(": ").unwrap_or_default();
            assert_eq!(told.join(", "), matched, "{script}");
            assert!(found.iter().all(|one| one.message.ends_with(verb)), "{script}");
            let mut mapping = Mapping::default();
            mapping.add("gcr.io=x.example").unwrap();
            propose(&mut found, &mapping);
            assert!(rewrite(&auditor, "a.sh", script.as_bytes(), &found).is_none());
        }
    }
}
