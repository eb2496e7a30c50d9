//! Both sides of a move, and what is wanted of it: the arguments that the verbs share.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use migrate::failure::PlaceError;
use migrate::filter::Filter;
use migrate::journal::Journal;
use migrate::manifests::ManifestStore;
use migrate::mapping::{Mapping, Pattern, Prefix};
use migrate::pace::{Pace, PaceOptions};
use migrate::place::{LayoutTarget, LocalOrigin, Origin, PlaceName, RegistryOrigin, RegistryTarget, Target};
use migrate::plan::{Depth, Plan, Sides, SurveyOptions};
use oci::{Platform, RepositoryName};
use transport::{Limits, RetryPolicy};

use crate::failure::{Failure, Kind};
use crate::progress_display::ProgressDisplay;
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;

/// The longest list of names that is read, in bytes.
const NAMES_BYTES_MAX: u64 = 64 << 20;

/// Both sides.
#[derive(Debug, Clone, Args)]
pub(crate) struct SidesOptions {
    /// Where from
    #[arg(long, value_name = "SOURCE", required_unless_present = "plan")]
    pub(crate) from: Option<PlaceName>,
    /// Where to
    #[arg(long, value_name = "DESTINATION", required_unless_present = "plan")]
    pub(crate) to: Option<PlaceName>,
    /// Another host with the same content as the source, asked when that does not answer; may be given several times
    #[arg(long, value_name = "HOST")]
    pub(crate) endpoint: Vec<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// What is wanted.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What is moved")]
pub(crate) struct ChoiceOptions {
    /// Call repositories below SOURCE that are FROM or begin with FROM/ by TO instead; may be given several times
    #[arg(long, value_name = "FROM=TO")]
    map: Vec<Prefix>,
    /// Call repositories below SOURCE whose whole name fits PATTERN by REPLACEMENT, with $1 for its first group
    #[arg(long, value_name = "PATTERN=REPLACEMENT")]
    map_regex: Vec<Pattern>,
    /// Move the repositories that are listed in this file, one whole name a line, instead of all that the source lists
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// Only repositories that fit this pattern; * stands for anything
    #[arg(long, value_name = "GLOB")]
    repositories: Vec<String>,
    /// Only tags that fit this pattern
    #[arg(long, value_name = "GLOB")]
    tags: Vec<String>,
    /// No tags that fit this pattern
    #[arg(long, value_name = "GLOB")]
    exclude_tags: Vec<String>,
    /// Only the youngest N versions of each repository, by the time of their upload, or of their making where the
    /// source does not tell
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Only what was pushed within this number of days; what has no time that is known is moved
    #[arg(long, value_name = "DAYS")]
    since: Option<u32>,
    /// Of images for several platforms, only what is for this one; the index stays as it is, and the destination must
    /// take one that is not whole
    #[arg(long, value_name = "PLATFORM")]
    platform: Vec<Platform>,
}

impl SidesOptions {
    /// Both names, from the arguments or a plan.
    pub(crate) fn names(&self, plan: Option<&Plan>) -> Result<(PlaceName, PlaceName), Failure> {
        let of_plan = |name: &str| {
            name.parse::<PlaceName>()
                .map_err(|error| Failure::new(Kind::Usage, "cannot use the plan", error))
        };
        let side = |given: &Option<PlaceName>, planned: Option<&str>| match (given, planned) {
            (Some(name), _) => Ok(name.clone()),
            (None, Some(planned)) => of_plan(planned),
            (None, None) => Err(Failure::usage("name both sides with --from and --to")),
        };
        Ok((
            side(&self.from, plan.map(|plan| plan.from.as_str()))?,
            side(&self.to, plan.map(|plan| plan.to.as_str()))?,
        ))
    }

    /// Opens both sides.
    pub(crate) async fn open(
        &self,
        (from, to): (&PlaceName, &PlaceName),
        settings: &Settings,
    ) -> Result<Sides, Failure> {
        let (from_pace, to_pace) = (
            Pace::new(PaceOptions::default()),
            Pace::new(PaceOptions::default()),
        );
        let origin = self.origin(from, &from_pace, settings).await;
        let origin = origin.map_err(|error| unopened(from, error))?;
        let target = self.target(to, &to_pace, settings).await;
        Ok(Sides {
            origin,
            target: target.map_err(|error| unopened(to, error))?,
            from_pace,
            to_pace,
        })
    }

    async fn origin(
        &self,
        from: &PlaceName,
        pace: &Pace,
        settings: &Settings,
    ) -> Result<Arc<dyn Origin>, Unopened> {
        match from {
            PlaceName::Registry { host, prefix } => {
                let registries = self.registry.registries_paced(settings, quick())?;
                let registries = registries.observed_by(Arc::new(pace.clone()));
                let origin = RegistryOrigin::new(&registries, host, &self.endpoint, prefix.clone())?;
                Ok(Arc::new(origin))
            }
            local => Ok(Arc::new(LocalOrigin::open(local).await?)),
        }
    }

    async fn target(
        &self,
        to: &PlaceName,
        pace: &Pace,
        settings: &Settings,
    ) -> Result<Arc<dyn Target>, Unopened> {
        match to {
            PlaceName::Registry { host, .. } => {
                let registries = self.registry.registries_paced(settings, quick())?;
                let registries = registries.observed_by(Arc::new(pace.clone())).of_itself();
                Ok(Arc::new(RegistryTarget::new(&registries, host)?))
            }
            PlaceName::Layout(dir) => Ok(Arc::new(LayoutTarget::open(dir).await?)),
            PlaceName::DockerArchive(_) => Err(Unopened::Failure(Failure::usage(
                "a docker archive is a source only: it cannot hold images of several platforms",
            ))),
        }
    }
}

/// Trying again, and how much at once, is the matter of the pace.
fn quick() -> (Limits, RetryPolicy) {
    let limits = Limits {
        requests_per_host_max: 1024,
        // A blob of many gigabytes takes as long as it takes; what counts is that it goes on.
        ..Limits::default()
    };
    let retry = RetryPolicy {
        attempts_max: 1,
        refused_attempts_max: 1,
        ..RetryPolicy::default()
    };
    (limits, retry)
}

enum Unopened {
    Place(PlaceError),
    Failure(Failure),
}

impl From<PlaceError> for Unopened {
    fn from(error: PlaceError) -> Self {
        Self::Place(error)
    }
}

impl From<Failure> for Unopened {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

fn unopened(name: &PlaceName, error: Unopened) -> Failure {
    match error {
        Unopened::Place(error) => Failure::outside(format!("cannot open {name}"), error),
        Unopened::Failure(failure) => failure,
    }
}

impl ChoiceOptions {
    /// What is wanted, with ages counted from now.
    pub(crate) fn filter(&self, settings: &Settings) -> Result<Filter, Failure> {
        let filter = Filter::new(&self.repositories, &self.tags, &self.exclude_tags);
        let mut filter = filter.map_err(|error| Failure::new(Kind::Usage, "cannot use a pattern", error))?;
        filter.last = self.last;
        let days = |days: u32| settings.now - SignedDuration::from_hours(24 * i64::from(days));
        filter.since = self.since.map(days);
        filter.platforms.clone_from(&self.platform);
        Ok(filter)
    }

    /// What to look at.
    pub(crate) fn survey<'s>(
        &self,
        (from, to): (&PlaceName, &PlaceName),
        settings: &Settings,
        (depth, store): (Depth, &'s ManifestStore),
        journal: Option<&'s Journal>,
    ) -> Result<SurveyOptions<'s>, Failure> {
        Ok(SurveyOptions {
            from: from.to_string(),
            to: to.to_string(),
            names: self.names()?,
            from_prefix: from.prefix().cloned(),
            to_prefix: to.prefix().cloned(),
            mapping: Mapping::new(self.map.clone(), self.map_regex.clone()),
            filter: self.filter(settings)?,
            depth,
            journal,
            store,
        })
    }

    fn names(&self) -> Result<Option<Vec<RepositoryName>>, Failure> {
        let Some(path) = &self.names else {
            return Ok(None);
        };
        let attempt = || format!("cannot read the names in {}", path.display());
        let read = read_bounded(path, NAMES_BYTES_MAX);
        let text = read.map_err(|error| Failure::outside(attempt(), error))?;
        let mut names = Vec::new();
        for line in String::from_utf8_lossy(&text).lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name: RepositoryName = line
                .parse()
                .map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
            names.push(name);
        }
        names.sort();
        names.dedup();
        Ok(Some(names))
    }
}

/// The bytes of a file, of at most `limit_bytes`.
pub(crate) fn read_bounded(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(io::Error::other(format!("it has more than {limit_bytes} bytes")));
    }
    Ok(bytes)
}

/// Writes a file for review below `directory`, with the directories on the way: it is either the old one or the whole new one. A
/// symbolic link on the way would put it elsewhere, or over something else.
pub(crate) fn replace_below(directory: &Path, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut at = directory.to_owned();
    for part in path.components() {
        at.push(part);
        if at.is_symlink() {
            return Err(Failure::usage(format!("{} is a symbolic link", at.display()))
                .hint("files for review are written into directories and files that are none"));
        }
    }
    let made = at.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.map_err(|error| Failure::outside(format!("cannot write {}", at.display()), error))?;
    replace(&at, bytes)
}

/// Writes a file so that it is either the old one or the whole new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let write = || {
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(dir.unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    let written = write();
    written.map_err(|error| Failure::outside(format!("cannot write {}", path.display()), error))?;
    Ok(())
}

/// A time for people, in its two largest units.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// Looks at both sides.
pub(crate) async fn survey(
    sides: &Sides,
    options: &SurveyOptions<'_>,
    display: &ProgressDisplay,
) -> Result<Plan, Failure> {
    let surveyed = migrate::plan::survey(sides, options, display).await;
    surveyed.map_err(|error| {
        let attempt = format!("cannot plan a move from {} to {}", options.from, options.to);
        match error {
            migrate::plan::SurveyError::Mapping(error) => Failure::new(Kind::Usage, attempt, error),
            error @ migrate::plan::SurveyError::NoCatalogue => Failure::outside(attempt, error)
                .hint("give the names of its repositories with --names FILE, or a prefix after the host"),
            error => Failure::outside(attempt, error),
        }
    })
}
