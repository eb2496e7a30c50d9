//! Repositories: list, get, create, patch, delete.
//!
//! Source: `projects.locations.repositories` of Artifact Registry's REST API.

use access::Permission;
use hyper::Method;
use serde_json::Value;
use store::{LocationId, ProjectId, Repository, RepositoryPath, RepositoryRefusal, Resource};

use super::operations::{self, Gave};
use super::paging::{self, Rows, Slice};
use super::status::Invalid;
use super::update_mask::UpdateMask;
use super::{Asked, Unfit, documents, mode_document, ok, repository_document};
use crate::answer::Answer;
use crate::call::Arriving;
use crate::refusal::Refusal;

/// Repositories of other locations that are passed over at a time.
const SCANNED: usize = 1000;

pub(crate) async fn collection(
    asked: &Asked<'_>,
    (project, location): (&ProjectId, Option<&LocationId>),
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    match *asked.method() {
        Method::GET => list(asked, project, location).await,
        Method::POST => {
            let location = location.ok_or(Invalid::new("parent", "a repository is in one location"))?;
            create(asked, (project, location), body).await
        }
        _ => Err(asked.call.refuse_method("GET, POST")),
    }
}

pub(crate) async fn one(
    asked: &Asked<'_>,
    path: &RepositoryPath,
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    let resource = Resource::Repository(path.clone());
    match *asked.method() {
        Method::GET => {
            asked.authorise(Permission::GetRepository, &resource).await?;
            let repository = existing(asked, path).await?;
            Ok(ok(&repository_document::of(asked, &repository)))
        }
        Method::PATCH => {
            asked.authorise(Permission::UpdateRepository, &resource).await?;
            patch(asked, path, body).await
        }
        Method::DELETE => {
            asked.authorise(Permission::DeleteRepository, &resource).await?;
            delete(asked, path).await
        }
        _ => Err(asked.call.refuse_method("GET, PATCH, DELETE")),
    }
}

/// The repository, or a refusal that it is not there.
pub(crate) async fn existing(asked: &Asked<'_>, path: &RepositoryPath) -> Result<Repository, Refusal> {
    let found = asked.registry.metadata().repository(path).await?;
    found.ok_or_else(|| Unfit::not_found(path))
}

async fn list(
    asked: &Asked<'_>,
    project: &ProjectId,
    location: Option<&LocationId>,
) -> Result<Answer, Refusal> {
    let resource = Resource::Project(project.clone());
    asked.authorise(Permission::ListRepositories, &resource).await?;
    paging::list(
        asked,
        "repositories",
        &InLocation {
            asked,
            project,
            location,
        },
    )
    .await
}

/// Every repository that the caller may see, whatever its project.
pub(crate) async fn visible(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if *asked.method() != Method::GET {
        return Err(asked.call.refuse_method("GET"));
    }
    // An empty list would say that there is nothing, to somebody who only has not said yet who they are.
    let caller = &asked.call.caller;
    if caller.is_closed() && !caller.is_authenticated() {
        let resource = Resource::Registry;
        asked.authorise(Permission::ListRepositories, &resource).await?;
    }
    paging::list(asked, "repositories", &Visible { asked }).await
}

struct Visible<'a> {
    asked: &'a Asked<'a>,
}

impl Rows for Visible<'_> {
    async fn read(&self, after: Option<String>, limit: usize) -> Result<Slice, Refusal> {
        let asked = self.asked;
        let after: Option<RepositoryPath> = after.as_deref().map(parsed_key).transpose()?;
        let metadata = asked.registry.metadata();
        let found = metadata.repositories(None, after.as_ref(), SCANNED).await?;
        let mut documents = Vec::new();
        for repository in &found {
            let path = &repository.path;
            let resource = Resource::Repository(path.clone());
            let is_visible = asked
                .registry
                .may(asked.call, Permission::GetRepository, &resource);
            if !is_visible.await? {
                continue;
            }
            documents.push(repository_document::of(asked, repository));
            if documents.len() == limit {
                let next = Some(path.to_string());
                return Ok(Slice { documents, next });
            }
        }
        let next = found.last().filter(|_| found.len() == SCANNED);
        let next = next.map(|repository| repository.path.to_string());
        Ok(Slice { documents, next })
    }
}

/// Repositories of a project, in one location or in all.
struct InLocation<'a> {
    asked: &'a Asked<'a>,
    project: &'a ProjectId,
    location: Option<&'a LocationId>,
}

impl Rows for InLocation<'_> {
    async fn read(&self, after: Option<String>, limit: usize) -> Result<Slice, Refusal> {
        let InLocation {
            asked,
            project,
            location,
        } = *self;
        let mut after: Option<RepositoryPath> = after.as_deref().map(parsed_key).transpose()?;
        let mut rows = Vec::new();
        loop {
            let found = asked
                .registry
                .metadata()
                .repositories(Some(project), after.as_ref(), SCANNED)
                .await?;
            let is_last = found.len() < SCANNED;
            after = found.last().map(|repository| repository.path.clone());
            for repository in found {
                if location.is_some_and(|location| repository.path.location() != location) {
                    continue;
                }
                let document = repository_document::of(asked, &repository);
                rows.push((repository.path.to_string(), document));
                if rows.len() == limit {
                    return Ok(Slice::of_rows(rows, limit));
                }
            }
            if is_last {
                return Ok(Slice::of_rows(rows, limit));
            }
        }
    }
}

fn parsed_key(key: &str) -> Result<RepositoryPath, Refusal> {
    key.parse().map_err(|_| paging::bad_token())
}

async fn create(
    asked: &Asked<'_>,
    (project, location): (&ProjectId, &LocationId),
    body: &mut Arriving,
) -> Result<Answer, Refusal> {
    let resource = Resource::Project(project.clone());
    asked.authorise(Permission::CreateRepository, &resource).await?;
    let document = asked.document(body).await?;
    let id = asked.call.query.get("repositoryId").unwrap_or_default();
    let id = id
        .parse()
        .map_err(|error| Invalid::new("repositoryId", format!("{error}")))?;
    let path = RepositoryPath::new(project.clone(), location.clone(), id);
    check_format(&document)?;
    let mut repository = Repository::new(path.clone(), asked.registry.now());
    repository.mode = mode_document::read(&document)?;
    let mask = UpdateMask::of(&Default::default(), &document, &repository_document::SETTABLE)?;
    repository_document::change(&mut repository, &document, &mask)?;
    let (made, actor) = (repository.clone(), asked.actor());
    let created = asked.registry.change_repository(&path, async move |metadata| {
        metadata.create_repository(&made, &actor).await
    });
    created.await??;
    let document = repository_document::of(asked, &repository);
    Ok(operations::done(
        asked,
        &path,
        Gave::Resource("Repository", document),
    ))
}

/// Images are all that there is.
fn check_format(document: &Value) -> Result<(), Refusal> {
    match documents::choice(document, "format", &["FORMAT_UNSPECIFIED", "DOCKER"])? {
        0 => Err(Invalid::new("format", "it is needed: DOCKER").into()),
        _ => Ok(()),
    }
}

async fn patch(asked: &Asked<'_>, path: &RepositoryPath, body: &mut Arriving) -> Result<Answer, Refusal> {
    let document = asked.document(body).await?;
    let mask = UpdateMask::of(&asked.call.query, &document, &repository_document::SETTABLE)?;
    let mut repository = existing(asked, path).await?;
    repository_document::change(&mut repository, &document, &mask)?;
    repository.updated = asked.registry.now();
    let (changed, actor) = (repository.clone(), asked.actor());
    let updated = asked.registry.change_repository(path, async move |metadata| {
        metadata.update_repository(&changed, &actor).await
    });
    updated.await??;
    Ok(ok(&repository_document::of(asked, &repository)))
}

async fn delete(asked: &Asked<'_>, path: &RepositoryPath) -> Result<Answer, Refusal> {
    let (actor, now) = (asked.actor(), asked.registry.now());
    let gone = path.clone();
    let deleted = asked.registry.change_repository(path, async move |metadata| {
        metadata.delete_repository(&gone, &actor, now).await
    });
    deleted.await??;
    Ok(operations::done(asked, path, Gave::Nothing))
}

impl From<RepositoryRefusal> for Refusal {
    fn from(refusal: RepositoryRefusal) -> Refusal {
        match refusal {
            RepositoryRefusal::Exists { path } => Unfit::Exists {
                resource: path.to_string(),
            }
            .into(),
            RepositoryRefusal::Unknown { path } => Unfit::not_found(path),
            RepositoryRefusal::Settings { error, .. } => Invalid::new("repository", error.to_string()).into(),
        }
    }
}
