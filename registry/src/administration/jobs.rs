//! Work that takes long: cleanup, collection, scrub and backup. It runs in the server and is asked about.
//!
//! What is known of a job is in memory, and gone with the server; its effects are not.

mod work;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use access::Permission;
use hyper::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Advance, Resource, Watch};

use self::work::{JobError, Work};
use super::{Asked, Unfit, documents, ok};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::refusal::Refusal;
use crate::registry::Registry;

/// Jobs that are remembered.
const JOBS_MAX: usize = 32;

/// What is known of jobs.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Job>>);

#[derive(Debug, Clone)]
struct Job {
    id: String,
    kind: &'static str,
    started: Timestamp,
    ended: Option<Timestamp>,
    /// How far it is, where that can be said.
    advance: Option<Advance>,
    /// The report, or why there is none.
    result: Option<Result<Value, String>>,
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
    let work = Work::of(&given)?;
    work.check(asked.registry)?;
    let kind = work.kind();
    let mut random = [0; 8];
    asked.registry.entropy().fill(&mut random);
    let job = Job {
        id: format!("{:016x}", u64::from_be_bytes(random)),
        kind,
        started: asked.registry.now(),
        ended: None,
        advance: None,
        result: None,
    };
    asked.registry.jobs().begin(&job)?;
    run(asked.registry.clone(), job.id.clone(), work, asked.actor());
    Ok(ok(&document(&job)))
}

fn run(registry: Registry, id: String, work: Work, actor: store::Actor) {
    let (working, of) = (registry.clone(), id.clone());
    let watch: Watch = Arc::new(move |advance| working.jobs().advanced(&of, advance));
    let working = registry.clone();
    // By itself, so that one that panics is not said to run for ever, and kept from being started again.
    let result = tokio::spawn(async move { work.run(&working, actor, watch).await });
    tokio::spawn(async move {
        let result = result.await.unwrap_or(Err(JobError::Broken)).map_err(|error| {
            registry.trouble(&id, &error);
            error.told()
        });
        registry.jobs().end(&id, result, registry.now());
    });
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
    let progress = job.advance.map(|Advance { done, total }| {
        json!({
            "objectsDone": done.objects,
            "objectsTotal": total.objects,
            "bytesDone": done.bytes,
            "bytesTotal": total.bytes,
        })
    });
    json!({
        "name": format!("jobs/{}", job.id),
        "kind": job.kind,
        "state": state,
        "startTime": documents::time(job.started),
        "endTime": job.ended.map(documents::time),
        "progress": progress,
        "report": report,
        "error": error,
    })
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

    fn advanced(&self, id: &str, advance: Advance) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = jobs.iter_mut().find(|job| job.id == id) {
            job.advance = Some(advance);
        }
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
            advance: None,
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
