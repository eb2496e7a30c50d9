//! What commands that read a Debian archive work with: the cache, the network, the mirrors.

use std::path::Path;
use std::sync::Arc;

use cache::Cache;
use debian::apt_sources::{self, AptSources};
use debian::mirror::{MirrorArgument, Mirrors};
use debian::repository::{Archives, ArchivesOptions, Network, OlderReleases};
use progress::{Event, Progress as _};
use transport::{Proxies, Transport, TransportOptions};

use crate::archive_options::ArchiveOptions;
use crate::environment::LIGHTSHIP_DEBIAN_MIRROR;
use crate::failure::{Failure, Kind};
use crate::progress_display::ProgressDisplay;
use crate::settings::Settings;

/// What we call ourselves to servers.
pub(crate) const USER_AGENT: &str = concat!("lightship/", env!("CARGO_PKG_VERSION"));

pub(crate) struct Workshop {
    pub(crate) cache: Cache,
    pub(crate) progress: Arc<ProgressDisplay>,
    pub(crate) mirrors: Mirrors,
    pub(crate) verbose: u8,
    transport: Transport,
    judgement: ArchivesOptions,
}

impl Workshop {
    pub(crate) fn open(
        options: &ArchiveOptions,
        settings: &Settings,
        progress: Arc<ProgressDisplay>,
    ) -> Result<Workshop, Failure> {
        let directory = settings.cache_directory(options.cache.as_deref())?;
        let cache = Cache::open(directory.clone()).map_err(|error| {
            Failure::outside(format!("cannot use the cache {}", directory.display()), error)
        })?;
        let named = named_mirrors(options, settings)?;
        let apt = apt_sources::read(Path::new("/"));
        if settings.verbose > 0 {
            for problem in &apt.problems {
                progress.event(Event::Note(&format!(
                    "{}: {}",
                    problem.path.display(),
                    problem.reason
                )));
            }
        }
        let mirrors = named
            .or(Mirrors::from_apt(&apt))
            .or(Mirrors::snapshot(Mirrors::yesterday(settings.now)));
        let mut client = TransportOptions::new(USER_AGENT);
        client.proxies = proxies(settings, apt);
        let judgement = ArchivesOptions {
            now: settings.now,
            network: if options.offline {
                Network::Offline
            } else {
                Network::Online
            },
            older_releases: if options.allow_older_release {
                OlderReleases::Allow
            } else {
                OlderReleases::Refuse
            },
        };
        let (transport, verbose) = (Transport::new(client), settings.verbose);
        Ok(Workshop {
            cache,
            progress,
            mirrors,
            verbose,
            transport,
            judgement,
        })
    }

    /// A reader of the archives.
    pub(crate) fn archives(&self) -> Archives {
        Archives::new(
            self.transport.clone(),
            self.cache.clone(),
            self.progress.clone(),
            self.judgement,
        )
    }

    pub(crate) fn warn(&self, text: &str) {
        self.progress.event(Event::Warning(text));
    }

    pub(crate) fn note(&self, text: &str) {
        self.progress.event(Event::Note(text));
    }
}

/// The mirrors of `--mirror`, else those of the environment.
fn named_mirrors(options: &ArchiveOptions, settings: &Settings) -> Result<Mirrors, Failure> {
    let parse = |from: &str, texts: &[&str]| {
        let arguments = texts
            .iter()
            .map(|text| text.parse::<MirrorArgument>())
            .collect::<Result<Vec<_>, _>>();
        let failed = |error| Failure::new(Kind::Usage, format!("cannot use the mirror of {from}"), error);
        arguments
            .map(|arguments| Mirrors::from_arguments(&arguments))
            .map_err(failed)
    };
    let given: Vec<&str> = options.mirror.iter().map(String::as_str).collect();
    let of_environment: Vec<&str> = settings
        .environment
        .debian_mirror
        .iter()
        .flat_map(|text| text.split_whitespace())
        .collect();
    Ok(parse("--mirror", &given)?.or(parse(LIGHTSHIP_DEBIAN_MIRROR, &of_environment)?))
}

/// What the environment says of proxies, and where it is silent, what APT was told.
fn proxies(settings: &Settings, apt: AptSources) -> Proxies {
    settings.proxies().or(apt.proxies)
}
