//! Where this machine gets Debian from: the base URIs of the official Debian entries in its APT sources, and proxies.
//!
//! Nothing else is taken over: not suites, components, trust or validity options. An entry counts as official Debian
//! when all of this holds, none of which names a host:
//! - it is enabled, of type `deb`, with the component `main`;
//! - one of its suites is a suite or code name of Debian (`trixie`, `stable-updates`, `bookworm-security`, …);
//! - it is signed by Debian's archive keys (`Signed-By` names a `debian-archive-…` keyring, or a fingerprint or key that
//!   is also in ours), or it says nothing of keys and its path ends as Debian's mirrors do, in `debian`,
//!   `debian-security` or one of these and a snapshot's time.
//!
//! A foreign archive that passes for one by all this does no harm: what it serves is not signed by Debian.
//!
//! Spec: sources.list(5), apt.conf(5), apt-transport-http(1), apt-transport-mirror(1).

mod configuration;
mod entries;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use transport::{Proxies, Url};

use crate::keyring::Keyring;
use crate::mirror::{ArchiveName, dated};
use entries::Entry;

/// What was found in the APT sources and the APT configuration of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AptSources {
    /// Base URLs of the main archive, in the order in which APT reads them, each once.
    pub debian: Vec<Url>,
    /// Base URLs of the security archive.
    pub debian_security: Vec<Url>,
    /// Proxies by `Acquire::http::Proxy` and `Acquire::https::Proxy`.
    pub proxies: Proxies,
    /// Files that could not be read or understood; they are left out.
    pub problems: Vec<Problem>,
}

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The largest file read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most files read from one directory.
const FILES_MAX: usize = 1_000;
/// The most base URLs of one archive.
const URLS_MAX: usize = 32;

/// Reads `etc/apt` below `root`, which is `/` unless in tests. Files that are not there are no problem.
pub fn read(root: &Path) -> AptSources {
    let apt = root.join("etc/apt");
    let mut sources = AptSources::default();
    let mut reader = Reader {
        root,
        problems: Vec::new(),
    };
    let mut entries = Vec::new();
    if let Some(text) = reader.text(&apt.join("sources.list")) {
        entries.extend(entries::parse_one_line(&text));
    }
    for path in reader.list(&apt.join("sources.list.d"), &["list", "sources"]) {
        let Some(text) = reader.text(&path) else { continue };
        if path.extension().is_some_and(|extension| extension == "sources") {
            match entries::parse_deb822(&text) {
                Ok(more) => entries.extend(more),
                Err(error) => reader.problem(&path, error.to_string()),
            }
        } else {
            entries.extend(entries::parse_one_line(&text));
        }
    }
    for entry in entries.iter().filter(|entry| is_official(entry)) {
        sources.take(entry, &mut reader);
    }
    let mut configuration = Vec::new();
    for path in reader.list(&apt.join("apt.conf.d"), &["", "conf"]) {
        configuration.extend(reader.text(&path));
    }
    configuration.extend(reader.text(&apt.join("apt.conf")));
    sources.proxies = configuration::proxies(&configuration);
    sources.problems = reader.problems;
    sources
}

impl AptSources {
    fn take(&mut self, entry: &Entry, reader: &mut Reader<'_>) {
        for archive in ArchiveName::ALL {
            let fits = |suite: &String| ArchiveName::of_suite(suite) == archive && is_suite_of_debian(suite);
            if !entry.suites.iter().any(fits) {
                continue;
            }
            let urls = match archive {
                ArchiveName::Debian => &mut self.debian,
                ArchiveName::DebianSecurity => &mut self.debian_security,
            };
            for url in entry.uris.iter().flat_map(|uri| reader.urls(uri)) {
                let plausible = entry.signed_by.is_some() || ends_as_mirrors_do(&url);
                if plausible && urls.len() < URLS_MAX && !urls.contains(&url) {
                    urls.push(url);
                }
            }
        }
    }
}

fn is_official(entry: &Entry) -> bool {
    let has_main = entry.components.iter().any(|component| component == "main");
    has_main && entry.signed_by.as_deref().is_none_or(is_debians_key)
}

/// A suite or code name of Debian, with or without one of the suffixes that Debian's suites have.
fn is_suite_of_debian(suite: &str) -> bool {
    const NAMES: [&str; 14] = [
        "stable",
        "oldstable",
        "oldoldstable",
        "testing",
        "unstable",
        "sid",
        "buster",
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "experimental",
        "rc-buggy",
    ];
    const SUFFIXES: [&str; 7] = [
        "",
        "-updates",
        "-security",
        "/updates",
        "-backports",
        "-proposed-updates",
        "-backports-sloppy",
    ];
    SUFFIXES.iter().any(|suffix| {
        suite
            .strip_suffix(suffix)
            .is_some_and(|name| NAMES.contains(&name))
    })
}

/// Whether a `Signed-By` stands for Debian's archive keys: files by their name, fingerprints and keys by our keyring.
fn is_debians_key(signed_by: &str) -> bool {
    let ours = || -> Vec<String> {
        let keyring = Keyring::debian()
            .map(|keyring| keyring.fingerprints())
            .unwrap_or_default();
        keyring
            .iter()
            .map(|fingerprint| fingerprint.as_str().to_owned())
            .collect()
    };
    if signed_by.contains("BEGIN PGP") {
        // In a field, an empty line is written as a dot.
        let armored: Vec<&str> = signed_by
            .lines()
            .map(str::trim)
            .map(|line| if line == "." { "" } else { line })
            .collect();
        let keyring = Keyring::parse(armored.join("\n").as_bytes());
        return keyring.is_ok_and(|keyring| {
            keyring
                .fingerprints()
                .iter()
                .any(|theirs| ours().iter().any(|own| own == theirs.as_str()))
        });
    }
    signed_by
        .split([' ', '\t', '\n', ','])
        .filter(|word| !word.is_empty())
        .any(|word| {
            if word.starts_with('/') {
                let name = word.rsplit('/').next().unwrap_or_default();
                return name.starts_with("debian-archive-");
            }
            let wanted = word.trim_end_matches('!').to_ascii_uppercase();
            wanted.len() >= FINGERPRINT_DIGITS_MIN && ours().iter().any(|own| own.ends_with(&wanted))
        })
}

fn ends_as_mirrors_do(url: &Url) -> bool {
    let path = url.path().trim_end_matches('/');
    let path = match dated(url) {
        Some(_) => path.rsplit_once('/').map_or("", |(above, _)| above),
        None => path,
    };
    ArchiveName::ALL
        .iter()
        .any(|archive| path.rsplit('/').next() == Some(archive.as_str()))
}

/// Reads files and remembers what is wrong with them.
struct Reader<'r> {
    root: &'r Path,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn text(&mut self, path: &Path) -> Option<String> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(path)?
                .take(FILE_BYTES_MAX + 1)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) if bytes.len() as u64 > FILE_BYTES_MAX => {
                self.problem(path, format!("it has more than {FILE_BYTES_MAX} bytes"));
                None
            }
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.problem(path, error.to_string());
                None
            }
        }
    }

    /// The files of a directory that APT would read: by their extension, sorted by name.
    fn list(&mut self, directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
        let plain = |name: &str| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let fits = |path: &Path| {
            let extension = path.extension().map_or(Some(""), |extension| extension.to_str());
            let name = path.file_name().and_then(|name| name.to_str());
            extension.is_some_and(|extension| extensions.contains(&extension)) && name.is_some_and(plain)
        };
        let mut paths: Vec<PathBuf> = match fs::read_dir(directory) {
            Ok(found) => found
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .filter(|path| fits(path))
                .collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.problem(directory, error.to_string());
                return Vec::new();
            }
        };
        paths.sort();
        if paths.len() > FILES_MAX {
            self.problem(
                directory,
                format!("it has more than {FILES_MAX} files; the rest is left out"),
            );
            paths.truncate(FILES_MAX);
        }
        paths
    }

    /// The URLs that an entry's URI stands for. Schemes that we do not speak (`cdrom:`, `tor+http:`) are left out.
    fn urls(&mut self, uri: &str) -> Vec<Url> {
        if let Some(path) = uri.strip_prefix("mirror+file:") {
            let path = self.root.join(path.trim_start_matches('/'));
            let list = self.text(&path).unwrap_or_default();
            let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
            return lines
                .filter_map(|line| line.split_whitespace().next())
                .filter_map(parse_url)
                .collect();
        }
        parse_url(uri).into_iter().collect()
    }

    fn problem(&mut self, path: &Path, reason: String) {
        self.problems.push(Problem {
            path: path.to_path_buf(),
            reason,
        });
    }
}

fn parse_url(uri: &str) -> Option<Url> {
    // APT writes both `file:/path` and `file:///path`; `copy:` differs only in what APT does with the file.
    let local = uri.strip_prefix("file:").or_else(|| uri.strip_prefix("copy:"));
    match local {
        Some(path) => format!("file:///{}", path.trim_start_matches('/')).parse().ok(),
        None => uri.parse().ok(),
    }
}

/// Shorter ones, which old configurations have, can be forged.
const FINGERPRINT_DIGITS_MIN: usize = 40;

#[cfg(test)]
mod tests;
