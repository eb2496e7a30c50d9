//! Jenkins: `docker.withRegistry` and agents with a registry.

use super::{Look, Spotted};
use crate::host::Family;
use crate::kind::Kind;
use crate::place::{Place, Sort};
use crate::reading::{Piece, Role, Step};

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    if look.kind != Kind::Groovy {
        return;
    }
    let document = look.document;
    for piece in document.pieces.iter().filter(|piece| is_registry(piece)) {
        for image in look.images.find(piece.text.text()) {
            if !(image.family.is_legacy() || image.family == Family::Google) {
                continue;
            }
            let host = &image.host;
            let message = format!(
                "the steps inside log in to {host}: name LOCATION-docker.pkg.dev, and the repository in each image"
            );
            look.spot(Spotted {
                reference: Some(image.written(piece.text.text()).to_owned()),
                // Images inside are named below it.
                place: Place {
                    sort: Sort::BareHost,
                    goes_on: "/",
                },
                is_verbatim: look.is_verbatim(&piece.text, image.range.clone()),
                ..Spotted::new(
                    "with-registry",
                    piece.text.span(image.range.clone()),
                    piece.role,
                    message,
                )
            });
        }
    }
}

/// Whether a text is the registry of a step or an agent.
fn is_registry(piece: &Piece) -> bool {
    if piece.role == Role::Key || piece.role.is_mention() {
        return false;
    }
    let mut keys = piece.keys().rev();
    let last = keys.next().unwrap_or_default();
    match last {
        "registryUrl" => true,
        "url" => keys.next().is_some_and(is_step),
        _ => is_step(last) && piece.path.last() == Some(&Step::Item(0)),
    }
}

fn is_step(name: &str) -> bool {
    matches!(
        name.rsplit('.').next(),
        Some("withRegistry" | "withDockerRegistry")
    )
}

#[cfg(test)]
mod tests {
    use crate::{Auditor, Settings};

    #[test]
    fn registries_of_steps_and_agents_are_found() {
        let rules = |text: &str| {
            let report = Auditor::new(Settings::default()).file("Jenkinsfile", text.as_bytes());
            let found = report
                .findings
                .iter()
                .map(|finding| format!("{} {}", finding.rule.id, finding.matched));
            found.collect::<Vec<_>>().join(", ")
        };
        for (text, wanted) in [
            (
                "docker.withRegistry('https://gcr.io', 'gcr:x') { }",
                "with-registry gcr.io",
            ),
            (
                "withDockerRegistry([url: \"https://eu.gcr.io\", credentialsId: 'x']) { }",
                "with-registry eu.gcr.io",
            ),
            (
                "withDockerRegistry(credentialsId: 'x', url: 'https://gcr.io') { }",
                "with-registry gcr.io",
            ),
            (
                "agent { docker { image 'a'; registryUrl 'https://gcr.io' } }",
                "with-registry gcr.io",
            ),
            ("agent { docker { image 'gcr.io/p/x' } }", "image-own gcr.io/p/x"),
            (
                "docker.withRegistry('https://ghcr.io', 'x') { docker.image('gcr.io/p/x').pull() }",
                "image-own gcr.io/p/x",
            ),
            (
                "docker.withRegistry('https://us-docker.pkg.dev', 'x') { }",
                "artifact-registry us-docker.pkg.dev",
            ),
            (
                "docker.withRegistry(\"https://${REGION}.gcr.io\", 'x') { }",
                "with-registry ${REGION}.gcr.io",
            ),
        ] {
            assert_eq!(rules(text), wanted, "{text}");
        }
    }
}
