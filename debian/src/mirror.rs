//! Where Debian's archives are fetched from. No mirror's host name is compiled in.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use transport::{Url, UrlError};

use crate::apt_sources::AptSources;

/// One of Debian's archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArchiveName {
    /// The main archive, with the suites of a release and their updates.
    Debian,
    /// The security archive.
    DebianSecurity,
}

impl ArchiveName {
    /// Both.
    pub const ALL: [ArchiveName; 2] = [ArchiveName::Debian, ArchiveName::DebianSecurity];

    /// The name, which is also the last part of its usual URL.
    pub fn as_str(self) -> &'static str {
        match self {
            ArchiveName::Debian => "debian",
            ArchiveName::DebianSecurity => "debian-security",
        }
    }

    /// The archive that has `suite`: security suites are in one of their own.
    pub fn of_suite(suite: &str) -> ArchiveName {
        if suite.ends_with("-security") || suite.ends_with("/updates") {
            ArchiveName::DebianSecurity
        } else {
            ArchiveName::Debian
        }
    }
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One `--mirror [debian|debian-security=]URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorArgument {
    /// Which archive; none: the URL is the parent of both.
    pub archive: Option<ArchiveName>,
    /// Where.
    pub url: Url,
}

/// Why a `--mirror` cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MirrorError {
    /// Something else than an archive's name stands before the `=`.
    #[error(
        "`{0}` is not an archive: it is `debian=URL`, `debian-security=URL`, or a URL alone, the parent of both"
    )]
    Archive(String),
    /// The URL cannot be used.
    #[error("a mirror's URL cannot be used")]
    Url(#[from] UrlError),
}

impl FromStr for MirrorArgument {
    type Err = MirrorError;

    fn from_str(text: &str) -> Result<MirrorArgument, MirrorError> {
        // A URL may have a `=` too, but not before its first colon.
        let named = text
            .split_once('=')
            .filter(|(name, _)| !name.contains([':', '/']));
        let (archive, url) = match named {
            None => (None, text),
            Some(("debian", url)) => (Some(ArchiveName::Debian), url),
            Some(("debian-security", url)) => (Some(ArchiveName::DebianSecurity), url),
            Some((other, _)) => return Err(MirrorError::Archive(other.to_owned())),
        };
        Ok(MirrorArgument {
            archive,
            url: url.parse()?,
        })
    }
}

/// The base URLs of Debian's archives, each list in the order in which they are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    debian: Vec<Url>,
    debian_security: Vec<Url>,
}

impl Mirrors {
    /// What `--mirror` or `LIGHTSHIP_DEBIAN_MIRROR` say.
    pub fn from_arguments(arguments: &[MirrorArgument]) -> Mirrors {
        let of = |archive: ArchiveName| {
            let fitting = arguments
                .iter()
                .filter_map(move |argument| match argument.archive {
                    None => Some(argument.url.join(archive.as_str())),
                    Some(named) if named == archive => Some(argument.url.clone()),
                    Some(_) => None,
                });
            fitting.collect()
        };
        Mirrors {
            debian: of(ArchiveName::Debian),
            debian_security: of(ArchiveName::DebianSecurity),
        }
    }

    /// What the official Debian entries of this machine's APT sources say.
    pub fn from_apt(sources: &AptSources) -> Mirrors {
        Mirrors {
            debian: sources.debian.clone(),
            debian_security: sources.debian_security.clone(),
        }
    }

    /// Debian's archive of all its past states, as they were `at` a time, to the second. That service answers with the
    /// newest state that is not younger.
    pub fn snapshot(at: Timestamp) -> Mirrors {
        let at = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let url = |archive: ArchiveName| {
            let text = format!("https://{SNAPSHOT_HOST}/archive/{archive}/{at}");
            text.parse().ok().into_iter().collect()
        };
        Mirrors {
            debian: url(ArchiveName::Debian),
            debian_security: url(ArchiveName::DebianSecurity),
        }
    }

    /// The beginning of the day before `now`: the newest time at which a snapshot is sure to be complete.
    pub fn yesterday(now: Timestamp) -> Timestamp {
        let day = now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(now);
        let seconds = day.as_second();
        Timestamp::from_second(seconds - seconds.rem_euclid(SECONDS_PER_DAY)).unwrap_or(day)
    }

    /// These mirrors, with `others` for an archive that these do not have.
    pub fn or(mut self, others: Mirrors) -> Mirrors {
        if self.debian.is_empty() {
            self.debian = others.debian;
        }
        if self.debian_security.is_empty() {
            self.debian_security = others.debian_security;
        }
        self
    }

    /// These mirrors, and after them `others`, for files that these have dropped.
    pub fn then(mut self, others: Mirrors) -> Mirrors {
        self.debian.extend(others.debian);
        self.debian_security.extend(others.debian_security);
        self
    }

    /// The base URLs of one archive.
    pub fn of(&self, archive: ArchiveName) -> &[Url] {
        match archive {
            ArchiveName::Debian => &self.debian,
            ArchiveName::DebianSecurity => &self.debian_security,
        }
    }

    /// Whether an archive has no URL.
    pub fn lacks_any(&self) -> bool {
        self.debian.is_empty() || self.debian_security.is_empty()
    }
}

/// The time that a base URL is fixed at, when it is a snapshot (`…/20261121T091544Z`): what it serves does not change
/// any more, so its releases may be past their time.
pub fn dated(url: &Url) -> Option<Timestamp> {
    time_of(url.last_segment())
}

/// Whether a file is one of a snapshot. That service answers slowly and refuses those who ask for much at once.
pub(crate) fn is_within_snapshot(url: &Url) -> bool {
    url.path().split('/').any(|segment| time_of(segment).is_some())
}

fn time_of(segment: &str) -> Option<Timestamp> {
    if segment.len() != 16 || !segment.ends_with('Z') {
        return None;
    }
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", segment).ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// The one host that is named in the program: it is Debian's own record of its past, not a mirror.
const SNAPSHOT_HOST: &str = "snapshot.debian.org";

const SECONDS_PER_DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn mirrors(arguments: &[&str]) -> Mirrors {
        let arguments: Vec<_> = arguments.iter().map(|text| text.parse().unwrap()).collect();
        Mirrors::from_arguments(&arguments)
    }

    fn texts(urls: &[Url]) -> Vec<String> {
        urls.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_url_alone_is_the_parent_of_both_archives() {
        let mirrors = mirrors(&["http://mirror.example/"]);
        assert_eq!(
            texts(mirrors.of(ArchiveName::Debian)),
            ["http://mirror.example/debian"]
        );
        assert_eq!(
            texts(mirrors.of(ArchiveName::DebianSecurity)),
            ["http://mirror.example/debian-security"]
        );
    }

    #[test]
    fn a_name_says_which_archive_a_url_is_for() {
        let named = mirrors(&["debian=http://a/x?k=v", "debian-security=file:///srv/security"]);
        assert_eq!(texts(named.of(ArchiveName::Debian)), ["http://a/x?k=v"]);
        assert_eq!(
            texts(named.of(ArchiveName::DebianSecurity)),
            ["file:///srv/security"]
        );
        let one = mirrors(&["debian=http://a/debian"]);
        assert!(one.lacks_any());
        assert_eq!(
            texts(one.or(named).of(ArchiveName::DebianSecurity)),
            ["file:///srv/security"]
        );
        let error = "ubuntu=http://a".parse::<MirrorArgument>().unwrap_err();
        assert_eq!(error, MirrorError::Archive("ubuntu".to_owned()));
    }

    #[test]
    fn snapshots_are_named_by_their_time() {
        let at: Timestamp = "2026-11-21T09:15:44Z".parse().unwrap();
        let snapshot = Mirrors::snapshot(at);
        let url = &snapshot.of(ArchiveName::DebianSecurity)[0];
        assert_eq!(
            url.to_string(),
            "https://snapshot.debian.org/archive/debian-security/20261121T091544Z"
        );
        assert_eq!(dated(url), Some(at));
        assert!(is_within_snapshot(&url.join("pool/main/a/a.deb")));
        assert!(!is_within_snapshot(
            &"http://a/debian/pool/main/a/a.deb".parse().unwrap()
        ));
        for live in [
            "http://a/debian",
            "http://a/2026112",
            "http://a/20261321T091544Z",
            "http://a/ä1121T091544Z",
        ] {
            assert_eq!(dated(&live.parse().unwrap()), None, "{live}");
        }
    }

    #[test]
    fn yesterday_is_a_whole_day_ago() {
        let now: Timestamp = "2026-11-23T23:59:59Z".parse().unwrap();
        assert_eq!(Mirrors::yesterday(now).to_string(), "2026-11-22T00:00:00Z");
    }
}
