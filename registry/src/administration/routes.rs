//! Which resource a request of administration is about: the contents page of this part.
//!
//! | below `/v1/projects/P` | |
//! |---|---|
//! | `:getIamPolicy`, `:setIamPolicy`, `:testIamPermissions` | [`Target::Policy`] of the project |
//! | `/projectSettings`, `/occurrences` | what Google's command line asks for beside the rest |
//! | `/locations`, `/locations/L`, `/locations/L/operations/O` | |
//! | `/locations/L/repositories`, `…/R`, `…/R:getIamPolicy` | repositories and their policies |
//! | `…/R:transition`, `…/R:shift`, `…/R:rollback`, `…/R:finish` | how far it has replaced an old registry |
//! | `…/R/packages`, `…/R/packages/K` | packages |
//! | `…/K/versions`, `…/versions/V`, `…/versions:batchDelete` | manifests |
//! | `…/K/tags`, `…/tags/T` | tags |
//! | `…/R/dockerImages`, `…/dockerImages/K@V` | manifests as images |
//!
//! | below `/lightship/v1` | |
//! |---|---|
//! | `registry`, `registry:getIamPolicy`, `policies`, `iam:check`, `names` | the registry itself |
//! | `accounts`, `accounts/A`, `accounts/A:setPassword`, `accounts/A/keys/K` | who is known |
//! | `jobs`, `jobs/J` | cleanup, collection and scrub |
//! | `repositories` | those that the caller may see, of all projects |
//! | `projects`, `projects/P` | what projects hold, and their quotas |
//! | `projects/…/tags/T/history` | what a tag named |
//!
//! Source: Artifact Registry's REST API, v1; names of packages have `%2F` for their slashes.

use oci::{Digest, RepositoryName, Tag};
use store::{LocationId, PackagePath, ProjectId, RepositoryPath, Resource};

use crate::percent::decoded_text;

/// Longest path that is looked at.
const PATH_BYTES_MAX: usize = 4096;

/// Stands for every location.
const ANY: &str = "-";

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    ProjectSettings(ProjectId),
    Occurrences(ProjectId),
    Locations(ProjectId),
    Location(ProjectId, LocationId),
    Operation(String),
    Repositories(ProjectId, Option<LocationId>),
    Repository(RepositoryPath),
    Policy(Resource, PolicyVerb),
    Transition(RepositoryPath, TransitionVerb),
    Packages(RepositoryPath),
    Package(PackagePath),
    Versions(PackagePath),
    Version(PackagePath, Digest),
    VersionsBatchDelete(PackagePath),
    Tags(PackagePath),
    Tag(PackagePath, Tag),
    TagHistory(PackagePath, Tag),
    DockerImages(RepositoryPath),
    DockerImage(PackagePath, Digest),
    Registry,
    Policies,
    Projects,
    AllRepositories,
    Project(ProjectId),
    Check,
    Names,
    Accounts,
    Account(String),
    AccountPassword(String),
    Keys(String),
    Key(String, String),
    Jobs,
    Job(String),
}

/// What is to be done with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyVerb {
    Get,
    Set,
    Test,
}

/// What is to be done with a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransitionVerb {
    Get,
    Shift,
    Rollback,
    Finish,
}

/// Whether a path is one of administration.
pub(crate) fn is_at(path: &str) -> bool {
    ["/v1/", "/v1beta2/", "/lightship/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

/// Reads a path; nothing when it leads nowhere.
pub(crate) fn target(path: &str) -> Option<Target> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let (is_own, rest) = match path.strip_prefix("/lightship/v1/") {
        Some(rest) => (true, rest),
        // Google's command line lists locations in its older version.
        None => (
            false,
            path.strip_prefix("/v1/")
                .or_else(|| path.strip_prefix("/v1beta2/"))?,
        ),
    };
    let mut segments: Vec<String> = rest.split('/').map(segment).collect();
    let verb = segments.last_mut().and_then(take_verb);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["projects", project, below @ ..] if is_own => match (below, verb) {
            ([], None) => Some(Target::Project(project.parse().ok()?)),
            (["locations", location, "repositories", id, below @ ..], None) => {
                let repository = repository(project, location, id)?;
                match below {
                    ["packages", package, "tags", tag, "history"] => Some(Target::TagHistory(
                        self::package(repository, package)?,
                        tag.parse().ok()?,
                    )),
                    _ => None,
                }
            }
            _ => None,
        },
        ["projects", project, below @ ..] => of_project(project, below, verb),
        own if is_own => of_registry(own, verb),
        _ => None,
    }
}

/// A segment, decoded. Some clients encode the `%2F` of a package once more.
fn segment(text: &str) -> String {
    let once = decoded_text(text);
    if once.contains('%') {
        decoded_text(&once)
    } else {
        once
    }
}

/// What may follow a resource after a colon. Digests and projects have colons, too, so only these words are verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Policy(PolicyVerb),
    BatchDelete,
    SetPassword,
    Check,
    Transition(TransitionVerb),
}

fn take_verb(last: &mut String) -> Option<Verb> {
    let (resource, verb) = last.rsplit_once(':')?;
    let verb = match verb {
        "getIamPolicy" => Verb::Policy(PolicyVerb::Get),
        "setIamPolicy" => Verb::Policy(PolicyVerb::Set),
        "testIamPermissions" => Verb::Policy(PolicyVerb::Test),
        "batchDelete" => Verb::BatchDelete,
        "setPassword" => Verb::SetPassword,
        "check" => Verb::Check,
        "transition" => Verb::Transition(TransitionVerb::Get),
        "shift" => Verb::Transition(TransitionVerb::Shift),
        "rollback" => Verb::Transition(TransitionVerb::Rollback),
        "finish" => Verb::Transition(TransitionVerb::Finish),
        _ => return None,
    };
    *last = resource.to_owned();
    Some(verb)
}

fn of_project(project: &str, below: &[&str], verb: Option<Verb>) -> Option<Target> {
    let id = || project.parse::<ProjectId>().ok();
    match (below, verb) {
        ([], Some(Verb::Policy(verb))) => Some(Target::Policy(Resource::Project(id()?), verb)),
        (["projectSettings"], None) => Some(Target::ProjectSettings(id()?)),
        (["occurrences"], None) => Some(Target::Occurrences(id()?)),
        (["locations"], None) => Some(Target::Locations(id()?)),
        (["locations", location], None) => Some(Target::Location(id()?, location.parse().ok()?)),
        (["locations", location, "operations", operation], None) => Some(Target::Operation(format!(
            "projects/{}/locations/{}/operations/{operation}",
            id()?,
            location.parse::<LocationId>().ok()?
        ))),
        (["locations", location, "repositories"], None) => {
            let location = match *location {
                ANY => None,
                location => Some(location.parse().ok()?),
            };
            Some(Target::Repositories(id()?, location))
        }
        (["locations", location, "repositories", id, below @ ..], verb) => {
            of_repository(repository(project, location, id)?, below, verb)
        }
        _ => None,
    }
}

fn of_repository(repository: RepositoryPath, below: &[&str], verb: Option<Verb>) -> Option<Target> {
    match (below, verb) {
        ([], None) => Some(Target::Repository(repository)),
        ([], Some(Verb::Policy(verb))) => Some(Target::Policy(Resource::Repository(repository), verb)),
        ([], Some(Verb::Transition(verb))) => Some(Target::Transition(repository, verb)),
        (["packages"], None) => Some(Target::Packages(repository)),
        (["dockerImages"], None) => Some(Target::DockerImages(repository)),
        (["dockerImages", image], None) => {
            let (name, digest) = image.split_once('@')?;
            Some(Target::DockerImage(
                package(repository, name)?,
                digest.parse().ok()?,
            ))
        }
        (["packages", below @ ..], verb) => of_packages(repository, below, verb),
        _ => None,
    }
}

/// Some clients write the slashes of a name as they are, so what is not one segment is read from its end.
fn of_packages(repository: RepositoryPath, below: &[&str], verb: Option<Verb>) -> Option<Target> {
    let whole = |segments: &[&str]| package(repository.clone(), &segments.join("/"));
    let versions = |of: Option<PackagePath>, verb: Option<Verb>| match verb {
        None => of.map(Target::Versions),
        Some(Verb::BatchDelete) => of.map(Target::VersionsBatchDelete),
        Some(_) => None,
    };
    match (below, verb) {
        ([], _) => None,
        ([name @ .., "versions"], verb) if !name.is_empty() => versions(whole(name), verb),
        (_, Some(_)) => None,
        ([name @ .., "versions", digest], None) if !name.is_empty() => {
            Some(Target::Version(whole(name)?, digest.parse().ok()?))
        }
        ([name @ .., "tags"], None) if !name.is_empty() => whole(name).map(Target::Tags),
        ([name @ .., "tags", tag], None) if !name.is_empty() => {
            Some(Target::Tag(whole(name)?, tag.parse().ok()?))
        }
        (name, None) => whole(name).map(Target::Package),
    }
}

fn of_registry(segments: &[&str], verb: Option<Verb>) -> Option<Target> {
    let named = |name: &&str| (!name.is_empty()).then(|| (*name).to_owned());
    match (segments, verb) {
        (["registry"], None) => Some(Target::Registry),
        (["registry"], Some(Verb::Policy(verb))) => Some(Target::Policy(Resource::Registry, verb)),
        (["policies"], None) => Some(Target::Policies),
        (["projects"], None) => Some(Target::Projects),
        (["repositories"], None) => Some(Target::AllRepositories),
        (["iam"], Some(Verb::Check)) => Some(Target::Check),
        (["names"], None) => Some(Target::Names),
        (["accounts"], None) => Some(Target::Accounts),
        (["accounts", name], None) => Some(Target::Account(named(name)?)),
        (["accounts", name], Some(Verb::SetPassword)) => Some(Target::AccountPassword(named(name)?)),
        (["accounts", name, "keys"], None) => Some(Target::Keys(named(name)?)),
        (["accounts", name, "keys", key], None) => Some(Target::Key(named(name)?, named(key)?)),
        (["jobs"], None) => Some(Target::Jobs),
        (["jobs", id], None) => Some(Target::Job(named(id)?)),
        _ => None,
    }
}

fn repository(project: &str, location: &str, id: &str) -> Option<RepositoryPath> {
    Some(RepositoryPath::new(
        project.parse().ok()?,
        location.parse().ok()?,
        id.parse().ok()?,
    ))
}

fn package(repository: RepositoryPath, name: &str) -> Option<PackagePath> {
    let name: RepositoryName = name.parse().ok()?;
    Some(PackagePath { repository, name })
}

/// The name of a package's resource.
pub(crate) fn package_name(package: &PackagePath) -> String {
    let escaped = package.name.as_str().replace('/', "%2F");
    format!("{}/packages/{escaped}", package.repository)
}

/// The name of a version's resource.
pub(crate) fn version_name(package: &PackagePath, digest: &Digest) -> String {
    format!("{}/versions/{digest}", package_name(package))
}

/// The name of a tag's resource.
pub(crate) fn tag_name(package: &PackagePath, tag: &Tag) -> String {
    format!("{}/tags/{tag}", package_name(package))
}

/// Reads the name of a resource, as bodies have it.
pub(crate) fn named(name: &str) -> Option<Target> {
    target(&format!("/v1/{name}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const R: &str = "projects/p/locations/l/repositories/r";
    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_of_resources_are_read_again() {
        let package = PackagePath {
            repository: R.parse().unwrap(),
            name: "a/b".parse().unwrap(),
        };
        let digest: Digest = DIGEST.parse().unwrap();
        assert_eq!(
            named(&package_name(&package)),
            Some(Target::Package(package.clone()))
        );
        assert_eq!(
            named(&version_name(&package, &digest)),
            Some(Target::Version(package.clone(), digest))
        );
        let tag: Tag = "v1".parse().unwrap();
        assert_eq!(
            named(&tag_name(&package, &tag)),
            Some(Target::Tag(package.clone(), tag))
        );
        assert_eq!(
            named(&format!("{R}/packages/a/b/tags/v1")),
            named(&tag_name(&package, &"v1".parse().unwrap()))
        );
        // gcloud encodes the percent sign once more.
        assert_eq!(
            named(&package_name(&package).replace('%', "%25")),
            Some(Target::Package(package.clone()))
        );
        assert_eq!(
            target(&format!("/v1/{R}/dockerImages/a%2Fb%40{DIGEST}")),
            Some(Target::DockerImage(package, digest))
        );
    }

    #[test]
    fn verbs_are_told_from_colons_in_names() {
        let project = "/v1/projects/example.com:p";
        assert!(matches!(
            target(&format!("{project}:setIamPolicy")),
            Some(Target::Policy(Resource::Project(id), PolicyVerb::Set)) if id.as_str() == "example.com:p"
        ));
        assert!(matches!(
            target(&format!("/v1/{R}:getIamPolicy")),
            Some(Target::Policy(Resource::Repository(_), PolicyVerb::Get))
        ));
        assert!(matches!(
            target(&format!("/v1/{R}/packages/a/versions:batchDelete")),
            Some(Target::VersionsBatchDelete(_))
        ));
        assert_eq!(
            target("/lightship/v1/accounts/ann@example.com:setPassword"),
            Some(Target::AccountPassword("ann@example.com".to_owned()))
        );
        for nowhere in [
            "/v1/projects/p",
            "/v1/projects/p/locations/l/repositories/R",
            "/v1/projects/p/locations/l/repositories/r:check",
            "/v1/accounts",
            "/lightship/v1/accounts/",
            "/lightship/v1/projects/p/locations/l/repositories/r",
            "/v1/projects/p/locations/l/repositories/r/packages/a/versions/sha256:x",
        ] {
            assert_eq!(target(nowhere), None, "{nowhere}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(path in "(/v1|/lightship/v1)(/[a-z%:@*+.-]{0,12}|/projects|/locations|/repositories|/packages){0,12}") {
            let _ = target(&path);
        }
    }
}
