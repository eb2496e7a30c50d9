//! From a host and a name to a package of a repository.
//!
//! Container Registry put the project into the path and the location into the host; Artifact Registry puts the
//! repository into the path as well. A repository may be reached by several routes: the content is the same.

use oci::RepositoryName;
use store::{LocationId, PackagePath, ProjectId, RepositoryId, RepositoryPath};

use crate::refusal::Refusal;

/// Which hosts lead where; the first route whose host fits counts.
#[derive(Debug, Clone)]
pub struct HostRoutes {
    routes: Vec<HostRoute>,
    default: RepositoryPath,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoute {
    /// A host without port; with `*` at its beginning, every host that ends so.
    pub host: String,
    /// How names on it are read.
    pub style: Style,
}

/// How a name on a host is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Style {
    /// The whole name is a package of one repository.
    Whole(RepositoryPath),
    /// `PROJECT/IMAGE…`, where a first segment with a dot is a domain and belongs to the project.
    ContainerRegistry {
        /// Where the repositories are.
        location: LocationId,
        /// What they are called in each project: as the host.
        repository: RepositoryId,
    },
    /// `PROJECT/REPOSITORY/IMAGE…`; the location is the host's beginning, `LOCATION-docker.pkg.dev`.
    ArtifactRegistry {
        /// What follows the location in the host.
        suffix: String,
    },
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Package(PackagePath),
    /// A whole repository: its listing can be asked for on hosts in Google's style.
    Repository(RepositoryPath),
}

/// As tokens hold it.
impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Package(package) => package.fmt(formatter),
            Self::Repository(repository) => repository.fmt(formatter),
        }
    }
}

impl std::str::FromStr for Place {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Place, Refusal> {
        let end = text.match_indices('/').nth(REPOSITORY_SEGMENTS - 1);
        let (repository, package) = match end {
            Some((end, _)) => (
                text.get(..end).unwrap_or_default(),
                Some(text.get(end..).unwrap_or_default()),
            ),
            None => (text, None),
        };
        let package = package
            .map(|rest| rest.strip_prefix("/packages/").ok_or(Refusal::Name))
            .transpose()?;
        let repository: RepositoryPath = repository.parse().map_err(|_| Refusal::Name)?;
        Ok(match package {
            Some(name) => Place::Package(PackagePath {
                repository,
                name: name.parse().map_err(|_| Refusal::Name)?,
            }),
            None => Place::Repository(repository),
        })
    }
}

/// Of `projects/P/locations/L/repositories/R`.
const REPOSITORY_SEGMENTS: usize = 6;

/// A host as one request has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host<'h> {
    routes: &'h HostRoutes,
    style: Option<&'h Style>,
    host: &'h str,
}

impl HostRoutes {
    /// Container Registry's and Artifact Registry's hosts; every other host is the whole name in `default`.
    ///
    /// # Errors
    /// Never: the identifiers are known.
    pub fn google(default: RepositoryPath) -> Result<HostRoutes, store::ResourceError> {
        let mut routes = Vec::new();
        for (host, location) in [
            ("gcr.io", "us"),
            ("us.gcr.io", "us"),
            ("eu.gcr.io", "europe"),
            ("asia.gcr.io", "asia"),
        ] {
            routes.push(HostRoute {
                host: host.to_owned(),
                style: Style::ContainerRegistry {
                    location: location.parse()?,
                    repository: host.parse()?,
                },
            });
        }
        routes.push(HostRoute {
            host: "*-docker.pkg.dev".to_owned(),
            style: Style::ArtifactRegistry {
                suffix: "-docker.pkg.dev".to_owned(),
            },
        });
        Ok(HostRoutes { routes, default })
    }

    /// Every host is the whole name in `default`.
    #[must_use]
    pub fn whole(default: RepositoryPath) -> HostRoutes {
        let routes = Vec::new();
        HostRoutes { routes, default }
    }

    /// The same with further routes before the others.
    #[must_use]
    pub fn with(mut self, routes: Vec<HostRoute>) -> HostRoutes {
        self.routes.splice(0..0, routes);
        self
    }

    /// The repository of hosts that no route names.
    #[must_use]
    pub fn default_repository(&self) -> &RepositoryPath {
        &self.default
    }

    /// A request's host. The port does not count.
    pub(crate) fn host<'h>(&'h self, authority: &'h str) -> Host<'h> {
        let host = without_port(authority);
        let fits = |route: &&HostRoute| match route.host.strip_prefix('*') {
            Some(end) => host.len() > end.len() && ends_with(host, end),
            None => host.eq_ignore_ascii_case(&route.host),
        };
        Host {
            routes: self,
            style: self.routes.iter().find(fits).map(|route| &route.style),
            host,
        }
    }
}

impl Host<'_> {
    /// Whether listings are in Google's form.
    pub(crate) fn is_google(&self) -> bool {
        matches!(
            self.style,
            Some(Style::ContainerRegistry { .. } | Style::ArtifactRegistry { .. })
        )
    }

    /// The repository whose packages `_catalog` lists.
    pub(crate) fn whole(&self) -> Option<&RepositoryPath> {
        match self.style {
            None => Some(&self.routes.default),
            Some(Style::Whole(repository)) => Some(repository),
            Some(_) => None,
        }
    }

    /// What a name stands for; none when it is no name here.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        let (repository, package) = match self.style {
            None => (self.routes.default.clone(), Some(name)),
            Some(Style::Whole(repository)) => (repository.clone(), Some(name)),
            Some(Style::ContainerRegistry { location, repository }) => {
                let (project, rest) = project(name)?;
                (
                    RepositoryPath::new(project, location.clone(), repository.clone()),
                    rest,
                )
            }
            Some(Style::ArtifactRegistry { suffix }) => {
                let end = self.host.len().checked_sub(suffix.len())?;
                let location = self.host.get(..end)?.to_ascii_lowercase().parse().ok()?;
                let (project, rest) = project(name)?;
                let (id, rest) = match rest?.split_once('/') {
                    Some((id, rest)) => (id, Some(rest)),
                    None => (rest?, None),
                };
                (RepositoryPath::new(project, location, id.parse().ok()?), rest)
            }
        };
        match package {
            Some(package) => Some(Place::Package(PackagePath {
                repository,
                name: package.parse::<RepositoryName>().ok()?,
            })),
            None => Some(Place::Repository(repository)),
        }
    }
}

/// `PROJECT/…` or `DOMAIN/PROJECT/…`, which names the project `DOMAIN:PROJECT`.
fn project(name: &str) -> Option<(ProjectId, Option<&str>)> {
    let split = |text: &str| text.find('/').unwrap_or(text.len());
    let mut end = split(name);
    let first = name.get(..end)?;
    let project = if first.contains('.') {
        let rest = name.get(end + 1..)?;
        let second_end = split(rest);
        end += 1 + second_end;
        format!("{first}:{}", rest.get(..second_end)?)
    } else {
        first.to_owned()
    };
    let rest = name.get(end + 1..).filter(|rest| !rest.is_empty());
    Some((project.parse().ok()?, rest))
}

/// `host:80` and `[::1]:80` without the port.
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.is_empty() => host,
        _ => authority,
    }
}

fn ends_with(text: &str, end: &str) -> bool {
    text.get(text.len().saturating_sub(end.len())..)
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: &str, name: &str) -> String {
        let routes = HostRoutes::google("projects/d/locations/l/repositories/r".parse().unwrap()).unwrap();
        match routes.host(host).place(name) {
            Some(Place::Package(package)) => package.to_string(),
            Some(Place::Repository(repository)) => format!("{repository} itself"),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn hosts_and_names_lead_to_packages() {
        for (host, name, expected) in [
            (
                "localhost:5000",
                "a/b",
                "projects/d/locations/l/repositories/r/packages/a/b",
            ),
            (
                "[::1]:5000",
                "a",
                "projects/d/locations/l/repositories/r/packages/a",
            ),
            (
                "gcr.io",
                "p/a/b",
                "projects/p/locations/us/repositories/gcr.io/packages/a/b",
            ),
            (
                "EU.gcr.io:443",
                "p/a",
                "projects/p/locations/europe/repositories/eu.gcr.io/packages/a",
            ),
            (
                "gcr.io",
                "example.com/p/a",
                "projects/example.com:p/locations/us/repositories/gcr.io/packages/a",
            ),
            (
                "gcr.io",
                "p",
                "projects/p/locations/us/repositories/gcr.io itself",
            ),
            ("gcr.io", "example.com", "nothing"),
            (
                "us-docker.pkg.dev",
                "p/gcr.io/a",
                "projects/p/locations/us/repositories/gcr.io/packages/a",
            ),
            (
                "europe-west1-docker.pkg.dev",
                "p/r/a/b",
                "projects/p/locations/europe-west1/repositories/r/packages/a/b",
            ),
            (
                "us-docker.pkg.dev",
                "p/r",
                "projects/p/locations/us/repositories/r itself",
            ),
            ("us-docker.pkg.dev", "p", "nothing"),
            (
                "-docker.pkg.dev",
                "p/r/a",
                "projects/d/locations/l/repositories/r/packages/p/r/a",
            ),
            ("gcr.io", "P/a", "nothing"),
            ("localhost", "../etc", "nothing"),
            ("localhost", "", "nothing"),
        ] {
            assert_eq!(place(host, name), expected, "{host} {name}");
        }
    }
}
