//! Where the content of a repository comes from.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use oci::{NameError, Reference, RepositoryName};

use crate::RepositoryPath;
use crate::repositories::matches;

/// Where the content of a repository comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// From pushes.
    Standard,
    /// From another registry, as it is asked for.
    Remote(Remote),
    /// From other repositories of this registry, which it has nothing beside.
    Virtual(Virtual),
}

/// A repository in front of another registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where its content is.
    pub upstream: Upstream,
    /// How long a tag is served before it is asked about again.
    pub fresh: Duration,
    /// Most bytes of blobs that are fetched in a second; none is no limit.
    pub bytes_per_second_max: Option<u64>,
}

/// How long a tag of a remote repository is served before it is asked about again, unless that is said.
pub const FRESH: Duration = Duration::from_secs(60);

impl Remote {
    /// One without any limits.
    #[must_use]
    pub fn new(upstream: Upstream) -> Remote {
        Remote {
            upstream,
            fresh: FRESH,
            bytes_per_second_max: None,
        }
    }
}

/// What the content of a repository is called elsewhere: its package `NAME` is `HOST/PREFIX/NAME` there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upstream {
    /// `HOST[:PORT]`.
    pub host: String,
    /// What all names there begin with.
    pub prefix: Option<RepositoryName>,
}

/// A text that does not name an upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not of the form HOST[:PORT][/PREFIX], such as registry.example/team")]
pub struct UpstreamError {
    /// The text.
    pub text: String,
}

impl Upstream {
    /// What a package is called there.
    ///
    /// # Errors
    /// When that would be longer than a name may be.
    pub fn name_of(&self, package: &RepositoryName) -> Result<RepositoryName, NameError> {
        match &self.prefix {
            Some(prefix) => prefix.join(package.as_str()),
            None => Ok(package.clone()),
        }
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Upstream, UpstreamError> {
        let bad = || UpstreamError {
            text: text.chars().take(SHOWN_CHARACTERS_MAX).collect(),
        };
        let (host, prefix) = match text.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix)),
            None => (text, None),
        };
        let prefix = prefix.map(str::parse).transpose().map_err(|_| bad())?;
        let name = "x".parse().map_err(|_| bad())?;
        let reference = Reference::new(host, name).map_err(|_| bad())?;
        let host = reference.host().to_owned();
        Ok(Upstream { host, prefix })
    }
}

const SHOWN_CHARACTERS_MAX: usize = 80;

impl fmt::Display for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.host)?;
        match &self.prefix {
            Some(prefix) => write!(formatter, "/{prefix}"),
            None => Ok(()),
        }
    }
}

/// A repository that stands for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Virtual {
    /// The others, in no order: their priorities have one.
    pub members: Vec<Member>,
}

/// A repository behind a virtual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name within the virtual repository.
    pub id: String,
    /// Which.
    pub repository: RepositoryPath,
    /// Who has a greater one is asked first; of two equal ones the smaller id.
    pub priority: i32,
    /// Packages that are this member's whether it has them or not, as patterns in which `*` stands for any characters. They are
    /// never looked for in members after it.
    pub owned_packages: Vec<String>,
}

impl Member {
    /// Whether a package is this member's by what is said of it.
    #[must_use]
    pub fn owns(&self, package: &RepositoryName) -> bool {
        let name = package.as_str().as_bytes();
        let mut patterns = self.owned_packages.iter();
        patterns.any(|pattern| matches(pattern.as_bytes(), name))
    }
}

impl Virtual {
    /// The members, those that are asked first before the others.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Member> {
        let mut members: Vec<&Member> = self.members.iter().collect();
        members.sort_by(|one, other| (other.priority, &one.id).cmp(&(one.priority, &other.id)));
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    #[test]
    fn packages_have_their_names_below_the_prefix() {
        let upstream: Upstream = "old.example:5000/team/x".parse().unwrap();
        assert_eq!(upstream.name_of(&name("a/b")).unwrap(), name("team/x/a/b"));
        assert_eq!(upstream.to_string(), "old.example:5000/team/x");
        let upstream: Upstream = "old.example".parse().unwrap();
        assert_eq!(upstream.name_of(&name("a")).unwrap(), name("a"));
        for text in [
            "",
            "/a",
            "old.example/",
            "old.example/A",
            "https://old.example",
            "a b",
        ] {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
        let long: Upstream = format!("h.example/{}", "p".repeat(200)).parse().unwrap();
        assert!(long.name_of(&name(&"n".repeat(60))).is_err());
    }

    #[test]
    fn members_are_asked_by_priority_and_own_what_is_said() {
        let member = |id: &str, priority| Member {
            id: id.to_owned(),
            repository: "projects/p/locations/l/repositories/r".parse().unwrap(),
            priority,
            owned_packages: vec!["team/*".to_owned(), "app".to_owned()],
        };
        let members = [("c", 1), ("b", 5), ("a", 5), ("d", -1)].map(|(id, priority)| member(id, priority));
        let members = Virtual {
            members: members.to_vec(),
        };
        let order: Vec<&str> = members
            .in_order()
            .iter()
            .map(|member| member.id.as_str())
            .collect();
        assert_eq!(order, ["a", "b", "c", "d"]);
        let owns = |text: &str| members.members[0].owns(&name(text));
        assert!(owns("team/a/b") && owns("app") && !owns("apps") && !owns("team"));
    }
}
