//! What podman, CRI-O, buildah and skopeo do with a name: `registries.conf` and what lies beside it.
//!
//! Source: containers-registries.conf(5), containers-certs.d(5).

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::way::{FILE_BYTES_MAX, FileError, Way};
use crate::commands::migrate::sides::read_bounded;

/// Most files beside `registries.conf` that are read.
const FILES_MAX: usize = 1000;

#[derive(Debug, Default, Deserialize)]
struct Document {
    #[serde(default)]
    registry: Vec<Registry>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror: Vec<Mirror>,
    #[serde(skip)]
    file: PathBuf,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Mirror {
    location: String,
    insecure: bool,
}

/// Where these files are.
pub(super) struct Places<'p> {
    pub(super) root: &'p Path,
    /// The user's `.config`, whose `registries.conf` stands in place of the machine's.
    pub(super) of_user: Option<&'p Path>,
}

impl Places<'_> {
    /// Whom they ask for `image`, `HOST/NAME` without a tag, in their order; nothing when no file says anything.
    pub(super) fn ways(&self, image: &str) -> Result<Vec<Way>, (PathBuf, FileError)> {
        let mut known: Vec<Registry> = Vec::new();
        for file in self.files() {
            let found = read(&file).map_err(|error| (file.clone(), error))?;
            for mut registry in found.registry {
                if registry.prefix.is_empty() {
                    registry.prefix.clone_from(&registry.location);
                }
                registry.file.clone_from(&file);
                // A later file counts more.
                known.retain(|other| other.prefix != registry.prefix);
                known.push(registry);
            }
        }
        let fitting = known
            .iter()
            .filter_map(|registry| Some((fit(&registry.prefix, image)?, registry)));
        let Some((length, registry)) = fitting.max_by_key(|(length, _)| *length) else {
            return Ok(Vec::new());
        };
        let rest = image.get(length..).unwrap_or_default();
        let primary = Mirror {
            location: match registry.location.is_empty() {
                true => image.get(..length).unwrap_or_default().to_owned(),
                false => registry.location.clone(),
            },
            insecure: registry.insecure,
        };
        let primary = (!registry.blocked).then_some(&primary);
        let mirrors = registry.mirror.iter().filter(|_| !registry.blocked);
        Ok(mirrors
            .chain(primary)
            .map(|mirror| self.way(mirror, rest, &registry.file))
            .collect())
    }

    fn way(&self, mirror: &Mirror, rest: &str, file: &Path) -> Way {
        let name = format!("{}{rest}", mirror.location);
        let (host, path) = name.split_once('/').unwrap_or((&name, ""));
        // The name of the image itself is put behind again.
        let image = rest.trim_start_matches('/');
        let prefix = path.strip_suffix(image).unwrap_or(path).trim_end_matches('/');
        Way {
            clients: "podman, CRI-O, skopeo",
            because: Some(file.to_owned()),
            host: host.to_owned(),
            prefix: Some(prefix)
                .filter(|prefix| !prefix.is_empty())
                .map(str::to_owned),
            is_plain: mirror.insecure,
            authorities: self.authorities(host),
        }
    }

    /// The authorities of a host, `certs.d/HOST/*.crt`, of the first directory that has the host.
    pub(super) fn authorities(&self, host: &str) -> Vec<PathBuf> {
        let of_user = self.of_user.map(|directory| directory.join("containers/certs.d"));
        let of_machine = ["etc/containers/certs.d", "etc/docker/certs.d"].map(|path| self.root.join(path));
        let directories = of_user
            .into_iter()
            .chain(of_machine)
            .map(|directory| directory.join(host));
        let Some(directory) = directories.into_iter().find(|directory| directory.is_dir()) else {
            return Vec::new();
        };
        with_ending(&directory, "crt")
    }

    fn files(&self) -> Vec<PathBuf> {
        let of_user = self.of_user.map(|directory| directory.join("containers"));
        let of_machine = self.root.join("etc/containers");
        let main = of_user
            .iter()
            .chain([&of_machine])
            .map(|directory| directory.join("registries.conf"));
        let main = main.into_iter().find(|path| path.is_file());
        let beside = |directory: &Path| with_ending(&directory.join("registries.conf.d"), "conf");
        let mut files: Vec<PathBuf> = main.into_iter().collect();
        files.extend(beside(&of_machine));
        files.extend(of_user.iter().flat_map(|directory| beside(directory)));
        files
    }
}

fn with_ending(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let paths = entries.take(FILES_MAX).map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|other| other == ending))
        .collect();
    files.sort();
    files
}

fn read(file: &Path) -> Result<Document, FileError> {
    let bytes = read_bounded(file, FILE_BYTES_MAX)?;
    Ok(toml::from_str(&String::from_utf8_lossy(&bytes))?)
}

/// How much of the name a prefix takes: all of it up to a slash, or, with `*.`, a host of that domain.
fn fit(prefix: &str, image: &str) -> Option<usize> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = image.split('/').next().unwrap_or_default();
        return host.ends_with(domain).then_some(host.len());
    }
    let rest = image.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts_and_mirrors_are_asked_first() {
        let root = tempfile::tempdir().unwrap();
        let beside = root.path().join("etc/containers/registries.conf.d");
        fs::create_dir_all(&beside).unwrap();
        fs::write(
            root.path().join("etc/containers/registries.conf"),
            "[[registry]]\nlocation = \"gcr.io\"\n[[registry]]\nprefix = \"gcr.io/shop\"\nlocation = \"x.example\"\n",
        )
        .unwrap();
        fs::write(
            beside.join("50.conf"),
            "[[registry]]\nprefix = \"gcr.io/shop\"\nlocation = \"new.example/moved\"\n\
             [[registry.mirror]]\nlocation = \"near.example\"\ninsecure = true\n\
             [[registry]]\nprefix = \"*.gcr.io\"\nblocked = true\n",
        )
        .unwrap();
        let places = Places {
            root: root.path(),
            of_user: None,
        };
        let ways = |image: &str| -> Vec<(String, Option<String>, bool)> {
            let found = places.ways(image).unwrap();
            found
                .into_iter()
                .map(|way| (way.host, way.prefix, way.is_plain))
                .collect()
        };
        assert_eq!(
            ways("gcr.io/shop/app"),
            [
                ("near.example".to_owned(), None, true),
                ("new.example".to_owned(), Some("moved".to_owned()), false)
            ]
        );
        assert_eq!(ways("gcr.io/shopping/app"), [("gcr.io".to_owned(), None, false)]);
        assert_eq!(ways("eu.gcr.io/shop"), []);
        assert_eq!(ways("quay.io/a"), []);
    }
}
