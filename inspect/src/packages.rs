//! Debian packages that an image has, by what it records of them.

use archive::EntryPath;
use serde::Serialize;

use crate::ImageView;
use crate::view::{FileKind, ReadError};

/// Largest record of packages that is read, in bytes.
pub const RECORD_BYTES_MAX: u64 = 64 << 20;

/// Most packages of an image.
pub const PACKAGES_MAX: usize = 100_000;

/// A package that is installed in an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its architecture, as Debian spells it.
    pub architecture: String,
    /// Its version.
    pub version: String,
    /// The source package it was built from.
    pub source: String,
    /// That source package's version.
    pub source_version: String,
}

/// Why the packages of an image cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// A record cannot be read.
    #[error("records of packages cannot be read")]
    Read(#[from] ReadError),
    /// A record is not one.
    #[error("{path} is not a record of packages: {problem}")]
    Malformed {
        /// The file.
        path: EntryPath,
        /// What is wrong.
        problem: &'static str,
    },
    /// There are too many.
    #[error("image records more than {PACKAGES_MAX} packages")]
    TooMany,
}

/// The packages of an image, by name and architecture: from dpkg's `status`, of which only installed
/// packages count, and from the files of `status.d`, one for each package, as distroless images have.
/// An image without either has none.
///
/// # Errors
/// When a record is there and cannot be read.
pub async fn packages(view: &ImageView) -> Result<Vec<Package>, PackagesError> {
    let mut found = Vec::new();
    let dpkg =
        |name: &str| EntryPath::parse([b"var/lib/dpkg/".as_slice(), name.as_bytes()].concat().as_slice());
    let (Ok(status), Ok(shards)) = (dpkg("status"), dpkg("status.d")) else {
        return Ok(found);
    };
    if view.resolve(&status).is_ok() {
        read(view, &status, &mut found).await?;
    }
    if let Ok(directory) = view.resolve(&shards) {
        let files: Vec<EntryPath> = view
            .list(&directory)
            .filter(is_record)
            .map(|(path, _)| path.clone())
            .collect();
        for file in files {
            read(view, &file, &mut found).await?;
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn is_record((path, facts): &(&EntryPath, &crate::view::FileFacts)) -> bool {
    facts.kind == FileKind::File && path.file_name().is_some_and(|name| !name.ends_with(b".md5sums"))
}

async fn read(view: &ImageView, path: &EntryPath, found: &mut Vec<Package>) -> Result<(), PackagesError> {
    let bytes = view.read(path, RECORD_BYTES_MAX).await?;
    let text = String::from_utf8_lossy(&bytes);
    for package in parse(&text) {
        let package = package.map_err(|problem| PackagesError::Malformed {
            path: path.clone(),
            problem,
        })?;
        found.extend(package);
        if found.len() > PACKAGES_MAX {
            return Err(PackagesError::TooMany);
        }
    }
    Ok(())
}

/// The packages of a record; `None` for one that is not installed.
fn parse(text: &str) -> impl Iterator<Item = Result<Option<Package>, &'static str>> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        while lines.next_if(|line| line.trim().is_empty()).is_some() {}
        lines.peek()?;
        let mut paragraph = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty()) {
            paragraph.push(line);
        }
        Some(parse_paragraph(&paragraph))
    })
}

fn parse_paragraph(lines: &[&str]) -> Result<Option<Package>, &'static str> {
    let field = |wanted: &str| {
        lines.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    // "want, error flag, state"; distroless' records have no such line.
    if field("Status").is_some_and(|status| status.split_whitespace().next_back() != Some("installed")) {
        return Ok(None);
    }
    let name = field("Package")
        .filter(|name| !name.is_empty())
        .ok_or("a paragraph has no package")?;
    let version = field("Version")
        .filter(|version| !version.is_empty())
        .ok_or("a package has no version")?;
    // `Source: name (version)`, where it differs.
    let (source, source_version) = match field("Source").filter(|source| !source.is_empty()) {
        None => (name, version),
        Some(source) => match source.split_once('(') {
            Some((source, rest)) => (source.trim(), rest.trim_end_matches(')').trim()),
            None => (source, version),
        },
    };
    Ok(Some(Package {
        name: name.to_owned(),
        architecture: field("Architecture").unwrap_or_default().to_owned(),
        version: version.to_owned(),
        source: source.to_owned(),
        source_version: source_version.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let shown: Vec<String> = parse(text)
            .filter_map(|package| package.unwrap())
            .map(|p| {
                format!(
                    "{} {} {} from {} {}",
                    p.name, p.architecture, p.version, p.source, p.source_version
                )
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_source_of_its_own_name_and_version_is_left_out() {
        check(
            "Package: libc6\nArchitecture: amd64\nSource: glibc\nVersion: 2.41-12\n\n\
             Package: libgcc-s1\nVersion: 14.2.0-19\nArchitecture: amd64\nSource: gcc-14 (14.2.0-18)\n\n\n\
             Package: tzdata\nversion: 2025b-4\nDescription: x\n Version: no\n",
            &[
                "libc6 amd64 2.41-12 from glibc 2.41-12",
                "libgcc-s1 amd64 14.2.0-19 from gcc-14 14.2.0-18",
                "tzdata  2025b-4 from tzdata 2025b-4",
            ],
        );
    }

    #[test]
    fn only_installed_packages_count() {
        check(
            "Package: a\nStatus: install ok installed\nVersion: 1\n\n\
             Package: b\nStatus: deinstall ok config-files\nVersion: 1\n",
            &["a  1 from a 1"],
        );
    }

    #[test]
    fn a_paragraph_without_a_package_or_version_is_an_error() {
        assert!(parse("Version: 1\n").next().unwrap().is_err());
        assert!(parse("Package: a\n").next().unwrap().is_err());
        assert!(parse("\n \n").next().is_none());
    }
}
