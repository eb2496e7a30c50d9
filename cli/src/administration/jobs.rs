//! Work that a running registry does, and that is waited for.

use std::time::Duration;

use progress::{Task, Work};
use serde_json::Value;

use super::{Administered, RegistryOption, last, number, text};
use crate::failure::{Failure, Kind};
use crate::progress_display::ProgressDisplay;
use crate::runtime;
use crate::settings::Settings;

/// Between two questions how far a job is.
const POLL: Duration = Duration::from_millis(300);

/// Starts a job on a running registry and waits for its end; its report.
pub(crate) fn job(registry: &RegistryOption, body: &Value, settings: &Settings) -> Result<Value, Failure> {
    let server = registry.open(None, settings)?;
    let display = ProgressDisplay::new(settings);
    runtime::block_on(awaited(&server, body, &display))?
}

async fn awaited(server: &Administered, body: &Value, display: &ProgressDisplay) -> Result<Value, Failure> {
    let kind = text(body, "kind").to_ascii_lowercase();
    let mut job = server
        .post(&format!("start a {kind}"), "/lightship/v1/jobs", body)
        .await?;
    let path = format!("/lightship/v1/jobs/{}", last(text(&job, "name")));
    let mut shown = Shown { task: None, bytes: 0 };
    loop {
        match text(&job, "state") {
            "RUNNING" => {
                shown.advance(&kind, &job["progress"], display);
                tokio::time::sleep(POLL).await;
            }
            "DONE" => return Ok(job["report"].take()),
            _ => {
                let reason = inspect::visible(text(&job, "error"));
                return Err(Failure::stated(
                    Kind::Outside,
                    format!("the {kind} on {} failed: {reason}", server.host()),
                ));
            }
        }
        job = server.get(&format!("ask about a {kind}"), &path).await?;
    }
}

/// How far a job is, as the user sees it.
struct Shown<'d> {
    task: Option<Task<'d>>,
    bytes: u64,
}

impl<'d> Shown<'d> {
    fn advance(&mut self, kind: &str, progress: &Value, display: &'d ProgressDisplay) {
        if progress.is_null() {
            return;
        }
        let task = self.task.get_or_insert_with(|| {
            let work = match kind {
                "backup" => Work::Write,
                _ => Work::Index,
            };
            let name = format!("{} blobs", number(progress, "objectsTotal"));
            Task::start(display, work, &name, Some(number(progress, "bytesTotal")))
        });
        let done = number(progress, "bytesDone");
        task.advance(done.saturating_sub(self.bytes));
        self.bytes = done;
    }
}
