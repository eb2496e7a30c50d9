//! Virtual repositories: which member a package is of.
//!
//! A package is of one member, by its name: of the first one that has it or owns it by a pattern. No other is asked for
//! anything of that name, by tag or by digest, so that nobody can put something beside what a member with a greater priority
//! has. Where it cannot be found out whether that member has it, nobody answers.

use std::pin::Pin;
use std::sync::Arc;

use store::{Mode, PackagePath, Remote, TransitionState, VIRTUAL_DEPTH_MAX, Virtual};

use super::Source;
use super::memory::Said;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::upstream::Trouble;

/// In the memory of answers: of the package itself.
const ITSELF: &str = "";

type Sought<'s> = Pin<Box<dyn Future<Output = Result<Option<Source>, Refusal>> + Send + 's>>;

impl Registry {
    /// Where the content of a package is: there, unless its repository stands for others.
    pub(crate) async fn source_of(&self, package: &PackagePath) -> Result<Option<Source>, Refusal> {
        let mode = self.mode_of(&package.repository).await?;
        self.source_in(package.clone(), mode, 0).await
    }

    fn source_in(&self, package: PackagePath, mode: Arc<Mode>, depth: usize) -> Sought<'_> {
        Box::pin(async move {
            match &*mode {
                Mode::Virtual(settings) if depth < VIRTUAL_DEPTH_MAX => {
                    self.source_among(settings, &package, depth + 1).await
                }
                // The store refuses such a one.
                Mode::Virtual(_) => Ok(None),
                Mode::Standard | Mode::Remote(_) => Ok(Some(Source { package, mode })),
            }
        })
    }

    async fn source_among(
        &self,
        settings: &Virtual,
        package: &PackagePath,
        depth: usize,
    ) -> Result<Option<Source>, Refusal> {
        for member in settings.in_order() {
            let within = PackagePath {
                repository: member.repository.clone(),
                name: package.name.clone(),
            };
            let mode = self.mode_of(&within.repository).await?;
            self.refuse_moving_member(&within).await?;
            let has = match &*mode {
                _ if member.owns(&package.name) => true,
                Mode::Standard => self.has_package(&within).await?,
                Mode::Remote(remote) => self.has_package_there(remote, &within).await?,
                Mode::Virtual(_) => match self.source_in(within, mode, depth).await? {
                    Some(source) => return Ok(Some(source)),
                    None => continue,
                },
            };
            if has {
                return self.source_in(within, mode, depth).await;
            }
        }
        Ok(None)
    }

    /// Refuses a package of a member whose content is still another registry's word: what is here of it may be stale, and what is
    /// not here yet must not be had from a member with a lower priority.
    async fn refuse_moving_member(&self, package: &PackagePath) -> Result<(), Refusal> {
        let all = self.transitions().await?;
        let Some(transition) = all.get(&package.repository) else {
            return Ok(());
        };
        let old = Remote::new(transition.old.clone());
        let is_here = match transition.state {
            TransitionState::Enabled => true,
            TransitionState::EnabledAndCopying if self.has_package(package).await? => true,
            // One that it has on neither side is another member's.
            _ => !self.has_package_there(&old, package).await?,
        };
        match is_here {
            true => Ok(()),
            false => Err(Refusal::Upstream(Trouble::MemberMoves {
                member: package.repository.to_string(),
            })),
        }
    }

    async fn has_package(&self, package: &PackagePath) -> Result<bool, Refusal> {
        Ok(self.metadata().tags(package, None, 1).await?.is_some())
    }

    async fn has_package_there(&self, remote: &Remote, package: &PackagePath) -> Result<bool, Refusal> {
        if self.has_package(package).await? {
            return Ok(true);
        }
        let memory = self.memory();
        match memory.said(package, ITSELF, (remote.fresh, self.now())) {
            Said::There => return Ok(true),
            Said::Absent => return Ok(false),
            Said::Nothing => {}
        }
        let has = self.has_upstream_package(&remote.upstream, package).await?;
        match has {
            true => memory.is_there(package, ITSELF, self.now()),
            false => memory.is_absent(package, ITSELF, self.now()),
        }
        Ok(has)
    }
}
