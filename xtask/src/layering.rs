//! The direction of the arrows: which crate may depend on which.
//!
//! Reads `cargo metadata`, so that what is checked is what cargo links.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::{Findings, steps};

/// The rooms from the ground up, each with the rooms it may stand on directly. `testkit` is for tests
/// alone and may be named only as a dev-dependency.
const ROOMS: [(&str, &[&str]); 17] = [
    ("oci", &[]),
    ("access", &[]),
    ("archive", &[]),
    ("progress", &[]),
    ("cache", &[]),
    ("transport", &["progress"]),
    ("debian", &["archive", "cache", "progress", "transport"]),
    ("client", &["archive", "oci", "progress", "transport"]),
    (
        "factory",
        &[
            "archive",
            "cache",
            "client",
            "debian",
            "oci",
            "progress",
            "transport",
        ],
    ),
    ("inspect", &["archive", "client", "oci", "progress"]),
    ("audit", &["oci"]),
    ("migrate", &["access", "client", "oci", "progress", "transport"]),
    ("store", &["access", "oci"]),
    (
        "registry",
        &["access", "client", "oci", "progress", "store", "transport"],
    ),
    (
        "cli",
        &[
            "access",
            "archive",
            "audit",
            "cache",
            "client",
            "debian",
            "factory",
            "inspect",
            "migrate",
            "oci",
            "progress",
            "registry",
            "store",
            "transport",
        ],
    ),
    ("testkit", &["archive", "oci"]),
    ("xtask", &[]),
];

/// Values and bytes only: these never reach an async runtime, not even through others.
const NEVER_REACH: [(&str, &str); 6] = [
    ("access", "tokio"),
    ("audit", "tokio"),
    ("oci", "tokio"),
    ("archive", "tokio"),
    ("cache", "tokio"),
    ("progress", "tokio"),
];

/// Outside crates that only one room (and the test kit) may name, so that each can be replaced in one place.
const ROOM_OF: [(&str, &[&str]); 18] = [
    ("argon2", &["access"]),
    ("ring", &["access"]),
    ("reqwest", &["transport"]),
    ("rustls", &["transport"]),
    ("pgp", &["debian", "testkit"]),
    ("resolvo", &["debian"]),
    ("libdeflater", &["archive"]),
    ("liblzma", &["archive"]),
    ("zstd", &["archive"]),
    ("bzip2", &["archive"]),
    ("flate2", &["archive"]),
    ("object", &["factory"]),
    ("nix", &["cli", "inspect", "store"]),
    ("rusqlite", &["store"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("tokio-rustls", &["registry"]),
    ("toml", &["cli"]),
];

/// Fails on an upward edge between rooms, on a runtime where none may be, and on an outside crate out of its room.
pub(crate) fn check(root: &Path) -> Result<(), Findings> {
    let json = steps::cargo_output(root, &["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_slice(&json)
        .map_err(|error| vec![format!("cargo metadata is not JSON: {error}")])?;
    let graph = Graph::read(&metadata);
    let findings = graph.findings();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings)
    }
}

/// Who depends on whom, by package name; normal and build dependencies only.
struct Graph {
    members: BTreeSet<String>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read(metadata: &Value) -> Graph {
        let mut names = BTreeMap::new();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            if let (Some(id), Some(name)) = (package["id"].as_str(), package["name"].as_str()) {
                names.insert(id, name);
            }
        }
        let name_of = |id: &Value| {
            id.as_str()
                .and_then(|id| names.get(id))
                .map(|name| (*name).to_owned())
        };
        let members = metadata["workspace_members"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(name_of)
            .collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array().into_iter().flatten() {
            let Some(from) = name_of(&node["id"]) else {
                continue;
            };
            let to = node["deps"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|dep| is_linked(dep));
            edges
                .entry(from)
                .or_default()
                .extend(to.filter_map(|dep| name_of(&dep["pkg"])));
        }
        Graph { members, edges }
    }

    fn findings(&self) -> Findings {
        let mut findings = Findings::new();
        for member in &self.members {
            let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| room == member) else {
                findings.push(format!(
                    "`{member}` is in no room: add it to ROOMS and to ARCHITECTURE.md"
                ));
                continue;
            };
            for to in self.edges.get(member).into_iter().flatten() {
                if self.members.contains(to) && !allowed.contains(&to.as_str()) {
                    findings.push(format!("`{member}` must not depend on `{to}`"));
                }
                if let Some((_, rooms)) = ROOM_OF.iter().find(|(outside, _)| outside == to)
                    && !rooms.contains(&member.as_str())
                {
                    findings.push(format!(
                        "`{member}` must not name `{to}`; its room is `{}`",
                        rooms.join("`, `")
                    ));
                }
            }
        }
        for (room, outside) in NEVER_REACH {
            if self.reaches(room, outside) {
                findings.push(format!("`{room}` must not reach `{outside}`"));
            }
        }
        findings
    }

    fn reaches(&self, from: &str, to: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(name) = open.pop() {
            for next in self.edges.get(name).into_iter().flatten() {
                if next == to {
                    return true;
                }
                if seen.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        false
    }
}

/// True for an edge that ends up in the program; false for one that only tests have.
fn is_linked(dep: &Value) -> bool {
    dep["dep_kinds"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|kind| kind["kind"].as_str() != Some("dev"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let members = ["oci", "archive", "client", "cli"]
            .into_iter()
            .map(str::to_owned)
            .collect();
        let edges = edges
            .iter()
            .map(|(from, to)| {
                (
                    (*from).to_owned(),
                    to.iter().map(|name| (*name).to_owned()).collect(),
                )
            })
            .collect();
        Graph { members, edges }
    }

    #[test]
    fn accepts_arrows_that_point_down() {
        assert_eq!(
            graph(&[("client", &["oci", "archive"]), ("cli", &["client"])]).findings(),
            Findings::new()
        );
    }

    #[test]
    fn finds_an_upward_edge() {
        let findings = graph(&[("oci", &["client"])]).findings();
        assert_eq!(findings, ["`oci` must not depend on `client`"]);
    }

    #[test]
    fn finds_a_runtime_behind_another_crate() {
        let findings = graph(&[("archive", &["codec"]), ("codec", &["tokio"])]).findings();
        assert_eq!(findings, ["`archive` must not reach `tokio`"]);
    }

    #[test]
    fn finds_an_outside_crate_in_the_wrong_room() {
        let findings = graph(&[("client", &["reqwest"])]).findings();
        assert_eq!(
            findings,
            ["`client` must not name `reqwest`; its room is `transport`"]
        );
    }

    #[test]
    fn the_workspace_itself_keeps_the_layers() {
        assert_eq!(check(&crate::root()), Ok(()));
    }
}
