//! Modes of repositories as columns hold them, and how virtual ones stand for each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::failed;
use super::values::{parsed, repository_id};
use crate::{
    Member, Mode, Remote, Repository, RepositoryPath, SettingsError, StoreError, VIRTUAL_DEPTH_MAX, Virtual,
};

/// The columns `mode` and `origin`.
pub(super) fn columns(mode: &Mode) -> (&'static str, String) {
    match mode {
        Mode::Standard => ("standard", "{}".to_owned()),
        Mode::Remote(remote) => {
            let origin = json!({
                "upstream": remote.upstream.to_string(),
                "fresh": remote.fresh.as_secs(),
                "bytes_per_second_max": remote.bytes_per_second_max,
            });
            ("remote", origin.to_string())
        }
        Mode::Virtual(Virtual { members }) => {
            let members: Vec<Value> = members
                .iter()
                .map(|member| {
                    json!({
                        "id": member.id,
                        "repository": member.repository.to_string(),
                        "priority": member.priority,
                        "owned_packages": member.owned_packages,
                    })
                })
                .collect();
            ("virtual", json!({ "members": members }).to_string())
        }
    }
}

/// Nothing when they are not what [`columns`] makes.
pub(super) fn from_columns(mode: &str, origin: &str) -> Option<Mode> {
    let origin: Value = serde_json::from_str(origin).ok()?;
    match mode {
        "standard" => Some(Mode::Standard),
        "remote" => Some(Mode::Remote(Remote {
            upstream: origin.get("upstream")?.as_str()?.parse().ok()?,
            fresh: Duration::from_secs(origin.get("fresh")?.as_u64()?),
            bytes_per_second_max: origin.get("bytes_per_second_max").and_then(Value::as_u64),
        })),
        "virtual" => {
            let members = origin.get("members")?.as_array()?;
            let members = members.iter().map(member).collect::<Option<Vec<Member>>>()?;
            Some(Mode::Virtual(Virtual { members }))
        }
        _ => None,
    }
}

fn member(value: &Value) -> Option<Member> {
    let owned = value.get("owned_packages")?.as_array()?;
    let owned = owned.iter().map(|text| text.as_str().map(str::to_owned));
    Some(Member {
        id: value.get("id")?.as_str()?.to_owned(),
        repository: value.get("repository")?.as_str()?.parse().ok()?,
        priority: i32::try_from(value.get("priority")?.as_i64()?).ok()?,
        owned_packages: owned.collect::<Option<Vec<String>>>()?,
    })
}

/// Whether a repository can have its members: all are there, and none leads back or too far.
pub(super) fn check(
    connection: &Connection,
    repository: &Repository,
) -> Result<Result<(), SettingsError>, StoreError> {
    let Mode::Virtual(settings) = &repository.mode else {
        return Ok(Ok(()));
    };
    let path = &repository.path;
    for member in &settings.members {
        if member.repository != *path && repository_id(connection, &member.repository)?.is_none() {
            let (id, repository) = (member.id.clone(), member.repository.clone());
            return Ok(Err(SettingsError::MemberUnknown { id, repository }));
        }
    }
    let mut graph = Graph::read(connection)?;
    let members = settings.members.iter().map(|member| member.repository.clone());
    graph.0.insert(path.clone(), members.collect());
    Ok(graph.check(path))
}

/// Virtual repositories and what they stand for.
struct Graph(BTreeMap<RepositoryPath, Vec<RepositoryPath>>);

impl Graph {
    fn read(connection: &Connection) -> Result<Graph, StoreError> {
        let rows: Vec<(String, String)> = connection
            .prepare_cached("SELECT path, origin FROM repository WHERE mode = 'virtual'")
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })
            .map_err(failed("look up virtual repositories"))?;
        let mut graph = BTreeMap::new();
        for (path, origin) in rows {
            let Some(Mode::Virtual(settings)) = from_columns("virtual", &origin) else {
                return Err(StoreError::Damaged {
                    what: format!("the members of {path}"),
                });
            };
            let members = settings.members.into_iter().map(|member| member.repository);
            graph.insert(parsed("a repository", &path)?, members.collect());
        }
        Ok(Graph(graph))
    }

    /// Whether what leads to `changed`, and what it leads to, ends in time.
    fn check(&self, changed: &RepositoryPath) -> Result<(), SettingsError> {
        if let Some(repository) = self.way_back(changed) {
            return Err(SettingsError::Circle { repository });
        }
        let below = |path: &RepositoryPath| self.0.get(path).cloned().unwrap_or_default();
        let above = |path: &RepositoryPath| {
            let leads = |(_, members): &(&RepositoryPath, &Vec<RepositoryPath>)| members.contains(path);
            self.0
                .iter()
                .filter(leads)
                .map(|(path, _)| path.clone())
                .collect()
        };
        // Itself is counted by both.
        match self.levels(changed, below) + self.levels(changed, above) - 1 > VIRTUAL_DEPTH_MAX {
            true => Err(SettingsError::TooDeep),
            false => Ok(()),
        }
    }

    /// Virtual repositories one after the other from this one on, itself counted, as far as matters.
    fn levels(&self, from: &RepositoryPath, next: impl Fn(&RepositoryPath) -> Vec<RepositoryPath>) -> usize {
        let mut level = BTreeSet::from([from.clone()]);
        for count in 0..=VIRTUAL_DEPTH_MAX {
            level.retain(|path| self.0.contains_key(path));
            if level.is_empty() {
                return count;
            }
            level = level.iter().flat_map(&next).collect();
        }
        VIRTUAL_DEPTH_MAX + 1
    }

    /// A virtual repository below `changed` that leads back to it.
    fn way_back(&self, changed: &RepositoryPath) -> Option<RepositoryPath> {
        let (mut seen, mut next) = (BTreeSet::new(), vec![changed]);
        while let Some(path) = next.pop() {
            for member in self.0.get(path).into_iter().flatten() {
                if member == changed {
                    return Some(path.clone());
                }
                if seen.insert(member) {
                    next.push(member);
                }
            }
        }
        None
    }
}
