//! Work that takes long: cleanup, collection and scrub. It runs in the server and is asked about.
//!
//! What is known of a job is in memory, and gone with the server; its effects are not.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use access::Permission;
use hyper::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{CleanupOptions, CollectionOptions, RepositoryPath, Resource};

use super::{Asked, Unfit, documents, ok, reports};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::refusal::Refusal;
use crate::registry::Registry;

/// Jobs that are remembered.
const JOBS_MAX: usize = 32;

/// How long an upload may rest before a collection takes it.
const UPLOAD_IDLE: Duration = Duration::from_secs(24 * 3600);

/// Longest duration in a body.
const DURATION_BYTES_MAX: usize = 32;

/// Longest name of a repository in a body.
const NAME_BYTES_MAX: usize = 1024;

/// What is known of jobs.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Job>>);

#[derive(Debug, Clone)]
struct Job {
    id: String,
    kind: &'static str,
    started: Timestamp,
    ended: Option<Timestamp>,
    /// The report, or why there is none.
    result: Option<Result<Value, String>>,
}

/// What is to be done.
enum Work {
    Collection {
        dry_run: bool,
        untagged_after: Option<Duration>,
    },
    Scrub,
    Cleanup {
        dry_run: bool,
        repository: Option<RepositoryPath>,
    },
}

pub(crate) async fn collection(asked: &Asked<'_>, body: &mut Arriving) -> Result<Answer, Refusal> {
    match *asked.method() {
        Method::GET | Method::POST => {}
        _ => return Err(asked.call.refuse_method("GET, POST")),
    }
    asked.authorise(Permission::Maintain, &Resource::Registry).await?;
    if *asked.method() == Method::GET {
        let jobs: Vec<Value> = asked.registry.jobs().all().iter().map(document).collect();
        return Ok(ok(&json!({"jobs": jobs})));
    }
    let given = asked.document(body).await?;
    let work = work(&given)?;
    let kind = work.kind();
    let mut random = [0; 8];
    asked.registry.entropy().fill(&mut random);
    let job = Job {
        id: format!("{:016x}", u64::from_be_bytes(random)),
        kind,
        started: asked.registry.now(),
        ended: None,
        result: None,
    };
    asked.registry.jobs().begin(&job)?;
    let (registry, id, actor) = (asked.registry.clone(), job.id.clone(), asked.actor());
    tokio::spawn(async move {
        let result = work.run(&registry, actor).await;
        let result = result.map_err(|error| {
            registry.trouble(&id, &error);
            error.to_string()
        });
        let now = registry.now();
        registry.jobs().end(&id, result, now);
    });
    Ok(ok(&document(&job)))
}

pub(crate) async fn one(asked: &Asked<'_>, id: &str) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    asked.authorise(Permission::Maintain, &Resource::Registry).await?;
    let jobs = asked.registry.jobs().all();
    let job = jobs.iter().find(|job| job.id == id);
    Ok(ok(&document(
        job.ok_or_else(|| Unfit::not_found(format!("job {id}")))?,
    )))
}

fn document(job: &Job) -> Value {
    let (state, report, error) = match &job.result {
        None => ("RUNNING", Value::Null, Value::Null),
        Some(Ok(report)) => ("DONE", report.clone(), Value::Null),
        Some(Err(reason)) => ("FAILED", Value::Null, Value::from(reason.as_str())),
    };
    json!({
        "name": format!("jobs/{}", job.id),
        "kind": job.kind,
        "state": state,
        "startTime": documents::time(job.started),
        "endTime": job.ended.map(documents::time),
        "report": report,
        "error": error,
    })
}

fn work(given: &Value) -> Result<Work, Refusal> {
    let kinds = ["KIND_UNSPECIFIED", "COLLECTION", "SCRUB", "CLEANUP"];
    match documents::choice(given, "kind", &kinds)? {
        1 => Ok(Work::Collection {
            dry_run: documents::flag(given, "dryRun")?,
            untagged_after: match documents::text(given, "untaggedAfter", DURATION_BYTES_MAX)? {
                "" => None,
                text => Some(documents::duration(text).ok_or_else(|| {
                    super::Invalid::new("untaggedAfter", "it is no number of seconds with an s")
                })?),
            },
        }),
        2 => Ok(Work::Scrub),
        3 => Ok(Work::Cleanup {
            dry_run: documents::flag(given, "dryRun")?,
            repository: match documents::text(given, "repository", NAME_BYTES_MAX)? {
                "" => None,
                text => Some(
                    text.parse()
                        .map_err(|error| super::Invalid::new("repository", format!("{error}")))?,
                ),
            },
        }),
        _ => Err(super::Invalid::new("kind", "it is needed: COLLECTION, SCRUB or CLEANUP").into()),
    }
}

impl Work {
    fn kind(&self) -> &'static str {
        match self {
            Work::Collection { .. } => "COLLECTION",
            Work::Scrub => "SCRUB",
            Work::Cleanup { .. } => "CLEANUP",
        }
    }

    async fn run(self, registry: &Registry, actor: store::Actor) -> Result<Value, store::StoreError> {
        match self {
            Work::Collection {
                dry_run,
                untagged_after,
            } => {
                let options = CollectionOptions {
                    grace: registry.options().grace,
                    upload_idle: UPLOAD_IDLE,
                    untagged_after,
                    dry_run,
                    actor,
                };
                let report = registry.collect(&options).await?;
                Ok(reports::collection(&report, dry_run))
            }
            Work::Scrub => {
                let report = store::scrub(registry.blobs(), registry.metadata()).await?;
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
        }
    }
}

impl Jobs {
    /// # Errors
    /// When one of the kind is running.
    fn begin(&self, job: &Job) -> Result<(), Refusal> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = jobs
            .iter()
            .find(|other| other.kind == job.kind && other.result.is_none())
        {
            return Err(Unfit::precondition(format!(
                "a {} is running already: jobs/{}",
                job.kind.to_ascii_lowercase(),
                running.id
            )));
        }
        if jobs.len() == JOBS_MAX {
            // One of each kind at most is running, so the oldest that ended is soon found.
            if let Some(ended) = jobs.iter().position(|job| job.result.is_some()) {
                jobs.remove(ended);
            }
        }
        jobs.push_back(job.clone());
        Ok(())
    }

    fn end(&self, id: &str, result: Result<Value, String>, now: Timestamp) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = jobs.iter_mut().find(|job| job.id == id) {
            job.ended = Some(now);
            job.result = Some(result);
        }
    }

    fn all(&self) -> Vec<Job> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: usize, kind: &'static str) -> Job {
        Job {
            id: id.to_string(),
            kind,
            started: Timestamp::UNIX_EPOCH,
            ended: None,
            result: None,
        }
    }

    #[test]
    fn one_job_of_a_kind_runs_and_few_are_remembered() {
        let jobs = Jobs::default();
        jobs.begin(&job(0, "SCRUB")).unwrap();
        assert!(jobs.begin(&job(1, "SCRUB")).is_err());
        for id in 2..100 {
            jobs.begin(&job(id, "COLLECTION")).unwrap();
            jobs.end(&id.to_string(), Ok(Value::Null), Timestamp::UNIX_EPOCH);
        }
        let known = jobs.all();
        assert_eq!((known.len(), known[0].id.as_str()), (JOBS_MAX, "0"));
        assert_eq!(known.last().unwrap().id, "99");
    }
}
