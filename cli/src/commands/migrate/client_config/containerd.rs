//! What containerd does with a host: `certs.d/HOST/hosts.toml`.
//!
//! Source: containerd's docs/hosts.md and core/remotes/docker/config/hosts.go.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::way::{FILE_BYTES_MAX, FileError, Way};
use crate::commands::migrate::sides::read_bounded;

/// Where the file of a host is: its own, else that of all others.
pub(super) fn file(root: &Path, host: &str) -> Option<PathBuf> {
    let directory = root.join("etc/containerd/certs.d");
    // A port is written with a colon, or with underscores where a file system has none.
    let port = host
        .rsplit_once(':')
        .map(|(name, port)| format!("{name}_{port}_"));
    let names = [Some(host.to_owned()), port, Some("_default".to_owned())];
    let files = names
        .into_iter()
        .flatten()
        .map(|name| directory.join(name).join("hosts.toml"));
    files.into_iter().find(|path| path.is_file())
}

/// Whom containerd asks, in its order.
pub(super) fn ways(root: &Path, file: &Path, host: &str) -> Result<Vec<Way>, FileError> {
    let text = String::from_utf8_lossy(&read_bounded(file, FILE_BYTES_MAX)?).into_owned();
    let table: Table = text.parse()?;
    let mut hosts: Vec<(&String, &Table)> = Vec::new();
    if let Some(Value::Table(named)) = table.get("host") {
        hosts.extend(
            named
                .iter()
                .filter_map(|(url, value)| Some((url, value.as_table()?))),
        );
    }
    // Hosts are asked in the order in which they stand in the file.
    hosts.sort_by_key(|(url, _)| text.find(&format!("\"{url}\"")));
    let place = Place { root, file };
    let mut ways = Vec::new();
    for (url, settings) in hosts {
        ways.push(place.way(url, settings)?);
    }
    let server = table
        .get("server")
        .and_then(Value::as_str)
        .filter(|server| !server.is_empty());
    let last = place.way(server.unwrap_or(host), &table)?;
    if !ways.contains(&last) {
        ways.push(last);
    }
    Ok(ways)
}

/// Where paths in the file are.
struct Place<'p> {
    root: &'p Path,
    file: &'p Path,
}

impl Place<'_> {
    fn way(&self, url: &str, settings: &Table) -> Result<Way, FileError> {
        let (is_plain, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => (false, url),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(FileError::Server(url.to_owned()));
        }
        // Without `override_path`, `/v2` is put behind whatever path there is.
        let path = path.trim_matches('/');
        let path = path
            .strip_prefix("v2")
            .map_or(path, |path| path.trim_start_matches('/'));
        Ok(Way {
            clients: "containerd",
            because: Some(self.file.to_owned()),
            host: host.to_owned(),
            prefix: Some(path).filter(|path| !path.is_empty()).map(str::to_owned),
            is_plain,
            authorities: self.authorities(settings),
        })
    }

    fn authorities(&self, settings: &Table) -> Vec<PathBuf> {
        let paths: Vec<&str> = match settings.get("ca") {
            Some(Value::String(path)) => vec![path],
            Some(Value::Array(paths)) => paths.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let beside = self.file.parent().unwrap_or(self.root);
        let place = |path: &str| match path.strip_prefix('/') {
            Some(path) => self.root.join(path),
            None => beside.join(path),
        };
        paths.into_iter().map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn hosts_are_asked_in_their_order_and_the_server_last() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("etc/containerd/certs.d/gcr.io");
        fs::create_dir_all(&directory).unwrap();
        assert_eq!(file(root.path(), "gcr.io"), None);
        fs::write(
            directory.join("hosts.toml"),
            "server = \"https://gcr.io\"\n[host.\"https://z.example/v2/a/b\"]\noverride_path = true\nca = \"/etc/ca.crt\"\n\
             [host.\"http://a.example:5000\"]\nca = [\"x.crt\"]\n",
        )
        .unwrap();
        let file = file(root.path(), "gcr.io").unwrap();
        let found = ways(root.path(), &file, "gcr.io").unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|way| (way.host.as_str(), way.prefix.as_deref(), way.is_plain))
            .collect();
        assert_eq!(
            shown,
            [
                ("z.example", Some("a/b"), false),
                ("a.example:5000", None, true),
                ("gcr.io", None, false)
            ]
        );
        assert_eq!(found[0].authorities, [root.path().join("etc/ca.crt")]);
        assert_eq!(found[1].authorities, [directory.join("x.crt")]);
    }
}
