//! Projects: what they hold, and how much they may. Google has projects elsewhere and no such quotas.

use access::Permission;
use hyper::Method;
use serde_json::{Value, json};
use store::{Project, ProjectId, Resource};

use super::paging::{self, Rows, Slice};
use super::update_mask::UpdateMask;
use super::{Asked, documents, ok};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::refusal::Refusal;

pub(crate) async fn list(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    asked
        .authorise(Permission::ListRepositories, &Resource::Registry)
        .await?;
    paging::list(asked, "projects", &All { asked }).await
}

struct All<'a> {
    asked: &'a Asked<'a>,
}

impl Rows for All<'_> {
    async fn read(&self, after: Option<String>, limit: usize) -> Result<Slice, Refusal> {
        let after: Option<ProjectId> = match after {
            Some(key) => Some(key.parse().map_err(|_| paging::bad_token())?),
            None => None,
        };
        let metadata = self.asked.registry.metadata();
        let projects = metadata.projects(after.as_ref(), limit).await?;
        let row = |project: &Project| (project.id.to_string(), document(project));
        Ok(Slice::of_rows(projects.iter().map(row).collect(), limit))
    }
}

pub(crate) async fn one(asked: &Asked<'_>, id: &ProjectId, body: &mut Arriving) -> Result<Answer, Refusal> {
    match *asked.method() {
        Method::GET => {
            let resource = Resource::Project(id.clone());
            asked.authorise(Permission::ListRepositories, &resource).await?;
        }
        Method::PATCH => {
            // How much a project may hold is not for those who administer it to say.
            asked
                .authorise(Permission::UpdateRepository, &Resource::Registry)
                .await?;
            let given = asked.document(body).await?;
            if UpdateMask::of(&asked.call.query, &given, &["quotaBytes"])?.has("quotaBytes") {
                let quota_bytes = documents::number(&given, "quotaBytes")?;
                let (actor, now) = (asked.actor(), asked.registry.now());
                let metadata = asked.registry.metadata();
                metadata.set_project_quota(id, quota_bytes, &actor, now).await?;
            }
        }
        _ => return Err(asked.call.refuse_method("GET, PATCH")),
    }
    let project = asked.registry.metadata().project(id).await?;
    Ok(ok(&document(&project)))
}

fn document(project: &Project) -> Value {
    json!({
        "name": format!("projects/{}", project.id),
        "sizeBytes": project.size_bytes.to_string(),
        "quotaBytes": project.quota_bytes.map(|bytes| bytes.to_string()),
    })
}
