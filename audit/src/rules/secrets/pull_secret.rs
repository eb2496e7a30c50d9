//! Pull secrets of Kubernetes: what their `.dockerconfigjson` has logins for.

use super::encoded::{decoded, login_host};
use super::{is_docker_config, is_old};
use crate::mapped::Span;
use crate::place::{Place, Sort};
use crate::reading::Role;
use crate::reading::outline::{has_key, last_key};
use crate::rules::{Look, Spotted};

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    let document = look.document;
    for piece in document
        .pieces
        .iter()
        .filter(|piece| has_key(&piece.path, is_docker_config))
    {
        for image in look.images.find(piece.text.text()) {
            if is_old(&image) {
                let span = piece.text.span(image.host_range.clone());
                look.spot(Spotted {
                    reference: Some(image.host.clone()),
                    place: Place::of(Sort::Login),
                    is_verbatim: look.is_verbatim(&piece.text, image.host_range.clone()),
                    ..Spotted::new("pull-secret", span, piece.role, message(&image.host))
                });
            }
        }
        let is_data = last_key(&piece.path).is_some_and(|(_, key)| is_docker_config(key));
        let configuration = is_data.then(|| decoded(piece.text.text())).flatten();
        if let Some(host) = configuration.and_then(|configuration| login_host(look, &configuration)) {
            spot_encoded(look, piece.text.whole_span(), piece.role, &host);
        }
    }
}

/// Notes a configuration of docker that stands in base64.
pub(super) fn spot_encoded(look: &mut Look<'_>, span: Span, role: Role, host: &str) {
    look.spot(Spotted {
        shown: Some("(base64 of docker's configuration)".to_owned()),
        reference: Some(host.to_owned()),
        ..Spotted::new("pull-secret", span, role, message(host))
    });
}

fn message(host: &str) -> String {
    format!(
        "nodes log in to {host} with this: make a secret for LOCATION-docker.pkg.dev, or let them use workload identity"
    )
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use crate::rules::found::found;

    #[test]
    fn logins_are_found_in_base64() {
        let shown = "2 pull-secret (base64 of docker's configuration)";
        for (configuration, wanted) in [
            ("{\"auths\":{\"gcr.io\":{\"auth\":\"eA==\"}}}", vec![shown]),
            (
                "{\n  \"auths\": {\n    \"quay.io\": {}, \"https://eu\\u002egcr.io/v1/\": {}\n  }\n}\n",
                vec![shown],
            ),
            ("{\"us.gcr.io\":{\"auth\":\"eA==\"}}", vec![shown]),
            ("{\"auths\":{\"ghcr.io\":{\"email\":\"me@gcr.io\"}}}", vec![]),
            ("{\"auths\":{\"us-docker.pkg.dev\":{}}}", vec![]),
        ] {
            let key = match configuration.contains("auths") {
                true => ".dockerconfigjson",
                false => ".dockercfg",
            };
            let text = format!("data:\n  {key}: {}\n", STANDARD.encode(configuration));
            assert_eq!(found("secret.yaml", &text), wanted, "{configuration}");
        }
    }

    #[test]
    fn logins_are_found_as_they_are() {
        assert_eq!(
            found(
                "secret.yaml",
                "stringData:\n  .dockerconfigjson: |\n    {\"auths\": {\n      \"gcr.io\": {}}}\n"
            ),
            ["4 pull-secret gcr.io"]
        );
        assert_eq!(
            found(
                "secret.yaml",
                "stringData:\n  .dockerconfigjson: '{\"auths\":{\"gcr.io\":{}}}'\n"
            ),
            ["2 pull-secret gcr.io"]
        );
    }
}
