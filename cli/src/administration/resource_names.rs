//! How people write repositories and images, and what their resources are called.

use crate::failure::Failure;

/// What names of Container Registry's hosts lead to: host and location.
const CONTAINER_REGISTRY: [(&str, &str); 4] = [
    ("gcr.io", "us"),
    ("us.gcr.io", "us"),
    ("eu.gcr.io", "europe"),
    ("asia.gcr.io", "asia"),
];

/// The resource of a repository: `projects/P/locations/L/repositories/R`, `P/L/R`, `LOCATION-docker.pkg.dev/P/R` or
/// `gcr.io/P`.
pub(crate) fn repository_name(text: &str) -> Result<String, Failure> {
    let of = |project: &str, location: &str, id: &str| {
        format!("projects/{project}/locations/{location}/repositories/{id}")
    };
    let parts: Vec<&str> = text.split('/').collect();
    let container_registry = |host: &str| CONTAINER_REGISTRY.iter().find(|(known, _)| *known == host);
    let found = match parts.as_slice() {
        ["projects", project, "locations", location, "repositories", id] => Some(of(project, location, id)),
        [host, project, id] if host.ends_with("-docker.pkg.dev") => {
            Some(of(project, host.trim_end_matches("-docker.pkg.dev"), id))
        }
        [host, project] => container_registry(host).map(|(id, location)| of(project, location, id)),
        [project, location, id] if !is_host(project) => Some(of(project, location, id)),
        _ => None,
    };
    let is_possible =
        |name: &String| !name.contains("//") && !name.contains(|c: char| c.is_ascii_uppercase());
    found.filter(is_possible).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no repository")).hint(
            "write PROJECT/LOCATION/REPOSITORY, LOCATION-docker.pkg.dev/PROJECT/REPOSITORY, gcr.io/PROJECT or \
             projects/PROJECT/locations/LOCATION/repositories/REPOSITORY, in small letters",
        )
    })
}

/// Whether a name's beginning is a registry's host, as docker tells it. Projects have no dots but in `DOMAIN:PROJECT`.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, ""));
    port.bytes().all(|byte| byte.is_ascii_digit())
        && (name == "localhost" || name.contains('.') || !port.is_empty())
}

/// What a policy stands on: `registry`, `projects/P`, or a repository in any of its forms.
pub(crate) fn resource_name(text: &str) -> Result<String, Failure> {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        ["registry"] => Ok(text.to_owned()),
        ["projects", project] if !project.is_empty() => Ok(text.to_owned()),
        _ => repository_name(text).map_err(|failure| failure.hint("or `registry`, or projects/PROJECT")),
    }
}

/// An image as people pull it.
#[derive(Debug, Clone)]
pub(crate) struct ImageName {
    pub(crate) host: String,
    pub(crate) name: String,
    pub(crate) tag: Option<String>,
}

impl ImageName {
    /// Reads `HOST/NAME[:TAG]`.
    pub(crate) fn parse(text: &str) -> Result<ImageName, Failure> {
        match text.parse::<client::Location>() {
            Ok(client::Location::Registry(reference)) if reference.digest().is_none() => Ok(ImageName {
                host: reference.host().to_owned(),
                name: reference.name().to_string(),
                tag: reference.tag().map(ToString::to_string),
            }),
            _ => Err(Failure::usage(format!("`{text}` is no image on a registry"))
                .hint("write HOST/NAME or HOST/NAME:TAG, as for a pull")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_named_as_people_pull_from_them() {
        for (text, expected) in [
            ("p/us/r", "projects/p/locations/us/repositories/r"),
            ("us-docker.pkg.dev/p/r", "projects/p/locations/us/repositories/r"),
            (
                "eu.gcr.io/p",
                "projects/p/locations/europe/repositories/eu.gcr.io",
            ),
            (
                "projects/p/locations/us/repositories/r",
                "projects/p/locations/us/repositories/r",
            ),
        ] {
            assert_eq!(repository_name(text).ok().as_deref(), Some(expected), "{text}");
        }
        assert!(repository_name("example.com:p/us/r").is_ok());
        // Images, not repositories: their first part is a host.
        for text in [
            "127.0.0.1:5000/team/app",
            "localhost/team/app",
            "registry.example/team/app",
            "gcr.io/p/app",
        ] {
            assert!(repository_name(text).is_err(), "{text}");
        }
        for text in ["", "r", "p/r", "p//r", "a/b/c/d", "P/us/r"] {
            assert!(repository_name(text).is_err(), "{text}");
        }
        assert_eq!(resource_name("projects/p").ok().as_deref(), Some("projects/p"));
        assert_eq!(resource_name("registry").ok().as_deref(), Some("registry"));
    }

    #[test]
    fn images_are_named_as_people_pull_them() {
        let image = ImageName::parse("localhost:5000/a/b:v1").unwrap();
        assert_eq!(
            (&*image.host, &*image.name, image.tag.as_deref()),
            ("localhost:5000", "a/b", Some("v1"))
        );
        assert!(ImageName::parse("oci:dir").is_err());
    }
}
