//! Every image of a repository in transition, several at a time.

use std::future::Future;
use std::sync::Arc;

use store::{Image, PackagePath, RepositoryPath, StoreError, Transition, Walk};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use super::Moving;
use crate::registry::Registry;

/// Images that are worked on at a time: each asks the old side.
const AT_ONCE: usize = 8;

/// Images that are read from the store at a time.
const PAGE: usize = 256;

/// Does `work` for every image, and tells `done` what came of each: an error when a fault of the program ended it. Images whose names
/// the old side cannot have are passed over.
///
/// # Errors
/// When the store fails.
pub(super) async fn each_image<T, F>(
    registry: &Registry,
    (path, transition): (&RepositoryPath, &Transition),
    work: impl Fn(Registry, Moving, Image) -> F,
    mut done: impl FnMut(Result<T, JoinError>),
) -> Result<(), StoreError>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let transition = Arc::new(transition.clone());
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut from = None;
    loop {
        let walk = Walk {
            from: from.as_ref(),
            limit: PAGE,
        };
        let page = registry.metadata().images(path, walk).await?;
        let mut tasks = JoinSet::new();
        for image in page.items {
            let package = PackagePath {
                repository: path.clone(),
                name: image.package.clone(),
            };
            let name = image.package.to_string();
            let Some(moving) = Moving::of(&transition, package, &name) else {
                continue;
            };
            let (work, permits) = (work(registry.clone(), moving, image), Arc::clone(&permits));
            tasks.spawn(async move {
                let _permit = permits.acquire_owned().await;
                work.await
            });
        }
        while let Some(ended) = tasks.join_next().await {
            done(ended);
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}
