//! What a job does.

use std::num::NonZeroU64;
use std::time::Duration;

use serde_json::Value;
use store::{
    Actor, BackupError, CleanupOptions, CollectionOptions, RepositoryPath, ScrubOptions, StoreError, Watch,
};

use crate::administration::status::Invalid;
use crate::administration::{Unfit, documents, reports};
use crate::refusal::Refusal;
use crate::registry::Registry;

/// What a scrub reads in a second unless it is told otherwise: some disks do not much more, and pulls need them.
const SCRUB_BYTES_PER_SECOND: u64 = 64 << 20;

/// The slowest: one that never ends keeps every other from being started.
const SCRUB_BYTES_PER_SECOND_MIN: u64 = 1 << 20;

/// Longest duration in a body.
const DURATION_BYTES_MAX: usize = 32;

/// Longest name of a repository in a body.
const NAME_BYTES_MAX: usize = 1024;

/// What is to be done.
pub(super) enum Work {
    Collection {
        dry_run: bool,
        untagged_after: Option<Duration>,
    },
    Scrub {
        bytes_per_second: Option<NonZeroU64>,
    },
    Cleanup {
        dry_run: bool,
        repository: Option<RepositoryPath>,
    },
    Backup,
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("it ended by a fault of the program")]
    Broken,
}

impl JobError {
    /// For the client, who need not know where on the server things are.
    pub(super) fn told(&self) -> String {
        match self {
            JobError::Backup(BackupError::NotEmpty { .. } | BackupError::NotABackup { .. }) => {
                "something else is in the directory for backups".to_owned()
            }
            other => other.to_string(),
        }
    }
}

impl Work {
    pub(super) fn of(given: &Value) -> Result<Work, Refusal> {
        let kinds = ["KIND_UNSPECIFIED", "COLLECTION", "SCRUB", "CLEANUP", "BACKUP"];
        match documents::choice(given, "kind", &kinds)? {
            1 => Ok(Work::Collection {
                dry_run: documents::flag(given, "dryRun")?,
                untagged_after: match documents::text(given, "untaggedAfter", DURATION_BYTES_MAX)? {
                    "" => None,
                    text => Some(documents::duration(text).ok_or_else(|| {
                        Invalid::new("untaggedAfter", "it is no number of seconds with an s")
                    })?),
                },
            }),
            2 => Ok(Work::Scrub {
                bytes_per_second: scrub_rate(given)?,
            }),
            3 => Ok(Work::Cleanup {
                dry_run: documents::flag(given, "dryRun")?,
                repository: match documents::text(given, "repository", NAME_BYTES_MAX)? {
                    "" => None,
                    text => Some(
                        text.parse()
                            .map_err(|error| Invalid::new("repository", format!("{error}")))?,
                    ),
                },
            }),
            4 => Ok(Work::Backup),
            _ => Err(Invalid::new("kind", "it is needed: COLLECTION, SCRUB, CLEANUP or BACKUP").into()),
        }
    }

    /// # Errors
    /// When the registry cannot do it as it is run.
    pub(super) fn check(&self, registry: &Registry) -> Result<(), Refusal> {
        match self {
            Work::Backup if registry.backups().is_none() => Err(Unfit::precondition(
                "this registry has no directory for backups: whoever runs it says with server.backup_directory \
                 where they go",
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Work::Collection { .. } => "COLLECTION",
            Work::Scrub { .. } => "SCRUB",
            Work::Cleanup { .. } => "CLEANUP",
            Work::Backup => "BACKUP",
        }
    }

    pub(super) async fn run(
        self,
        registry: &Registry,
        actor: Actor,
        watch: Watch,
    ) -> Result<Value, JobError> {
        match self {
            Work::Collection {
                dry_run,
                untagged_after,
            } => {
                let options = CollectionOptions {
                    grace: registry.options().grace,
                    upload_idle: registry.options().upload_idle,
                    untagged_after,
                    dry_run,
                    actor,
                };
                let report = registry.collect(&options).await?;
                Ok(reports::collection(&report, dry_run))
            }
            Work::Scrub { bytes_per_second } => {
                let options = ScrubOptions {
                    bytes_per_second,
                    watch: Some(watch),
                };
                let report = registry.scrub(options).await?;
                Ok(reports::scrub(&report))
            }
            Work::Cleanup { dry_run, repository } => {
                let options = CleanupOptions {
                    repository,
                    grace: registry.options().grace,
                    dry_run,
                    actor,
                };
                let report = registry.clean_up(&options).await?;
                Ok(reports::cleanup(&report, dry_run))
            }
            Work::Backup => Ok(reports::backup(&registry.back_up(watch).await?)),
        }
    }
}

/// None for no limit.
fn scrub_rate(given: &Value) -> Result<Option<NonZeroU64>, Refusal> {
    let rate = documents::number(given, "bytesPerSecond")?.unwrap_or(SCRUB_BYTES_PER_SECOND);
    if (1..SCRUB_BYTES_PER_SECOND_MIN).contains(&rate) {
        let reason = format!("it is at least {SCRUB_BYTES_PER_SECOND_MIN}, or 0 for no limit");
        return Err(Invalid::new("bytesPerSecond", reason).into());
    }
    Ok(NonZeroU64::new(rate))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scrub_that_would_never_end_is_refused() {
        let rate = |given: Value| {
            scrub_rate(&given)
                .ok()
                .map(|rate| rate.map_or(0, NonZeroU64::get))
        };
        assert_eq!(rate(json!({})), Some(SCRUB_BYTES_PER_SECOND));
        assert_eq!(rate(json!({"bytesPerSecond": 0})), Some(0));
        assert_eq!(rate(json!({"bytesPerSecond": 1})), None);
        assert_eq!(rate(json!({"bytesPerSecond": (1 << 20) - 1})), None);
        assert_eq!(rate(json!({"bytesPerSecond": 1 << 20})), Some(1 << 20));
    }
}
