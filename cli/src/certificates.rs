//! Whom the user trusts to vouch for registries: files that are named, and the directories of docker and podman.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use client::registry::{HostAuthorities, HostAuthoritiesError};
use transport::{Authorities, AuthoritiesError};

use crate::failure::{Failure, Kind};
use crate::settings::Settings;

/// Longest file of certificates that is read, in bytes. The bundles of distributions have a quarter of a megabyte.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Most files of one host's directory that are read.
const FILES_MAX: usize = 100;

/// How the files of authorities in those directories end; `.cert` and `.key` are what a client shows, which we do not.
const ENDING: &str = "crt";

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
    #[error("it has more than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("there are more than {FILES_MAX} files")]
    TooMany,
}

/// The authorities in the files that were named.
pub(crate) fn named(files: &[PathBuf]) -> Result<Authorities, Failure> {
    let mut all = Authorities::default();
    for file in files {
        let found = read(file).map_err(|error| {
            Failure::new(
                Kind::Usage,
                format!("cannot use the certificates in {}", file.display()),
                error,
            )
            .hint("--ca-file takes the certificate of the authority in PEM, which is no secret")
        })?;
        all.extend(found);
    }
    Ok(all)
}

/// Where docker and podman keep the authorities of single hosts: `HOST:PORT/*.crt`.
#[derive(Debug)]
pub(crate) struct Directories(Vec<PathBuf>);

impl Directories {
    /// One that was named, or none.
    pub(crate) fn named(directory: Option<PathBuf>) -> Directories {
        Directories(directory.into_iter().collect())
    }

    /// Podman's of the user, podman's of the machine, docker's.
    pub(crate) fn of(settings: &Settings) -> Directories {
        let environment = &settings.environment;
        let of_home = || environment.home.as_ref().map(|home| home.join(".config"));
        let of_user = environment.config_home.clone().or_else(of_home);
        let of_user = of_user.map(|directory| directory.join("containers/certs.d"));
        let of_machine = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
        Directories(of_user.into_iter().chain(of_machine).collect())
    }
}

impl HostAuthorities for Directories {
    /// The first directory that the host has counts alone, as with podman. One without a file of authorities says
    /// nothing of TLS.
    fn find(&self, host: &str) -> Result<Option<Authorities>, HostAuthoritiesError> {
        if host.starts_with('.') || host.contains('/') {
            return Ok(None);
        }
        let places = self.0.iter().map(|directory| directory.join(host));
        let Some(place) = places.into_iter().find(|place| place.is_dir()) else {
            return Ok(None);
        };
        let mut all = Authorities::default();
        for file in files(&place).map_err(|error| unusable(&place, error))? {
            all.extend(read(&file).map_err(|error| unusable(&file, error))?);
        }
        Ok(Some(all).filter(|all| !all.is_empty()))
    }
}

fn unusable(place: &Path, error: Unreadable) -> HostAuthoritiesError {
    HostAuthoritiesError {
        place: place.display().to_string(),
        source: Box::new(error),
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(Unreadable::TooMany);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Authorities, Unreadable> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Unreadable::TooLarge);
    }
    Ok(Authorities::parse(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: &str = include_str!("../../registry/tests/it/certificates/ca.pem");

    fn directories(first: &Path, second: &Path) -> Directories {
        Directories(vec![first.to_owned(), second.to_owned()])
    }

    #[test]
    fn the_first_directory_of_a_host_counts_alone() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let both = directories(one.path(), two.path());
        let has = |host: &str| both.find(host).unwrap().is_some();
        fs::create_dir(two.path().join("localhost:5000")).unwrap();
        fs::write(two.path().join("localhost:5000/ca.crt"), AUTHORITY).unwrap();
        assert!(has("localhost:5000"));
        for host in ["localhost", "localhost:5001", "..", "../x", ""] {
            assert!(!has(host), "{host}");
        }
        fs::create_dir(one.path().join("localhost:5000")).unwrap();
        fs::write(one.path().join("localhost:5000/client.cert"), "not read").unwrap();
        assert!(!has("localhost:5000"));
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let place = tempfile::tempdir().unwrap();
        let both = directories(place.path(), place.path());
        fs::create_dir(place.path().join("a")).unwrap();
        fs::write(place.path().join("a/ca.crt"), "hello").unwrap();
        assert!(both.find("a").unwrap_err().place.ends_with("a/ca.crt"));
        fs::write(
            place.path().join("a/ca.crt"),
            vec![b'x'; FILE_BYTES_MAX as usize + 1],
        )
        .unwrap();
        let error = both.find("a").unwrap_err();
        assert!(error.source.to_string().contains("more than"), "{}", error.source);
    }
}
