//! Administration: Artifact Registry's REST API, v1, and verbs of our own beside it where Google has none.
//!
//! [`routes`] says which resource a request is about; one file per family of resources asks whether the caller may,
//! does it on the `store` traits, and answers in Google's JSON. What Google has no word for stands under names that are
//! clearly ours: paths below `/lightship/v1`, fields that begin with `lightship`.
//!
//! Every write is done when it is answered, so operations are answered done.

mod actions;
mod paging;
mod routes;
mod status;

mod cleanup_document;
mod documents;
mod update_mask;

mod accounts;
mod docker_images;
mod iam;
mod image_facts;
mod jobs;
mod keys;
mod locations;
mod mode_document;
mod operations;
mod packages;
mod projects;
mod registry_wide;
pub mod reports;
mod repositories;
mod repository_document;
mod tags;
mod transitions;
mod versions;

use std::sync::{Mutex, PoisonError};

use access::Permission;
use hyper::{Method, StatusCode};
use serde_json::Value;
use store::{Actor, PackagePath, Resource};

use crate::answer::{self, Answer};
use crate::call::{Arriving, Call};
use crate::refusal::Refusal;
use crate::registry::Registry;
pub(crate) use actions::{action, reads};
pub(crate) use jobs::Jobs;
pub(crate) use routes::is_at;
use routes::{PolicyVerb, Target};
pub(crate) use status::{Unfit, refused};

use status::Invalid;

/// Longest body that is read: a policy, with what is around it.
const BODY_BYTES_MAX: usize = 2 << 20;

/// A request, as the families see it.
pub(crate) struct Asked<'a> {
    registry: &'a Registry,
    call: &'a Call<'a>,
    /// What was allowed last, to be asked again once the body has come.
    allowed: Mutex<Option<(Permission, Resource)>>,
}

/// Answers a request of administration.
pub(crate) async fn answer(
    registry: &Registry,
    call: &Call<'_>,
    mut body: Arriving,
) -> Result<Answer, Refusal> {
    let target = routes::target(call.path).ok_or(Refusal::PathUnknown)?;
    let asked = Asked {
        registry,
        call,
        allowed: Mutex::default(),
    };
    match &target {
        Target::ProjectSettings(project) => locations::settings(&asked, project).await,
        Target::Occurrences(project) => locations::occurrences(&asked, project).await,
        Target::Locations(project) => locations::list(&asked, project).await,
        Target::Location(project, location) => locations::get(&asked, project, location).await,
        Target::Operation(name) => operations::get(&asked, name),
        Target::Repositories(project, location) => {
            repositories::collection(&asked, (project, location.as_ref()), &mut body).await
        }
        Target::Repository(path) => repositories::one(&asked, path, &mut body).await,
        Target::Transition(path, verb) => transitions::one(&asked, (path, *verb), &mut body).await,
        Target::Policy(resource, verb) => iam::policy(&asked, resource, *verb, &mut body).await,
        Target::Packages(repository) => packages::list(&asked, repository).await,
        Target::Package(package) => packages::one(&asked, package).await,
        Target::Versions(package) => versions::list(&asked, package).await,
        Target::Version(package, digest) => versions::one(&asked, (package, digest)).await,
        Target::VersionsBatchDelete(package) => versions::batch_delete(&asked, package, &mut body).await,
        Target::Tags(package) => tags::collection(&asked, package, &mut body).await,
        Target::Tag(package, tag) => tags::one(&asked, (package, tag), &mut body).await,
        Target::DockerImages(repository) => docker_images::list(&asked, repository).await,
        Target::DockerImage(package, digest) => docker_images::get(&asked, (package, digest)).await,
        other => answer_own(&asked, other, &mut body).await,
    }
}

/// What Google has no word for.
async fn answer_own(asked: &Asked<'_>, target: &Target, body: &mut Arriving) -> Result<Answer, Refusal> {
    match target {
        Target::TagHistory(package, tag) => tags::history(asked, (package, tag)).await,
        Target::Registry => registry_wide::about(asked),
        Target::Policies => registry_wide::policies(asked).await,
        Target::Projects => projects::list(asked).await,
        Target::AllRepositories => repositories::visible(asked).await,
        Target::Project(project) => projects::one(asked, project, body).await,
        Target::Check => registry_wide::check(asked, body).await,
        Target::Names => registry_wide::name(asked),
        Target::Accounts => accounts::collection(asked, body).await,
        Target::Account(name) => accounts::one(asked, name, body).await,
        Target::AccountPassword(name) => accounts::set_password(asked, name, body).await,
        Target::Keys(account) => keys::collection(asked, account, body).await,
        Target::Key(account, id) => keys::one(asked, (account, id)).await,
        Target::Jobs => jobs::collection(asked, body).await,
        Target::Job(id) => jobs::one(asked, id).await,
        _ => Err(Refusal::PathUnknown),
    }
}

impl Asked<'_> {
    /// The body as a JSON object.
    async fn document(&self, body: &mut Arriving) -> Result<Value, Refusal> {
        let bytes = body
            .whole(BODY_BYTES_MAX)
            .await
            .map_err(|refusal| match refusal {
                Refusal::ManifestTooLarge { limit_bytes } => Unfit::BodyTooLarge { limit_bytes }.into(),
                other => other,
            })?;
        self.authorise_again().await?;
        if bytes.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let document: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Invalid::new("body", format!("it is no JSON: {error}")))?;
        if document.is_object() {
            Ok(document)
        } else {
            Err(Invalid::new("body", "it is no JSON object").into())
        }
    }

    /// Whether the caller has a permission on a resource.
    async fn may(&self, permission: Permission, resource: &Resource) -> Result<bool, Refusal> {
        self.registry.may(self.call, permission, resource).await
    }

    /// # Errors
    /// When the caller has not got the permission on the resource.
    async fn authorise(&self, permission: Permission, resource: &Resource) -> Result<(), Refusal> {
        self.registry.authorise(self.call, permission, resource).await?;
        *self.allowed.lock().unwrap_or_else(PoisonError::into_inner) = Some((permission, resource.clone()));
        Ok(())
    }

    /// What was allowed when the request began may be so no longer when its body has come.
    async fn authorise_again(&self) -> Result<(), Refusal> {
        let allowed = self
            .allowed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match &allowed {
            Some((permission, resource)) => {
                self.registry
                    .authorise_again(self.call, *permission, resource)
                    .await
            }
            None => Ok(()),
        }
    }

    fn actor(&self) -> Actor {
        self.call.caller.actor()
    }

    fn method(&self) -> &Method {
        self.call.method
    }

    /// The package is there: it has a manifest.
    async fn require_package(&self, package: &PackagePath) -> Result<(), Refusal> {
        match self.registry.metadata().package(package).await? {
            Some(_) => Ok(()),
            None => Err(Unfit::not_found(routes::package_name(package))),
        }
    }
}

/// A page token that the store has not given.
pub(crate) fn bad_page_token() -> Refusal {
    paging::bad_token()
}

fn ok(document: &Value) -> Answer {
    answer::json(StatusCode::OK, document)
}

/// What is answered when nothing is left to tell.
fn nothing() -> Answer {
    ok(&Value::Object(serde_json::Map::new()))
}
