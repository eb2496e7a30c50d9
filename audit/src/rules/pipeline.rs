//! Steps of pipelines that log in, and orbs.

use std::collections::HashSet;

use super::{Look, Spotted, suggestion};
use crate::image::ImageText;
use crate::mapped::Mapped;
use crate::place::{Place, Sort};
use crate::reading::outline::{Outline, has_key, plain};
use crate::reading::{Document, Piece, Step};

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    let document = look.document;
    let pipeline = Pipeline {
        document,
        outline: look.outline,
        logins: logins(document),
    };
    for piece in &document.pieces {
        let Some((map, key)) = piece.map_and_key() else {
            continue;
        };
        if has_key(map, |key| key == "orbs") {
            detect_orb(look, piece);
        } else if key == "service_account_key" && pipeline.uses(map, "setup-gcloud") {
            look.spot(Spotted {
                shown: Some("(a key)".to_owned()),
                suggestion: Some(suggestion::SETUP_GCLOUD),
                ..Spotted::new(
                    "setup-gcloud-key",
                    piece.text.whole_span(),
                    piece.role,
                    KEY_MESSAGE,
                )
            });
        } else if is_host_key(key) && pipeline.logs_in(map, key) {
            let has_key = pipeline.has_key(map);
            let place = match pipeline.pushes_below(map, piece.text.text()) {
                true => Place::fixed("what is pushed is put together from it and what stands beside it"),
                false => Place::of(Sort::Login),
            };
            detect_login(look, piece, place, has_key.then_some(suggestion::LOGIN));
        }
    }
}

const KEY_MESSAGE: &str =
    "setup-gcloud takes no key any more: use google-github-actions/auth with workload identity";

const ORB_MESSAGE: &str = "this orb pushes to gcr.io unless it is told otherwise: log in and push by commands, to LOCATION-docker.pkg.dev";

const ORB: &str = "circleci/gcp-gcr@";

fn detect_orb(look: &mut Look<'_>, piece: &Piece) {
    let text = piece.text.text();
    if let Some(at) = text.find(ORB) {
        let end = text
            .get(at..)
            .and_then(|orb| orb.find(char::is_whitespace))
            .map_or(text.len(), |length| at + length);
        look.spot(Spotted::new(
            "gcr-orb",
            piece.text.span(at..end),
            piece.role,
            ORB_MESSAGE,
        ));
    }
}

fn detect_login(look: &mut Look<'_>, piece: &Piece, place: Place, suggestion: Option<&'static str>) {
    let text = piece.text.text();
    let is_old = |image: &ImageText| image.family.is_legacy();
    if let Some(image) = look.images.find(text).into_iter().find(is_old) {
        look.spot(Spotted {
            reference: Some(image.written(text).to_owned()),
            is_verbatim: look.is_verbatim(&piece.text, image.host_range.clone()),
            place,
            suggestion,
            ..Spotted::new(
                "login-step",
                piece.text.span(image.host_range.clone()),
                piece.role,
                login_message(&image.host),
            )
        });
        return;
    }
    // What a variable stands for is found where it is written, too.
    let Some(value) = resolved(look, &piece.text) else {
        return;
    };
    let found = look.images.find(&value);
    if let Some(image) = found.into_iter().find(is_old) {
        look.spot(Spotted {
            suggestion,
            ..Spotted::new(
                "login-step",
                piece.text.whole_span(),
                piece.role,
                login_message(&image.host),
            )
        });
    }
}

fn login_message(host: &str) -> String {
    format!(
        "this step logs in to {host}: log in to LOCATION-docker.pkg.dev as oauth2accesstoken, with workload identity"
    )
}

/// Whether a key is one that steps have for the host that they log in to.
fn is_host_key(key: &str) -> bool {
    let key = plain(key);
    let is_registry = key.contains("registry") && !key.ends_with("id") && !key.ends_with("name");
    let is_host = ["host", "server", "endpoint", "address"]
        .iter()
        .any(|end| key.ends_with(end));
    is_registry || is_host || key == "url"
}

fn logins(document: &Document) -> HashSet<&[Step]> {
    let mut maps = HashSet::new();
    let mut before: &[Step] = &[];
    for piece in &document.pieces {
        // Steps that a piece has in common with the one before it were looked at there.
        let both = before.iter().zip(piece.path.iter());
        let shared = both.take_while(|(one, other)| one == other).count();
        before = &piece.path;
        for (index, step) in piece.path.iter().enumerate().skip(shared) {
            if matches!(step, Step::Key(key) if is_login_key(&plain(key))) {
                maps.extend(piece.path.get(..index));
            }
        }
    }
    maps
}

/// A document as steps.
struct Pipeline<'d> {
    document: &'d Document,
    outline: &'d Outline<'d>,
    /// Maps that have credentials.
    logins: HashSet<&'d [Step]>,
}

impl<'d> Pipeline<'d> {
    fn text(&self, map: &[Step], key: &str) -> Option<&'d str> {
        let index = self.outline.key(map, key)?;
        self.document.pieces.get(index).map(|piece| piece.text.text())
    }

    /// Whether a map is of the inputs of a step that uses an action with such a name.
    fn uses(&self, map: &[Step], name: &str) -> bool {
        let Some((Step::Key(key), step)) = map.split_last() else {
            return false;
        };
        key == "with" && self.text(step, "uses").is_some_and(|uses| uses.contains(name))
    }

    /// Whether a map is of the inputs of an action of GitHub's that logs in with a key of a service account.
    fn has_key(&self, map: &[Step]) -> bool {
        let user = self.text(map, "username").unwrap_or_default();
        user.starts_with("_json_key") && self.uses(map, "login")
    }

    /// Whether a map is of a step, or of the inputs of one, that logs in to the host at a key of it.
    fn logs_in(&self, map: &[Step], key: &str) -> bool {
        let Some((Step::Key(inputs), step)) = map.split_last() else {
            return self.is_old_plugin(map);
        };
        match inputs.as_str() {
            "with" => self.text(step, "uses").is_some_and(|uses| {
                let uses = uses.to_ascii_lowercase();
                uses.contains("login") || self.has_login(map) || uses.contains("push-to-gcr")
            }),
            // GitHub's own first actions took everything from the environment.
            "env" => self.text(step, "uses").is_some_and(|uses| uses.contains("login")),
            "inputs" => {
                let task = self.text(step, "task").unwrap_or_default().to_ascii_lowercase();
                task.contains("docker") && key.to_ascii_lowercase().contains("registry")
            }
            "variables" => self.outline.has(step, "pipe"),
            "settings" | "parameters" => self.has_login(map) || self.is_registry_plugin(step),
            // Buildkite's plugin, and commands of CircleCI's orb for docker.
            name if name.starts_with("docker-login#") || name.contains("/docker-login") => true,
            // Ansible's module.
            name if name.ends_with("docker_login") => true,
            name if name.starts_with("docker/") || name.starts_with("gcp-gcr/") => self.has_login(map),
            _ => self.is_old_plugin(map),
        }
    }

    /// Drone before 1.0, and Woodpecker's oldest: settings beside the image.
    fn is_old_plugin(&self, step: &[Step]) -> bool {
        let image = self.text(step, "image").unwrap_or_default();
        let is_plugin = image.contains("plugin") || image.contains("drone") || self.is_registry_plugin(step);
        is_plugin && (self.has_login(step) || self.outline.has(step, "secrets"))
    }

    fn is_registry_plugin(&self, step: &[Step]) -> bool {
        let image = self.text(step, "image").unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or(image);
        name.contains("gcr") && !image.contains("gcr.io/")
    }

    /// Whether a step pushes to what it puts together from the host and a name beside it, which does not say the host again.
    fn pushes_below(&self, map: &[Step], host: &str) -> bool {
        let names = [
            "repo",
            "repository",
            "image_name",
            "image-name",
            "imageName",
            "project_id",
            "project-id",
        ];
        let mut names = names.iter().filter_map(|name| self.text(map, name));
        names.any(|name| !name.contains(host))
    }

    /// Whether a map has credentials beside the host.
    fn has_login(&self, map: &[Step]) -> bool {
        self.logins.contains(map)
    }
}

/// What a text stands for that is a variable and nothing else.
fn resolved(look: &Look<'_>, text: &Mapped) -> Option<String> {
    let name = variable_name(text.text())?;
    let last = name.rsplit('.').next().unwrap_or(name);
    let place = text.whole_span().start;
    // Notations of pipelines, too, that nothing else has: `<< parameters.x >>`, `*x`.
    [name, last].into_iter().find_map(|name| {
        let written = format!("${{{name}}}");
        let resolved = look.variables.resolve_at(&written, place);
        (resolved != written).then_some(resolved)
    })
}

fn is_login_key(key: &str) -> bool {
    ["username", "password", "jsonkey", "servicekey", "accesstoken"]
        .iter()
        .any(|part| key.contains(part))
        || matches!(key, "user" | "token" | "keyfile")
}

/// The name of the variable that a text consists of: of `${{ env.X }}`, `$(X)`, `${X}`, `$X`, `<< parameters.x >>`, `*x`.
fn variable_name(text: &str) -> Option<&str> {
    let text = text.trim();
    let text = text.strip_prefix("https://").unwrap_or(text);
    let inner = [
        ("${{", "}}"),
        ("{{", "}}"),
        ("<<", ">>"),
        ("${", "}"),
        ("$(", ")"),
        ("$", ""),
        ("*", ""),
    ]
    .into_iter()
    .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))?;
    let name = inner.trim().trim_start_matches('.');
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use crate::{Auditor, Settings};

    fn found(path: &str, text: &str) -> Vec<String> {
        let report = Auditor::new(Settings::default()).file(path, text.as_bytes());
        let found = report.findings.iter();
        found
            .map(|found| format!("{} {}", found.start.line, found.rule.id))
            .collect()
    }

    #[test]
    fn steps_that_log_in_are_found() {
        for (text, wanted) in [
            (
                "steps:\n- uses: docker/login-action@v3\n  with:\n    registry: gcr.io\n",
                vec!["4 login-step"],
            ),
            (
                "env:\n  R: gcr.io\nsteps:\n- uses: docker/login-action@v3\n  with:\n    registry: ${{ env.R }}\n",
                vec!["2 host-legacy", "6 login-step"],
            ),
            (
                "x: &r gcr.io\nsteps:\n- uses: docker/login-action@v3\n  with:\n    registry: *r\n",
                vec!["1 host-legacy", "5 login-step"],
            ),
            // The value that a name got last counts, as everywhere.
            (
                "env:\n  R: ghcr.io\n  S: ${R}\njobs:\n- env:\n    R: gcr.io\n  steps:\n  - uses: docker/login-action@v3\n    with:\n      registry: ${{ env.R }}\n",
                vec!["6 host-legacy", "10 login-step"],
            ),
            (
                "steps:\n- uses: docker/login-action@v3\n  with: {registry: us-docker.pkg.dev}\n",
                vec!["3 artifact-registry"],
            ),
            (
                "steps:\n- uses: some/build@v1\n  with:\n    registry: gcr.io\n    username: _json_key\n",
                vec!["4 login-step"],
            ),
            (
                "steps:\n- task: Docker@2\n  inputs:\n    command: login\n    containerRegistry: gcr.io\n",
                vec!["5 login-step"],
            ),
            (
                "steps:\n- name: x\n  image: plugins/gcr\n  settings:\n    registry: gcr.io\n    repo: p/i\n",
                vec!["5 login-step"],
            ),
            (
                "pipeline:\n  x:\n    image: plugins/docker\n    registry: gcr.io\n    username: y\n",
                vec!["4 login-step"],
            ),
            (
                "steps:\n- plugins:\n  - docker-login#v2.1.0:\n      server: https://gcr.io\n",
                vec!["4 login-step"],
            ),
            (
                "- pipe: docker://x/y:1\n  variables:\n    REGISTRY: gcr.io\n    PASSWORD: $P\n",
                vec!["3 login-step"],
            ),
            (
                "registries:\n- name: x\n  address: https://gcr.io\n  username: y\n",
                vec!["3 host-legacy"],
            ),
        ] {
            assert_eq!(found("ci.yml", text), wanted, "{text}");
        }
    }

    #[test]
    fn a_step_with_a_key_has_one_without_beside_it() {
        let suggestions = |text: &str| {
            let report = Auditor::new(Settings::default()).file("ci.yml", text.as_bytes());
            let found = report.findings.into_iter();
            found.map(|found| found.suggestion).collect::<Vec<_>>()
        };
        let login = |user: &str, host: &str| {
            format!(
                "env: {{R: gcr.io}}\nsteps:\n- uses: docker/login-action@v3\n  with: {{registry: {host}, username: {user}}}\n"
            )
        };
        let wanted = Some(super::suggestion::LOGIN);
        assert_eq!(suggestions(&login("_json_key", "eu.gcr.io")), [None, wanted]);
        assert_eq!(
            suggestions(&login("_json_key_base64", "'${{ env.R }}'")),
            [None, wanted]
        );
        assert_eq!(
            suggestions(&login("oauth2accesstoken", "eu.gcr.io")),
            [None, None]
        );
        let setup =
            "steps:\n- uses: google-github-actions/setup-gcloud@v0\n  with:\n    service_account_key: x\n";
        assert_eq!(suggestions(setup), [Some(super::suggestion::SETUP_GCLOUD)]);
    }

    #[test]
    fn orbs_and_keys_are_found() {
        for (text, wanted) in [
            ("orbs:\n  gcr: circleci/gcp-gcr@0.15\n", vec!["2 gcr-orb"]),
            ("orbs:\n  cli: circleci/gcp-cli@3\n  x: a/gcp-gcr@1\n", vec![]),
            (
                "steps:\n- uses: google-github-actions/setup-gcloud@v0\n  with:\n    service_account_key: ${{ secrets.K }}\n",
                vec!["4 setup-gcloud-key"],
            ),
        ] {
            assert_eq!(found("ci.yml", text), wanted, "{text}");
        }
    }
}
