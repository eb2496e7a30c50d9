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
    namespaces: bool,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoute {
    /// A host without port; with `*` at its beginning, every host that ends so.
    pub host: String,
    /// How names on it are read.
    pub style: Style,
    /// Whether it is as strict as Google's registries are, against what the specification asks for: what a tag, an
    /// index or a referrer holds is not deleted, a manifest is given only to who accepts its type, and where the style
    /// is Artifact Registry's, blobs do not come in chunks.
    pub strict: bool,
    /// Whether it may be reached under another host too, by a request that names it in `?ns=`.
    pub namespace: bool,
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
    route: Option<&'h HostRoute>,
    host: &'h str,
    /// Whether `?ns=` chose it.
    by_namespace: bool,
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
                strict: false,
                namespace: true,
            });
        }
        routes.push(HostRoute {
            host: "*-docker.pkg.dev".to_owned(),
            style: Style::ArtifactRegistry {
                suffix: "-docker.pkg.dev".to_owned(),
            },
            strict: false,
            namespace: true,
        });
        Ok(HostRoutes {
            routes,
            default,
            namespaces: true,
        })
    }

    /// The same, with all hosts in Google's style as strict as Google's are.
    #[must_use]
    pub fn strict(mut self) -> HostRoutes {
        for route in &mut self.routes {
            route.strict |= route.style.is_google();
        }
        self
    }

    /// The same, where `?ns=` says nothing.
    #[must_use]
    pub fn without_namespaces(mut self) -> HostRoutes {
        self.namespaces = false;
        self
    }

    /// Every host is the whole name in `default`.
    #[must_use]
    pub fn whole(default: RepositoryPath) -> HostRoutes {
        HostRoutes {
            routes: Vec::new(),
            default,
            namespaces: true,
        }
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

    /// The package that a name on a host stands for, if it is the name of one.
    #[must_use]
    pub fn package(&self, authority: &str, name: &str) -> Option<PackagePath> {
        match self.host(authority).place(name)? {
            Place::Package(package) => Some(package),
            Place::Repository(_) => None,
        }
    }

    /// A request's host. The port does not count.
    pub(crate) fn host<'h>(&'h self, authority: &'h str) -> Host<'h> {
        let host = without_port(authority);
        Host {
            routes: self,
            route: self.routes.iter().find(|route| route.fits(host)),
            host,
            by_namespace: false,
        }
    }

    /// The host of a request that reads and says in `?ns=` which host its client means, as clients of a mirror do. It
    /// counts where no route names the request's own host: that one has decided already.
    ///
    /// Spec: distribution-spec "Registry Proxying".
    pub(crate) fn host_in<'h>(&'h self, authority: &'h str, namespace: Option<&'h str>) -> Host<'h> {
        let own = self.host(authority);
        let Some(namespace) = namespace.filter(|_| self.namespaces && own.route.is_none()) else {
            return own;
        };
        let meant = self.host(namespace);
        match meant.route {
            Some(route) if route.namespace => Host {
                by_namespace: true,
                ..meant
            },
            _ => own,
        }
    }
}

impl HostRoute {
    fn fits(&self, host: &str) -> bool {
        match self.host.strip_prefix('*') {
            Some(end) => host.len() > end.len() && ends_with(host, end),
            None => host.eq_ignore_ascii_case(&self.host),
        }
    }
}

impl Style {
    fn is_google(&self) -> bool {
        matches!(
            self,
            Style::ContainerRegistry { .. } | Style::ArtifactRegistry { .. }
        )
    }
}

impl Host<'_> {
    /// Whether listings are in Google's form.
    pub(crate) fn is_google(&self) -> bool {
        self.route.is_some_and(|route| route.style.is_google())
    }

    /// See [`HostRoute::strict`].
    pub(crate) fn is_strict(&self) -> bool {
        self.route.is_some_and(|route| route.strict)
    }

    /// Whether blobs may come in chunks.
    pub(crate) fn takes_chunks(&self) -> bool {
        let artifact_registry = |route: &HostRoute| matches!(route.style, Style::ArtifactRegistry { .. });
        !self
            .route
            .is_some_and(|route| route.strict && artifact_registry(route))
    }

    /// Whether `?ns=` chose it.
    pub(crate) fn is_by_namespace(&self) -> bool {
        self.by_namespace
    }

    fn style(&self) -> Option<&Style> {
        self.route.map(|route| &route.style)
    }

    /// The repository whose packages `_catalog` lists.
    pub(crate) fn whole(&self) -> Option<&RepositoryPath> {
        match self.style() {
            None => Some(&self.routes.default),
            Some(Style::Whole(repository)) => Some(repository),
            Some(_) => None,
        }
    }

    /// What a name stands for; none when it is no name here.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        let (repository, package) = match self.style() {
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
