//! Locations of a project, and what else Google's command line asks for before it does something.

use std::collections::BTreeSet;

use access::Permission;
use hyper::Method;
use serde_json::{Value, json};
use store::{LocationId, ProjectId, Resource};

use super::{Asked, Unfit, ok};
use crate::answer::Answer;
use crate::refusal::Refusal;

/// Locations of Container Registry's hosts: a push there makes its repository, so they are always there.
const ALWAYS: [&str; 3] = ["asia", "europe", "us"];

/// Repositories that are looked at for their locations.
const REPOSITORIES_MAX: usize = 10_000;

pub(crate) async fn list(asked: &Asked<'_>, project: &ProjectId) -> Result<Answer, Refusal> {
    let locations = locations(asked, project).await?;
    let documents: Vec<Value> = locations.iter().map(|id| document(project, id)).collect();
    Ok(ok(&json!({"locations": documents})))
}

pub(crate) async fn get(
    asked: &Asked<'_>,
    project: &ProjectId,
    location: &LocationId,
) -> Result<Answer, Refusal> {
    match locations(asked, project).await?.contains(location.as_str()) {
        true => Ok(ok(&document(project, location.as_str()))),
        false => Err(Unfit::not_found(format!(
            "projects/{project}/locations/{location}"
        ))),
    }
}

async fn locations(asked: &Asked<'_>, project: &ProjectId) -> Result<BTreeSet<String>, Refusal> {
    may_look(asked, project).await?;
    let mut locations: BTreeSet<String> = ALWAYS.map(str::to_owned).into();
    let options = asked.registry.options();
    let default = options.routes.default_repository();
    if default.project() == project {
        locations.insert(default.location().to_string());
    }
    let found = asked
        .registry
        .metadata()
        .repositories(Some(project), None, REPOSITORIES_MAX)
        .await?;
    locations.extend(
        found
            .iter()
            .map(|repository| repository.path.location().to_string()),
    );
    Ok(locations)
}

fn document(project: &ProjectId, id: &str) -> Value {
    json!({
        "name": format!("projects/{project}/locations/{id}"),
        "locationId": id,
        "displayName": id,
    })
}

/// `gcloud` asks whether gcr.io leads here before it describes an image there. It does: the hosts are routes of ours.
pub(crate) async fn settings(asked: &Asked<'_>, project: &ProjectId) -> Result<Answer, Refusal> {
    may_look(asked, project).await?;
    Ok(ok(&json!({
        "name": format!("projects/{project}/projectSettings"),
        "legacyRedirectionState": "REDIRECTION_FROM_GCR_IO_ENABLED",
    })))
}

/// What an analysis found, when `gcloud` was told to ask here: nothing.
pub(crate) async fn occurrences(asked: &Asked<'_>, project: &ProjectId) -> Result<Answer, Refusal> {
    may_look(asked, project).await?;
    Ok(ok(&json!({"occurrences": []})))
}

async fn may_look(asked: &Asked<'_>, project: &ProjectId) -> Result<(), Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    let resource = Resource::Project(project.clone());
    asked.authorise(Permission::ListRepositories, &resource).await
}
