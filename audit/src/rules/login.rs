//! Logins and settings of clients by commands.

use std::ops::Range;

use super::{Look, Spotted};
use crate::finding::Severity;
use crate::host::Family;
use crate::mapped::{Mapped, Span};
use crate::place::{Place, Sort};
use crate::reading::Command;

/// Programs that log in to registries.
const CLIENTS: [&str; 24] = [
    "docker",
    "podman",
    "buildah",
    "nerdctl",
    "skopeo",
    "crane",
    "gcrane",
    "oras",
    "helm",
    "helm3",
    "img",
    "regctl",
    "cosign",
    "notation",
    "finch",
    "singularity",
    "apptainer",
    "executor",
    "ctr",
    "werf",
    "ko",
    "lightship",
    "imgpkg",
    "earthly",
];

/// Options of gcloud with a value of their own.
const GCLOUD_VALUES: [&str; 10] = [
    "--project",
    "--account",
    "--configuration",
    "--verbosity",
    "--format",
    "--impersonate-service-account",
    "--billing-project",
    "--flags-file",
    "--access-token-file",
    "--trace-token",
];

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    let document = look.document;
    for command in &document.commands {
        let spotted = [
            login(look, command),
            gcloud_docker(command),
            configure_docker(look, command),
            pull_secret(look, command),
        ];
        let beside = beside_new(look, command);
        for spotted in spotted.into_iter().flatten().chain(beside) {
            look.spot(spotted);
        }
    }
}

/// `docker login HOST` of any client.
pub(super) fn login(look: &Look<'_>, command: &Command) -> Option<Spotted> {
    let at = command.texts().position(|word| word == "login")?;
    let is_client = |word: &str| {
        let name = word
            .rsplit(['/', '\\'])
            .next()
            .unwrap_or(word)
            .to_ascii_lowercase();
        let name = name.strip_suffix(".exe").unwrap_or(&name);
        CLIENTS.contains(&name)
            || word.starts_with(['$', '{', '%'])
            || name.contains("docker")
            || name.contains("podman")
    };
    let is_cloud = command
        .texts()
        .take(at)
        .any(|word| matches!(word, "gcloud" | "az" | "aws" | "npm" | "vault" | "argocd"));
    if is_cloud || !command.texts().take(at).any(is_client) {
        return None;
    }
    let hosts = command.words.iter().skip(at + 1);
    let (word, (written, host)) = hosts
        .filter_map(|word| Some((word, server(look, word)?)))
        .next()?;
    let (span, is_verbatim) = match written {
        Some(range) => (word.span(range.clone()), look.is_verbatim(word, range)),
        None => (command.words.get(at)?.whole_span(), false),
    };
    Some(Spotted {
        is_verbatim,
        place: Place::of(Sort::Login),
        ..Spotted::new("docker-login", span, command.role, login_message(&host))
    })
}

pub(super) fn login_message(host: &str) -> String {
    format!(
        "this logs in to {host}, which was shut down: log in where your repository is now, LOCATION-docker.pkg.dev"
    )
}

/// The legacy host that a word names as a server, and where it is written in the word, if it is.
pub(super) fn server(look: &Look<'_>, word: &Mapped) -> Option<(Option<Range<usize>>, String)> {
    let is_first = |text: &str, start: usize| {
        let before = text.get(..start).unwrap_or_default();
        before.is_empty() || before.ends_with("://") || before.ends_with('=') && before.starts_with('-')
    };
    let legacy = |text: &str| {
        let found = look.images.find(text);
        found.into_iter().find(|image| image.family.is_legacy())
    };
    let written = legacy(word.text());
    let resolved = look.variables.resolve(word);
    let image = legacy(&resolved)?;
    is_first(&resolved, image.range.start).then(|| (written.map(|image| image.host_range), image.host))
}

/// `gcloud docker`, which is gone.
fn gcloud_docker(command: &Command) -> Option<Spotted> {
    let gcloud = command.texts().position(is_gcloud)?;
    let mut at = gcloud + 1;
    while let Some(word) = command.words.get(at) {
        match word.text() {
            "docker" => {
                let message = "gcloud docker no longer exists: use docker itself after gcloud auth configure-docker LOCATION-docker.pkg.dev";
                return Some(Spotted::new(
                    "gcloud-docker",
                    word.whole_span(),
                    command.role,
                    message,
                ));
            }
            "preview" | "beta" | "alpha" => at += 1,
            option if GCLOUD_VALUES.contains(&option) => at += 2,
            option if option.starts_with('-') => at += 1,
            _ => return None,
        }
    }
    None
}

fn is_gcloud(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    matches!(name, "gcloud" | "gcloud.cmd" | "gcloud.exe")
}

/// Whether a word of `gcloud auth configure-docker` stands in a line of a script, and not in a list of words: then others may be written
/// behind it.
fn follows_auth(look: &Look<'_>, command: &Command, at: usize) -> bool {
    let Some((before, word)) = at.checked_sub(1).and_then(|before| {
        let word = command.words.get(at)?.whole_span();
        Some((command.words.get(before)?, word))
    }) else {
        return false;
    };
    let between = look.source.text().get(before.whole_span().end..word.start);
    let is_blank =
        between.is_some_and(|between| !between.is_empty() && between.bytes().all(|sign| sign == b' '));
    before.text() == "auth" && is_blank && command.texts().any(is_gcloud)
}

/// `gcloud auth configure-docker` and `docker-credential-gcr configure-docker`.
fn configure_docker(look: &Look<'_>, command: &Command) -> Option<Spotted> {
    let at = command.texts().position(|word| word == "configure-docker")?;
    let is_client = |word: &str| {
        is_gcloud(word)
            || word.contains("docker-credential-gcr")
            || word == "auth"
            || word.starts_with(['$', '{', '%'])
    };
    let word = command.words.get(at)?;
    if !command.texts().take(at).any(is_client) {
        return None;
    }
    let lists = registries(command, at + 1)?;
    let Some(first) = lists.first() else {
        let message = "without hosts this sets up gcr.io and its kin only: name yours, as in configure-docker LOCATION-docker.pkg.dev";
        let takes_hosts = follows_auth(look, command, at);
        return Some(Spotted {
            is_verbatim: takes_hosts && look.is_verbatim(word, 0..word.text().len()),
            place: match takes_hosts {
                true => Place::of(Sort::NoGoogleLogins),
                false => Place::fixed("hosts have to be named behind it, as its client wants them"),
            },
            ..Spotted::new("configure-docker-bare", word.whole_span(), command.role, message)
        });
    };
    let resolved = lists
        .iter()
        .map(|list| look.variables.resolve(list))
        .collect::<Vec<_>>()
        .join(",");
    let found = look.images.find(&resolved);
    let is_new = found.iter().any(|image| image.family == Family::ArtifactRegistry);
    let is_old = found.iter().any(|image| image.family != Family::ArtifactRegistry);
    if is_new || !is_old {
        return None;
    }
    let last = lists.last().unwrap_or(first).whole_span();
    let span = Span {
        start: first.whole_span().start,
        end: last.end.max(first.whole_span().end),
    };
    let message =
        "this sets up hosts that were shut down: name the one of your repository, LOCATION-docker.pkg.dev";
    let is_list = lists.len() == 1 && !crate::image::is_variable(first.text());
    let is_verbatim = is_list && look.is_verbatim(first, 0..first.text().len());
    Some(Spotted {
        is_verbatim,
        place: Place::of(Sort::GoogleLogins),
        ..Spotted::new("configure-docker-legacy", span, command.role, message)
    })
}

/// Old hosts that `configure-docker` sets up beside a new one, as long as images are moved.
fn beside_new(look: &Look<'_>, command: &Command) -> Vec<Spotted> {
    let lists = command
        .texts()
        .position(|word| word == "configure-docker")
        .and_then(|at| registries(command, at + 1));
    let mut old = Vec::new();
    let mut has_new = false;
    for list in lists.iter().flatten() {
        for image in look.images.find(list.text()) {
            has_new |= image.family == Family::ArtifactRegistry;
            if image.family.is_legacy() {
                old.push((list.span(image.host_range), image.host));
            }
        }
    }
    old.retain(|_| has_new);
    let spotted = old.into_iter().map(|(span, host)| Spotted {
        place: Place::fixed("it stands beside the new one until everything has moved"),
        at_most: Severity::Note,
        ..Spotted::new(
            "configure-docker-legacy",
            span,
            command.role,
            format!("{host} is set up beside the new host: take it away when everything has moved"),
        )
    });
    spotted.collect()
}

/// The lists of hosts among the arguments; nothing when it asks for all of them, or for help.
fn registries(command: &Command, from: usize) -> Option<Vec<Mapped>> {
    let mut lists = Vec::new();
    let mut at = from;
    while let Some(word) = command.words.get(at) {
        let text = word.text();
        at += 1;
        match text {
            "--include-artifact-registry" | "--help" | "-h" => return None,
            "--registries" | "-registries" => {
                lists.extend(command.words.get(at).cloned());
                at += 1;
            }
            option if GCLOUD_VALUES.contains(&option) => at += 1,
            _ if text.starts_with('-') => {
                let list = text
                    .split_once("registries=")
                    .map(|(before, _)| before.len() + "registries=".len());
                lists.extend(list.map(|from| word.part(from..text.len())));
            }
            _ if text.is_empty() || is_shell_rest(text) => {}
            _ => lists.push(word.clone()),
        }
    }
    Some(lists)
}

/// Words that a reader may leave after the arguments.
fn is_shell_rest(text: &str) -> bool {
    text.starts_with(['>', '<', '}', ')', '#']) || matches!(text, "2>&1" | "y" | "true")
}

/// `kubectl create secret docker-registry … --docker-server=HOST`.
fn pull_secret(look: &Look<'_>, command: &Command) -> Option<Spotted> {
    let is_flux = command.texts().any(|word| word == "flux") && command.texts().any(|word| word == "secret");
    let option = if is_flux { "--url" } else { "--docker-server" };
    let at = command
        .texts()
        .position(|word| word == option || word.split_once('=').is_some_and(|(name, _)| name == option))?;
    let word = command.words.get(at)?;
    let value = match word.text().split_once('=') {
        Some((name, _)) => word.part(name.len() + 1..word.text().len()),
        None => command.words.get(at + 1)?.clone(),
    };
    let (written, host) = server(look, &value)?;
    let (span, is_verbatim) = match written {
        Some(range) => (value.span(range.clone()), look.is_verbatim(&value, range)),
        None => (word.whole_span(), false),
    };
    let message = format!(
        "a pull secret for {host}, which was shut down: make it for LOCATION-docker.pkg.dev, or let the nodes' identity pull"
    );
    Some(Spotted {
        is_verbatim,
        place: Place::of(Sort::Login),
        ..Spotted::new("pull-secret", span, command.role, message)
    })
}

#[cfg(test)]
mod tests {
    use crate::{Auditor, Settings, Severity};

    fn found(path: &str, text: &str) -> Vec<String> {
        let report = Auditor::new(Settings::default()).file(path, text.as_bytes());
        let shown = report
            .findings
            .iter()
            .filter(|finding| finding.severity > Severity::Info);
        shown
            .map(|finding| format!("{}:{} {}", finding.start.line, finding.rule.id, finding.matched))
            .collect()
    }

    #[test]
    fn commands_that_log_in_are_found_in_any_spelling() {
        for (script, wanted) in [
            (
                "docker login -u _json_key -p \"$(cat k)\" https://gcr.io",
                "1:docker-login gcr.io",
            ),
            (
                "cat k | sudo docker login -u _json_key --password-stdin eu.gcr.io",
                "1:docker-login eu.gcr.io",
            ),
            (
                "podman login --tls-verify=false us.gcr.io",
                "1:docker-login us.gcr.io",
            ),
            ("helm registry login \\\n  gcr.io -u x", "2:docker-login gcr.io"),
            ("crane auth login gcr.io -u x", "1:docker-login gcr.io"),
            ("/usr/bin/docker login gcr.io", "1:docker-login gcr.io"),
            ("$DOCKER login gcr.io", "1:docker-login gcr.io"),
            ("docker login \"${R:-gcr.io}\"", "1:docker-login gcr.io"),
        ] {
            let all = found("a.sh", script);
            assert!(all.iter().any(|one| one == wanted), "{script}: {all:?}");
        }
    }

    #[test]
    fn settings_of_clients_are_found() {
        for (script, wanted) in [
            ("gcloud docker -- push gcr.io/p/x", "1:gcloud-docker docker"),
            ("gcloud --project p docker -a", "1:gcloud-docker docker"),
            ("gcloud beta  docker -a", "1:gcloud-docker docker"),
            (
                "gcloud auth configure-docker -q",
                "1:configure-docker-bare configure-docker",
            ),
            (
                "yes | gcloud auth configure-docker",
                "1:configure-docker-bare configure-docker",
            ),
            (
                "gcloud beta auth configure-docker --project p",
                "1:configure-docker-bare configure-docker",
            ),
            (
                "docker-credential-gcr configure-docker",
                "1:configure-docker-bare configure-docker",
            ),
            (
                "gcloud auth configure-docker gcr.io,eu.gcr.io --quiet",
                "1:configure-docker-legacy gcr.io,eu.gcr.io",
            ),
            (
                "docker-credential-gcr configure-docker --registries=gcr.io",
                "1:configure-docker-legacy gcr.io",
            ),
            (
                "kubectl create secret docker-registry s --docker-server=https://gcr.io",
                "1:pull-secret gcr.io",
            ),
            (
                "kubectl create secret docker-registry s --docker-server gcr.io",
                "1:pull-secret gcr.io",
            ),
            (
                "echo '{\"credHelpers\":{\"gcr.io\":\"gcloud\"}}' > c.json",
                "1:cred-helper gcr.io",
            ),
            (
                "cat > c.json <<E\n{\"auths\":\n{\"https://gcr.io\": {}}}\nE",
                "3:cred-helper gcr.io",
            ),
            ("jq '.credHelpers[\"gcr.io\"]=\"gcr\"' c", "1:cred-helper gcr.io"),
        ] {
            let all = found("a.sh", script);
            assert!(all.iter().any(|one| one == wanted), "{script}: {all:?}");
        }
    }

    #[test]
    fn old_hosts_beside_new_ones_are_notes() {
        let script = "gcloud auth configure-docker gcr.io,europe-docker.pkg.dev";
        let report = Auditor::new(Settings::default()).file("a.sh", script.as_bytes());
        let told: Vec<_> = report
            .findings
            .iter()
            .map(|one| (one.rule.id, one.severity))
            .collect();
        assert_eq!(
            told,
            [
                ("configure-docker-legacy", Severity::Note),
                ("artifact-registry", Severity::Note)
            ]
        );
        let alone = Auditor::new(Settings::default()).file("a.sh", b"gcloud auth configure-docker gcr.io");
        assert_eq!(alone.findings[0].severity, Severity::Warning);
    }

    #[test]
    fn hosts_behind_variables_are_found_at_the_login_and_where_they_are_written() {
        assert_eq!(
            found("a.sh", "H=gcr.io\nR=https://$H\ndocker login $R\n"),
            ["1:host-legacy gcr.io", "3:docker-login login"]
        );
        assert_eq!(
            found("Makefile", "H = gcr.io\na:\n\tdocker login $(H)\n"),
            ["1:host-legacy gcr.io", "3:docker-login login"]
        );
        assert_eq!(
            found("a.ps1", "$H = 'gcr.io'\ndocker login $h\n"),
            ["1:host-legacy gcr.io", "2:docker-login login"]
        );
        assert_eq!(
            found("a.bat", "set H=gcr.io\r\ndocker login %H%\r\n"),
            ["1:host-legacy gcr.io", "2:docker-login login"]
        );
    }

    #[test]
    fn other_logins_are_left_alone() {
        for script in [
            "docker login ghcr.io # gcr.io",
            "echo docker login gcr.io",
            "echo 'gcloud auth configure-docker'",
            "# gcloud docker -- push gcr.io/p/x",
            "gcloud auth configure-docker --include-artifact-registry",
            "gcloud auth login # gcr.io",
            "gcloud auth configure-docker $REGION_HOST",
        ] {
            assert_eq!(found("a.sh", script), Vec::<String>::new(), "{script}");
        }
        assert_eq!(
            found("a.sh", "gcloud auth configure-docker us-docker.pkg.dev"),
            ["1:artifact-registry us-docker.pkg.dev"]
        );
    }

    #[test]
    fn what_is_put_together_says_what_the_definition_is() {
        for (script, wanted) in [
            (
                "H=gcr.io\ndocker pull $H/distroless/static",
                "1:image-google gcr.io",
            ),
            (
                "H=gcr.io\nI=$H/mine\ndocker pull $I/x $H/distroless/static",
                "1:image-own gcr.io",
            ),
            ("H=gcr.io\n", "1:host-legacy gcr.io"),
            (
                "P=distroless\ndocker pull gcr.io/$P/static",
                "2:image-google gcr.io/$P/static",
            ),
            (
                "docker pull ${R:-gcr.io}/distroless/static",
                "1:image-google gcr.io",
            ),
            (
                "docker pull gcr.io/$(gcloud config get-value project)/x",
                "1:image-own gcr.io/$(gcloud config get-value project)/x",
            ),
            (
                "docker pull gcr.io/`gcloud config get-value project`/x",
                "1:image-own gcr.io/`gcloud config get-value project`/x",
            ),
        ] {
            assert_eq!(found("a.sh", script), [wanted], "{script}");
        }
    }
}
