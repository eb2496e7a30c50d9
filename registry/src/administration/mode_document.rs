//! Where a repository's content comes from, as Google's JSON has it.
//!
//! Source: `Repository.mode`, `RemoteRepositoryConfig` and `VirtualRepositoryConfig` of Artifact Registry's REST API, v1.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use store::{
    MEMBER_ID_BYTES_MAX, MEMBERS_MAX, Member, Mode, OWNED_PACKAGES_MAX, Remote, RepositoryPath, Upstream,
    Virtual,
};

use super::documents;
use super::status::Invalid;
use super::update_mask::UpdateMask;
use crate::refusal::Refusal;

/// Where the fields of remote repositories are …
pub(crate) const REMOTE: &str = "remoteRepositoryConfig";

/// … and those of virtual ones.
pub(crate) const VIRTUAL: &str = "virtualRepositoryConfig";

/// In the order of Google's numbers.
const MODES: [&str; 4] = [
    "MODE_UNSPECIFIED",
    "STANDARD_REPOSITORY",
    "VIRTUAL_REPOSITORY",
    "REMOTE_REPOSITORY",
];

/// Our own settings of them.
const FRESHNESS: &str = "upstreamFreshness";
const BANDWIDTH: &str = "upstreamBytesPerSecondMax";
const OWNED: &str = "ownedPackages";

/// Where Docker Hub is, which Google has a word for.
const DOCKER_HUB: &str = "docker.io";

/// Longest address of an upstream.
const URI_BYTES_MAX: usize = 1024;

const SCHEME: &str = "https://";

/// Says where the content comes from.
pub(crate) fn add(document: &mut Value, mode: &Mode) {
    let (word, config) = match mode {
        Mode::Standard => (1, None),
        Mode::Virtual(settings) => (2, Some((VIRTUAL, of_virtual(settings)))),
        Mode::Remote(remote) => (3, Some((REMOTE, of_upstream(&remote.upstream)))),
    };
    document["mode"] = MODES.get(word).copied().into();
    if let Some((field, config)) = config {
        document[field] = config;
    }
}

fn of_upstream(upstream: &Upstream) -> Value {
    let is_docker_hub = upstream.host == DOCKER_HUB && upstream.prefix.is_none();
    let repository = match is_docker_hub {
        true => json!({"publicRepository": "DOCKER_HUB"}),
        false => json!({"customRepository": {"uri": format!("{SCHEME}{upstream}")}}),
    };
    json!({"dockerRepository": repository})
}

fn of_virtual(settings: &Virtual) -> Value {
    let policy = |member: &&Member| {
        json!({
            "id": member.id,
            "repository": member.repository.to_string(),
            "priority": member.priority,
        })
    };
    let policies: Vec<Value> = settings.in_order().iter().map(policy).collect();
    json!({"upstreamPolicies": policies})
}

/// Says what Google has no field for.
pub(crate) fn add_own(own: &mut Map<String, Value>, mode: &Mode) {
    match mode {
        Mode::Standard => {}
        Mode::Remote(remote) => {
            let fresh = documents::duration_text(remote.fresh);
            own.insert(FRESHNESS.to_owned(), fresh.into());
            if let Some(bytes) = remote.bytes_per_second_max {
                own.insert(BANDWIDTH.to_owned(), bytes.to_string().into());
            }
        }
        Mode::Virtual(settings) => {
            let owned = settings
                .members
                .iter()
                .filter(|member| !member.owned_packages.is_empty());
            let owned: Map<String, Value> = owned
                .map(|member| (member.id.clone(), member.owned_packages.as_slice().into()))
                .collect();
            own.insert(OWNED.to_owned(), owned.into());
        }
    }
}

/// The mode that a new repository is to have, with nothing of our own.
pub(crate) fn read(document: &Value) -> Result<Mode, Refusal> {
    match documents::choice(document, "mode", &MODES)? {
        2 => Ok(Mode::Virtual(Virtual::default())),
        3 => Ok(Mode::Remote(Remote::new(read_upstream(document)?))),
        _ => Ok(Mode::Standard),
    }
}

/// Sets what the mask names. A kind stays what it is.
pub(crate) fn change(mode: &mut Mode, document: &Value, mask: &UpdateMask) -> Result<(), Refusal> {
    if mask.has(REMOTE) && is_given(document, REMOTE) {
        let Mode::Remote(remote) = mode else {
            return Err(Invalid::new(REMOTE, "this is no remote repository").into());
        };
        remote.upstream = read_upstream(document)?;
    }
    if mask.has(VIRTUAL) && is_given(document, VIRTUAL) {
        let Mode::Virtual(settings) = mode else {
            return Err(Invalid::new(VIRTUAL, "this is no virtual repository").into());
        };
        settings.members = read_members(document, settings)?;
    }
    Ok(())
}

/// Whoever changes everything of another kind does not name it.
fn is_given(document: &Value, field: &str) -> bool {
    document.get(field).is_some_and(|config| !config.is_null())
}

/// What is not named stays.
pub(crate) fn change_own(mode: &mut Mode, own: &Value) -> Result<(), Refusal> {
    for field in [FRESHNESS, BANDWIDTH] {
        if own.get(field).is_some() && !matches!(mode, Mode::Remote(_)) {
            return Err(Invalid::new(field, "this is no remote repository").into());
        }
    }
    if own.get(OWNED).is_some() && !matches!(mode, Mode::Virtual(_)) {
        return Err(Invalid::new(OWNED, "this is no virtual repository").into());
    }
    match mode {
        Mode::Standard => Ok(()),
        Mode::Remote(remote) => change_own_of_remote(remote, own),
        Mode::Virtual(settings) => change_owned(settings, own),
    }
}

fn change_own_of_remote(remote: &mut Remote, own: &Value) -> Result<(), Refusal> {
    if own.get(FRESHNESS).is_some() {
        let text = documents::text(own, FRESHNESS, URI_BYTES_MAX)?;
        let fresh = documents::duration(text);
        remote.fresh =
            fresh.ok_or_else(|| Invalid::new(FRESHNESS, "it is no number of seconds with an s"))?;
    }
    if own.get(BANDWIDTH).is_some() {
        remote.bytes_per_second_max = documents::number(own, BANDWIDTH)?.filter(|bytes| *bytes > 0);
    }
    Ok(())
}

fn change_owned(settings: &mut Virtual, own: &Value) -> Result<(), Refusal> {
    let bad = |problem: String| Refusal::from(Invalid::new(OWNED, problem));
    let owned = match own.get(OWNED) {
        None => return Ok(()),
        Some(Value::Object(owned)) => owned,
        Some(_) => return Err(bad("it is no map from members to patterns of packages".to_owned())),
    };
    let is_member = |id: &String| settings.members.iter().any(|member| member.id == *id);
    if let Some(other) = owned.keys().find(|id| !is_member(id)) {
        return Err(bad(format!("{other:?} is no member")));
    }
    for member in &mut settings.members {
        member.owned_packages = match owned.contains_key(&member.id) {
            true => documents::texts(&Value::Object(owned.clone()), &member.id, OWNED_PACKAGES_MAX)?,
            false => Vec::new(),
        };
    }
    Ok(())
}

fn read_upstream(document: &Value) -> Result<Upstream, Refusal> {
    let bad = |problem: &str| Refusal::from(Invalid::new(REMOTE, problem));
    let config = document.get(REMOTE).unwrap_or(&Value::Null);
    if is_given(config, "upstreamCredentials") {
        return Err(bad(
            "credentials are not kept here: they are in the file that the server's configuration names as \
             upstream.docker_config",
        ));
    }
    let docker = config.get("dockerRepository").unwrap_or(&Value::Null);
    let common = config.get("commonRepository").unwrap_or(&Value::Null);
    let custom = docker.get("customRepository").unwrap_or(&Value::Null);
    let given = [
        docker.get("publicRepository"),
        custom.get("uri"),
        common.get("uri"),
    ];
    let mut given = given.into_iter().flatten().filter(|value| !value.is_null());
    let (Some(_), None) = (given.next(), given.next()) else {
        return Err(bad(
            "it names one upstream: dockerRepository.customRepository.uri, commonRepository.uri, or \
             dockerRepository.publicRepository as DOCKER_HUB",
        ));
    };
    const PUBLIC: [&str; 2] = ["PUBLIC_REPOSITORY_UNSPECIFIED", "DOCKER_HUB"];
    let address = match documents::choice(docker, "publicRepository", &PUBLIC)? {
        1 => DOCKER_HUB,
        _ => match documents::text(custom, "uri", URI_BYTES_MAX)? {
            "" => documents::text(common, "uri", URI_BYTES_MAX)?,
            uri => uri,
        },
    };
    if address.starts_with("http://") {
        return Err(bad(
            "write https:// here; which hosts are spoken to without TLS is in the server's configuration, as \
             upstream.plain_http",
        ));
    }
    let address = address
        .strip_prefix(SCHEME)
        .unwrap_or(address)
        .trim_end_matches('/');
    let upstream: Result<Upstream, _> = address.parse();
    upstream.map_err(|error| bad(&error.to_string()))
}

/// The members of a document. Patterns of those that stay stay.
fn read_members(document: &Value, before: &Virtual) -> Result<Vec<Member>, Refusal> {
    let bad = |problem: String| Refusal::from(Invalid::new(VIRTUAL, problem));
    let config = document.get(VIRTUAL).unwrap_or(&Value::Null);
    let policies = match config.get("upstreamPolicies") {
        None | Some(Value::Null) => &Vec::new(),
        Some(policies) => policies
            .as_array()
            .ok_or_else(|| bad("upstreamPolicies is no list".to_owned()))?,
    };
    if policies.len() > MEMBERS_MAX {
        return Err(bad(format!("it has at most {MEMBERS_MAX} upstreamPolicies")));
    }
    let owned: BTreeMap<&str, &[String]> = before
        .members
        .iter()
        .map(|member| (member.id.as_str(), member.owned_packages.as_slice()))
        .collect();
    let member = |policy: &Value| {
        let id = documents::text(policy, "id", MEMBER_ID_BYTES_MAX)?;
        let repository = documents::text(policy, "repository", URI_BYTES_MAX)?;
        let repository: RepositoryPath = repository.parse().map_err(|error| bad(format!("{error}")))?;
        let priority = policy.get("priority").and_then(Value::as_i64).unwrap_or_default();
        Ok(Member {
            id: id.to_owned(),
            repository,
            priority: i32::try_from(priority).map_err(|_| bad(format!("{id}: its priority is too large")))?,
            owned_packages: owned.get(id).map(|owned| owned.to_vec()).unwrap_or_default(),
        })
    };
    policies.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(config: Value) -> Result<String, String> {
        let document = json!({"mode": "REMOTE_REPOSITORY", REMOTE: config});
        match read(&document) {
            Ok(Mode::Remote(remote)) => Ok(remote.upstream.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    #[test]
    fn upstreams_are_read_as_google_names_them_and_written_again() {
        let custom =
            json!({"dockerRepository": {"customRepository": {"uri": "https://old.example:5000/team/"}}});
        assert_eq!(upstream(custom), Ok("old.example:5000/team".to_owned()));
        let common = json!({"commonRepository": {"uri": "old.example"}});
        assert_eq!(upstream(common), Ok("old.example".to_owned()));
        let hub = json!({"dockerRepository": {"publicRepository": "DOCKER_HUB"}});
        assert_eq!(upstream(hub.clone()), Ok("docker.io".to_owned()));
        let mut document = json!({});
        add(&mut document, &read(&json!({"mode": 3, REMOTE: hub})).unwrap());
        assert_eq!(
            document[REMOTE]["dockerRepository"]["publicRepository"],
            "DOCKER_HUB"
        );
        assert_eq!(document["mode"], "REMOTE_REPOSITORY");
    }

    #[test]
    fn upstreams_that_cannot_be_are_refused_by_name() {
        for (config, problem) in [
            (Value::Null, "it names one upstream"),
            (
                json!({"commonRepository": {"uri": "http://old.example"}}),
                "upstream.plain_http",
            ),
            (json!({"commonRepository": {"uri": "https://"}}), "HOST"),
            (
                json!({"upstreamCredentials": {}, "commonRepository": {"uri": "a"}}),
                "upstream.docker_config",
            ),
            (
                json!({"commonRepository": {"uri": "a.example"}, "dockerRepository": {"publicRepository": 1}}),
                "it names one upstream",
            ),
            (
                json!({"dockerRepository": {"publicRepository": "NPMJS"}}),
                "not supported",
            ),
        ] {
            let told = upstream(config.clone()).unwrap_err();
            assert!(told.contains(problem), "{config}: {told}");
        }
    }
}
