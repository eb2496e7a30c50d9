//! A signed archive in a directory, laid out as a Debian mirror.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::TestDeb;
use crate::deb::gzip;
use crate::server::TestServer;
use crate::signing::{Signer, sign_clear};

/// A mirror directory; removed when dropped.
#[derive(Debug)]
pub struct TestArchive {
    directory: TempDir,
}

/// Collects what is to be in a [`TestArchive`].
#[derive(Debug, Clone)]
pub struct TestArchiveBuilder {
    suites: BTreeMap<String, Suite>,
    signer: Signer,
    date: u32,
    valid_until: Option<u32>,
}

#[derive(Debug, Clone, Default)]
struct Suite {
    debs: Vec<TestDeb>,
    architectures: BTreeSet<String>,
}

/// 2026-01-01T00:00:00Z, the date of a test archive unless another is given.
const DATE: u32 = 1_767_225_600;

impl TestArchive {
    /// Begins an archive with no suite.
    pub fn builder() -> TestArchiveBuilder {
        TestArchiveBuilder {
            suites: BTreeMap::new(),
            signer: Signer::Archive,
            date: DATE,
            valid_until: None,
        }
    }

    /// The mirror's directory, which holds `dists` and `pool`. Tests may alter what is in it.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The file of a package, by the path that the index shows.
    pub fn pool_file(&self, deb: &TestDeb) -> PathBuf {
        self.path().join(pool_path(deb))
    }

    /// Serves the directory on a free port of 127.0.0.1 until the server is dropped.
    pub fn serve(&self) -> TestServer {
        TestServer::start(self.path().to_path_buf())
    }
}

impl TestArchiveBuilder {
    /// A suite without packages, which has `architecture`.
    pub fn suite(mut self, suite: &str, architecture: &str) -> TestArchiveBuilder {
        self.suites
            .entry(suite.to_owned())
            .or_default()
            .architectures
            .insert(architecture.to_owned());
        self
    }

    /// A package of `suite`; the suite has the package's architecture, or amd64 when that is `all`.
    pub fn deb(mut self, suite: &str, deb: TestDeb) -> TestArchiveBuilder {
        let architecture = deb
            .field("Architecture")
            .filter(|name| *name != "all")
            .unwrap_or("amd64")
            .to_owned();
        let suite = self.suites.entry(suite.to_owned()).or_default();
        suite.architectures.insert(architecture);
        suite.debs.push(deb);
        self
    }

    /// Who signs the releases.
    pub fn signer(mut self, signer: Signer) -> TestArchiveBuilder {
        self.signer = signer;
        self
    }

    /// The date of the releases, in seconds since 1970.
    pub fn date(mut self, date: u32) -> TestArchiveBuilder {
        self.date = date;
        self
    }

    /// Until when the releases are valid, in seconds since 1970.
    pub fn valid_until(mut self, date: u32) -> TestArchiveBuilder {
        self.valid_until = Some(date);
        self
    }

    /// Writes the archive.
    pub fn build(self) -> TestArchive {
        let archive = TestArchive {
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        self.write(archive.path());
        archive
    }

    /// Writes the archive into a directory of the caller's.
    pub fn write(&self, root: &Path) {
        for (name, suite) in &self.suites {
            for deb in &suite.debs {
                write(&root.join(pool_path(deb)), &deb.bytes);
            }
            self.write_suite(&root.join("dists").join(name), name, suite);
        }
    }

    fn write_suite(&self, directory: &Path, name: &str, suite: &Suite) {
        let mut sums = String::new();
        for architecture in &suite.architectures {
            let index = index(suite, architecture);
            for (suffix, bytes) in [("", index.clone().into_bytes()), (".gz", gzip(index.as_bytes()))] {
                let path = format!("main/binary-{architecture}/Packages{suffix}");
                let digest = sha256(&bytes);
                write(
                    &directory.join(format!("main/binary-{architecture}/by-hash/SHA256/{digest}")),
                    &bytes,
                );
                // Debian keeps no uncompressed index, it only signs its digest.
                if !suffix.is_empty() {
                    write(&directory.join(&path), &bytes);
                }
                sums.push_str(&format!(" {digest} {:>8} {path}\n", bytes.len()));
            }
        }
        let architectures: Vec<&str> = suite.architectures.iter().map(String::as_str).collect();
        let valid_until = self
            .valid_until
            .map(|date| format!("Valid-Until: {}\n", http_date(date)))
            .unwrap_or_default();
        let text = format!(
            "Origin: Debian\nLabel: Debian\nSuite: {name}\nCodename: {name}\nDate: {}\n{valid_until}\
             Acquire-By-Hash: yes\nArchitectures: all {}\nComponents: main\nDescription: a test archive\nSHA256:\n{sums}",
            http_date(self.date),
            architectures.join(" ")
        );
        let signed = sign_clear(&text, self.signer, self.date);
        write(&directory.join("InRelease"), signed.as_bytes());
    }
}

/// Where the archive keeps a package file.
pub fn pool_path(deb: &TestDeb) -> String {
    let field = |name| deb.field(name).unwrap_or_default();
    let package = field("Package");
    let version = field("Version")
        .split_once(':')
        .map_or(field("Version"), |(_, version)| version);
    let initial = package.get(..1).unwrap_or("x");
    format!(
        "pool/main/{initial}/{package}/{package}_{version}_{}.deb",
        field("Architecture")
    )
}

/// The Packages file of one architecture: its own packages and those for all.
fn index(suite: &Suite, architecture: &str) -> String {
    let mine = suite
        .debs
        .iter()
        .filter(|deb| [Some("all"), Some(architecture)].contains(&deb.field("Architecture")));
    mine.map(|deb| {
        let control = deb.control.trim_end();
        let (size, digest) = (deb.bytes.len(), sha256(&deb.bytes));
        format!(
            "{control}\nFilename: {}\nSize: {size}\nSHA256: {digest}\n\n",
            pool_path(deb)
        )
    })
    .collect()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, bytes).expect("a file");
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A date as Release files write it: `Thu, 01 Jan 2026 00:00:00 UTC`.
fn http_date(seconds: u32) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = i64::from(seconds / 86_400);
    let time = seconds % 86_400;
    // Civil date from days since 1970, counting years from March (Howard Hinnant's algorithm).
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let weekday = DAYS[(days % 7) as usize];
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!(
        "{weekday}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} UTC",
        MONTHS[month as usize - 1]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DebBuilder;

    #[test]
    fn dates_read_as_release_files_write_them() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 UTC");
        assert_eq!(http_date(DATE), "Thu, 01 Jan 2026 00:00:00 UTC");
        assert_eq!(http_date(1_709_210_096), "Thu, 29 Feb 2024 12:34:56 UTC");
    }

    #[test]
    fn the_index_lists_packages_of_the_architecture_and_of_all() {
        let archive = TestArchive::builder()
            .deb("trixie", DebBuilder::new("a", "1").build())
            .deb("trixie", DebBuilder::new("b", "1").architecture("all").build())
            .deb("trixie", DebBuilder::new("c", "1").architecture("arm64").build());
        let index = index(&archive.suites["trixie"], "amd64");
        let names: Vec<&str> = index
            .lines()
            .filter_map(|line| line.strip_prefix("Package: "))
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn real_tools_read_what_is_made() {
        let deb = DebBuilder::new("hello", "1.0-1")
            .file("usr/bin/hello", 0o755, b"hi")
            .build();
        let archive = TestArchive::builder().deb("trixie", deb.clone()).build();
        let tool = std::process::Command::new("dpkg-deb")
            .arg("--contents")
            .arg(archive.pool_file(&deb))
            .output();
        let Ok(output) = tool else { return }; // not a Debian system
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(String::from_utf8_lossy(&output.stdout).contains("usr/bin/hello"));
    }
}
