//! References whose parts stand under keys of their own: `registry`, `repository` and `tag` of charts and build rules.

use super::references::{message, rule_of};
use super::{Look, Spotted};
use crate::finding::Composed;
use crate::reading::Step;
use crate::reading::outline::{Outline, has_key};

/// Keys of the host; the host may have the beginning of the name with it.
const REGISTRY_KEYS: [&str; 8] = [
    "registry",
    "imageRegistry",
    "image_registry",
    "dockerRegistry",
    "docker_registry",
    "registryName",
    "registry_name",
    "host",
];

/// Keys of what follows the host. A mere `name` is an image's only beside a tag.
const REPOSITORY_KEYS: [&str; 8] = [
    "repository",
    "image",
    "repo",
    "imageName",
    "image_name",
    "repositoryName",
    "imageRepository",
    "name",
];

const TAG_KEYS: [&str; 6] = ["tag", "imageTag", "image_tag", "version", "digest", "tags"];

/// Where names are variables that anything may be put together from.
const VARIABLE_KEYS: [&str; 5] = ["env", "environment", "variables", "substitutions", "build_args"];

/// Finds them: one finding each, where the host stands.
pub(super) fn detect(look: &mut Look<'_>) {
    let document = look.document;
    let outline = look.outline;
    for piece in &document.pieces {
        let Some((map, key)) = piece.map_and_key() else {
            continue;
        };
        if !REGISTRY_KEYS.contains(&key) || is_elsewhere(outline, map) {
            continue;
        }
        let text = piece.text.text();
        let Some(host) = look.images.find(text).into_iter().next() else {
            continue;
        };
        let value = |keys: &[&str]| {
            keys.iter().find_map(|key| {
                let index = outline.key(map, key)?;
                let text = document.pieces.get(index)?.text.text().trim();
                (!text.is_empty()).then(|| ((*key).to_owned(), text.to_owned()))
            })
        };
        let tag = value(&TAG_KEYS);
        let Some((name_key, name)) = value(&REPOSITORY_KEYS) else {
            continue;
        };
        // A name that has its host already is whole; a mere name beside no tag is the registry's.
        let is_whole = !look.images.find(&name).is_empty() || name.contains([' ', '\n']);
        if is_whole || name_key == "name" && tag.is_none() {
            continue;
        }
        let reference = composed(host.written(text), &name, tag.as_ref());
        let Some(image) = look.images.find(&reference).into_iter().next() else {
            continue;
        };
        let (rule, class) = rule_of(&image, &look.settings.own_projects);
        let span = piece.text.span(host.range.clone());
        let own = &look.settings.own_projects;
        let together = look.composer.composition(look.images, own, (&host, span));
        let mut composed = together.map(|together| together.composed).unwrap_or(Composed {
            references: Vec::new(),
            is_whole: true,
        });
        let here = look.whole(&image, &reference);
        if !composed.references.contains(&here) {
            composed.references.push(here);
        }
        look.spot(Spotted {
            class,
            reference: Some(reference),
            composed: Some(composed),
            is_verbatim: look.is_verbatim(&piece.text, host.range.clone()),
            ..Spotted::new(rule, span, piece.role, message(rule, &image))
        });
    }
}

/// Whether a map is of something else than an image: of variables, of credentials.
fn is_elsewhere(outline: &Outline<'_>, map: &[Step]) -> bool {
    let has_login = ["username", "password", "auth"]
        .iter()
        .any(|key| outline.has(map, key));
    has_login || has_key(map, |key| VARIABLE_KEYS.contains(&key))
}

fn composed(host: &str, name: &str, tag: Option<&(String, String)>) -> String {
    let mut reference = format!("{}/{}", host.trim_end_matches('/'), name.trim_start_matches('/'));
    if let Some((key, tag)) = tag
        && key != "tags"
        && key != "version"
        && !name.contains(':')
    {
        reference.push(if tag.starts_with("sha256:") { '@' } else { ':' });
        reference.push_str(tag);
    }
    reference
}

#[cfg(test)]
mod tests {
    use crate::{Auditor, Settings};

    #[test]
    fn parts_are_one_reference_at_the_host() {
        for (text, wanted) in [
            (
                "image:\n  registry: gcr.io\n  repository: p/i\n  tag: v1\n",
                vec![("image-own", 2, "gcr.io/p/i:v1")],
            ),
            (
                "image: {registry: gcr.io, repository: distroless/static}\n",
                vec![("image-google", 1, "gcr.io/distroless/static")],
            ),
            (
                "image:\n  registry: k8s.gcr.io\n  name: pause\n  tag: '3'\n",
                vec![("image-kubernetes", 2, "k8s.gcr.io/pause:3")],
            ),
            (
                "image:\n  registry: gcr.io/p\n  repository: i\n",
                vec![("image-own", 2, "gcr.io/p/i")],
            ),
            (
                "login:\n  name: x\n  registry: gcr.io\n  username: y\n",
                vec![("host-legacy", 3, "gcr.io")],
            ),
            (
                "env:\n  registry: gcr.io\n  image: p/i\n",
                vec![("host-legacy", 2, "gcr.io")],
            ),
            (
                "image:\n  registry: ghcr.io\n  repository: gcr.io/p/i\n",
                vec![("image-own", 3, "gcr.io/p/i")],
            ),
        ] {
            let report = Auditor::new(Settings::default()).file("values.yaml", text.as_bytes());
            let found: Vec<_> = report
                .findings
                .iter()
                .map(|found| {
                    let reference = found.reference.as_deref().unwrap_or_default();
                    (found.rule.id, found.start.line, reference)
                })
                .collect();
            assert_eq!(found, wanted, "{text}");
        }
    }
}
