//! Where a repository's content comes from, as options.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::settings_options::{bytes, seconds};
use crate::administration::{last, repository_name};
use crate::failure::Failure;

/// Where the content of a new repository comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// From pushes
    Standard,
    /// From another registry, as it is asked for
    Remote,
    /// From other repositories of this registry
    Virtual,
}

impl Mode {
    /// As Google's API has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Mode::Standard => "STANDARD_REPOSITORY",
            Mode::Remote => "REMOTE_REPOSITORY",
            Mode::Virtual => "VIRTUAL_REPOSITORY",
        }
    }
}

/// Settings of remote and virtual repositories.
#[derive(Debug, Args)]
#[command(next_help_heading = "Remote and virtual repositories")]
pub(super) struct OriginOptions {
    /// Of a remote one: the registry behind it; its package NAME is HOST/PREFIX/NAME there
    #[arg(long, value_name = "HOST[/PREFIX]")]
    upstream: Option<String>,
    /// Of a remote one: how long a tag is served before it is asked about again, as 60s or 1h; 0s asks each time
    #[arg(long, value_name = "AGE", value_parser = age)]
    fresh: Option<String>,
    /// Of a remote one: most bytes that are fetched in a second, as 10MB; 0 is no limit
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    bandwidth: Option<u64>,
    /// Remove what nobody has pulled for this long, as 30d; replaces all cleanup policies
    #[arg(long, value_name = "AGE", value_parser = age, conflicts_with = "cleanup")]
    unused: Option<String>,
    /// Of a virtual one: a repository behind it, whose content goes before that of smaller priorities; replaces all; may be
    /// given several times
    ///
    /// A single word is a repository of the same project and location.
    #[arg(long = "member", value_name = "REPOSITORY=PRIORITY")]
    members: Vec<String>,
    /// Of a virtual one: packages that are looked for in this member alone, by a name with * for any characters; replaces
    /// all; may be given several times
    #[arg(long = "owns", value_name = "MEMBER=PATTERN")]
    owned: Vec<String>,
}

fn age(text: &str) -> Result<String, String> {
    seconds(text).ok_or_else(|| "write a number with s, m, h or d, as 30d".to_owned())
}

impl OriginOptions {
    /// Adds what was given for the repository `name` (`projects/…`), and to our own settings what Google has no field for.
    pub(super) fn add(
        &self,
        name: &str,
        own: &mut Map<String, Value>,
        mut set: impl FnMut(&'static str, Value),
    ) -> Result<(), Failure> {
        if let Some(upstream) = &self.upstream {
            let repository = match upstream.as_str() {
                "docker.io" => json!({"publicRepository": "DOCKER_HUB"}),
                other => json!({"customRepository": {"uri": other}}),
            };
            set("remoteRepositoryConfig", json!({"dockerRepository": repository}));
        }
        if let Some(fresh) = &self.fresh {
            own.insert("upstreamFreshness".to_owned(), fresh.as_str().into());
        }
        if let Some(bandwidth) = self.bandwidth {
            own.insert(
                "upstreamBytesPerSecondMax".to_owned(),
                bandwidth.to_string().into(),
            );
        }
        if let Some(unused) = &self.unused {
            let policy = json!({"id": "unused", "action": "DELETE", "condition": {"tagState": "ANY", "unusedFor": unused}});
            set("cleanupPolicies", json!({"unused": policy}));
        }
        if !self.members.is_empty() {
            let policies = self.members.iter().map(|member| policy(name, member));
            let policies = policies.collect::<Result<Vec<Value>, Failure>>()?;
            set("virtualRepositoryConfig", json!({"upstreamPolicies": policies}));
        }
        if !self.owned.is_empty() {
            own.insert("ownedPackages".to_owned(), self.owned()?);
        }
        Ok(())
    }

    fn owned(&self) -> Result<Value, Failure> {
        let mut owned: Map<String, Value> = Map::new();
        for text in &self.owned {
            let Some((member, pattern)) = text.split_once('=') else {
                return Err(Failure::usage(format!("`{text}` is no pattern of a member"))
                    .hint("write MEMBER=PATTERN"));
            };
            let patterns = owned.entry(member.to_owned()).or_insert_with(|| json!([]));
            if let Some(patterns) = patterns.as_array_mut() {
                patterns.push(pattern.into());
            }
        }
        Ok(Value::Object(owned))
    }
}

/// A member of the repository `name`.
fn policy(name: &str, text: &str) -> Result<Value, Failure> {
    let bad =
        || Failure::usage(format!("`{text}` is no member")).hint("write REPOSITORY=PRIORITY, as base=100");
    let (repository, priority) = text.split_once('=').ok_or_else(bad)?;
    let priority: i32 = priority.parse().map_err(|_| bad())?;
    let beside = name.rsplit_once('/').map_or("", |(parent, _)| parent);
    let repository = match repository.contains('/') {
        true => repository_name(repository)?,
        false => format!("{beside}/{repository}"),
    };
    let id = last(&repository).to_owned();
    Ok(json!({"id": id, "repository": repository, "priority": priority}))
}

/// Lines that show where the content of a repository comes from.
pub(super) fn lines(repository: &Value) -> [(&'static str, String); 3] {
    let docker = &repository["remoteRepositoryConfig"]["dockerRepository"];
    let upstream = match docker["publicRepository"].as_str() {
        Some(_) => "docker.io".to_owned(),
        None => docker["customRepository"]["uri"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    };
    let fresh = &repository["lightshipConfig"]["upstreamFreshness"];
    let policies = repository["virtualRepositoryConfig"]["upstreamPolicies"].as_array();
    let members: Vec<String> = policies
        .into_iter()
        .flatten()
        .map(|policy| {
            format!(
                "{}={}",
                policy["id"].as_str().unwrap_or_default(),
                policy["priority"]
            )
        })
        .collect();
    [
        ("filled from", upstream),
        (
            "tags asked",
            fresh
                .as_str()
                .map_or(String::new(), |fresh| format!("again after {fresh}")),
        ),
        ("stands for", members.join(", ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_repositories_of_the_same_place_or_named_in_full() {
        let name = "projects/p/locations/us/repositories/all";
        let of =
            |text: &str| policy(name, text).map(|policy| policy["repository"].as_str().unwrap().to_owned());
        assert_eq!(
            of("base=100").unwrap(),
            "projects/p/locations/us/repositories/base"
        );
        assert_eq!(of("q/eu/x=-1").unwrap(), "projects/q/locations/eu/repositories/x");
        for text in ["base", "base=", "base=a", "=1=2"] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
