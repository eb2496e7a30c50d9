//! Repositories of Artifact Registry, and the buckets that Container Registry kept its images in.

use std::fmt;
use std::str::FromStr;

/// A repository, `projects/PROJECT/locations/LOCATION/repositories/ID`. The parts are fit for paths of files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    project: String,
    location: String,
    id: String,
}

/// A text that names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no repository: expected projects/PROJECT/locations/LOCATION/repositories/REPOSITORY")]
pub struct RepositoryError {
    /// The text, cut if it is long.
    text: String,
}

impl Repository {
    /// The project.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The last part of its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the bucket `[us.|eu.|asia.]artifacts.PROJECT.appspot.com` became: the repository of the host's name.
    ///
    /// Projects of a domain, `DOMAIN:PROJECT`, are `PROJECT.DOMAIN.a` in names of buckets.
    #[must_use]
    pub fn of_bucket(bucket: &str) -> Option<Repository> {
        let name = bucket.strip_suffix(".appspot.com")?;
        let (prefix, id, location) = HOSTS.iter().find(|(prefix, ..)| name.starts_with(prefix))?;
        let project = name.strip_prefix(prefix)?;
        let project = match project.strip_suffix(".a").and_then(|name| name.split_once('.')) {
            Some((project, domain)) => format!("{domain}:{project}"),
            None if project.contains('.') => return None,
            None => project.to_owned(),
        };
        Repository::of_parts(&project, location, id)
    }

    fn of_parts(project: &str, location: &str, id: &str) -> Option<Repository> {
        let is_part = |part: &str| {
            let fits =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.:".contains(&byte);
            (1..=PART_BYTES_MAX).contains(&part.len()) && !part.starts_with('.') && part.bytes().all(fits)
        };
        [project, location, id]
            .into_iter()
            .all(is_part)
            .then(|| Repository {
                project: project.to_owned(),
                location: location.to_owned(),
                id: id.to_owned(),
            })
    }
}

impl FromStr for Repository {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Repository, RepositoryError> {
        let found = match text.split('/').collect::<Vec<_>>().as_slice() {
            ["projects", project, "locations", location, "repositories", id] => {
                Repository::of_parts(project, location, id)
            }
            _ => None,
        };
        found.ok_or_else(|| RepositoryError {
            text: text.chars().take(SHOWN_CHARACTERS_MAX).collect(),
        })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repository {
            project,
            location,
            id,
        } = self;
        write!(
            formatter,
            "projects/{project}/locations/{location}/repositories/{id}"
        )
    }
}

/// How the names of the buckets begin; the repository and its location.
const HOSTS: [(&str, &str, &str); 4] = [
    ("artifacts.", "gcr.io", "us"),
    ("us.artifacts.", "us.gcr.io", "us"),
    ("eu.artifacts.", "eu.gcr.io", "europe"),
    ("asia.artifacts.", "asia.gcr.io", "asia"),
];
/// Longest part of a name, in bytes: that of a file's name.
const PART_BYTES_MAX: usize = 200;
const SHOWN_CHARACTERS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_buckets_of_a_project_became_the_repositories_of_their_hosts() {
        for (bucket, expected) in [
            (
                "artifacts.shop.appspot.com",
                Some("projects/shop/locations/us/repositories/gcr.io"),
            ),
            (
                "us.artifacts.shop.appspot.com",
                Some("projects/shop/locations/us/repositories/us.gcr.io"),
            ),
            (
                "eu.artifacts.shop.appspot.com",
                Some("projects/shop/locations/europe/repositories/eu.gcr.io"),
            ),
            (
                "asia.artifacts.shop.appspot.com",
                Some("projects/shop/locations/asia/repositories/asia.gcr.io"),
            ),
            (
                "eu.artifacts.shop.corp.example.a.appspot.com",
                Some("projects/corp.example:shop/locations/europe/repositories/eu.gcr.io"),
            ),
            ("artifacts.shop.example.appspot.com", None),
            ("shop.appspot.com", None),
            ("artifacts..appspot.com", None),
            ("artifacts.shop.appspot.com.example", None),
            ("fr.artifacts.shop.appspot.com", None),
        ] {
            let found = Repository::of_bucket(bucket).map(|found| found.to_string());
            assert_eq!(found.as_deref(), expected, "{bucket}");
        }
    }

    #[test]
    fn a_name_that_is_no_path_of_a_file_is_no_repository() {
        let name = |project: &str, id: &str| format!("projects/{project}/locations/us/repositories/{id}");
        assert_eq!(
            name("p", "r").parse::<Repository>().unwrap().to_string(),
            name("p", "r")
        );
        for text in [
            name("..", "r"),
            name("p", ".."),
            name("", "r"),
            name("p", "a/b"),
            name("P", "r"),
            name("p", &"r".repeat(201)),
            "p/us/r".to_owned(),
        ] {
            assert!(text.parse::<Repository>().is_err(), "{text}");
        }
        assert!(name("p", &"r".repeat(200)).parse::<Repository>().is_ok());
    }
}
