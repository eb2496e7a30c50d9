//! Who may do what. Every operation asks here, and nowhere else.
//!
//! Without any account the registry is *open*: everybody reads, and writing is for those who are on this very machine.
//! As soon as there is an account or an issuer it is *closed*: policies decide, and whether somebody is on this machine
//! is no matter any more.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use access::{Actions, Identity, Level, Permission, Principal, Role, decide};
use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};
use store::{Actor, PackagePath, ProjectId, RepositoryPath, Resource};

use crate::access_memory::Generation;
use crate::authentication::{Known, Reach};
use crate::call::Call;
use crate::host_routes::{Place, without_port};
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::transition::Introduced;

/// Who may write without a credential while there are no accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Those who connect from this machine, to a name of this machine, and not through a proxy or from a web page: each
    /// of these also reaches loopback, on behalf of somebody who is elsewhere.
    ThisMachine,
    /// Everybody who reaches the server.
    Anybody,
}

/// Who asks, and how far what they showed reaches.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Whether they are on this machine.
    pub(crate) is_local: bool,
    /// What is known of accounts and policies; none where nobody needs to know.
    pub(crate) memory: Option<Arc<Generation>>,
    /// Whose the credential is that was shown; none when none was shown.
    pub(crate) known: Option<Arc<Known>>,
    /// What old registries said of them, where they ask for a token.
    pub(crate) introduced: Option<Arc<Introduced>>,
}

/// What something is to be done with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On<'o> {
    /// The whole registry: accounts, maintenance.
    Registry,
    /// A project.
    Project(&'o ProjectId),
    /// A repository.
    Repository(&'o RepositoryPath),
    /// The list of all packages of a repository.
    Catalog(&'o RepositoryPath),
    /// A package. Policies stand on its repository, tokens may be for it alone.
    Package(&'o PackagePath),
}

impl<'o> From<&'o PackagePath> for On<'o> {
    fn from(package: &'o PackagePath) -> On<'o> {
        On::Package(package)
    }
}

impl<'o> From<&'o Resource> for On<'o> {
    fn from(resource: &'o Resource) -> On<'o> {
        match resource {
            Resource::Registry => On::Registry,
            Resource::Project(project) => On::Project(project),
            Resource::Repository(repository) => On::Repository(repository),
        }
    }
}

impl<'o> From<&'o Place> for On<'o> {
    fn from(place: &'o Place) -> On<'o> {
        match place {
            Place::Package(package) => On::Package(package),
            Place::Repository(repository) => On::Repository(repository),
        }
    }
}

impl Caller {
    /// Somebody of whom nothing is asked.
    pub(crate) fn nobody() -> Caller {
        Caller {
            is_local: false,
            memory: None,
            known: None,
            introduced: None,
        }
    }

    pub(crate) fn principal(&self) -> Principal {
        self.known
            .as_ref()
            .map_or_else(Principal::anonymous, |known| known.principal.clone())
    }

    /// As events and audit logs name them.
    pub(crate) fn actor(&self) -> Actor {
        Actor(self.principal().to_string())
    }

    /// The same for logs of requests, which see many of nobody.
    pub(crate) fn name(&self) -> Cow<'static, str> {
        match &self.known {
            Some(known) => known.principal.to_string().into(),
            None => "allUsers".into(),
        }
    }

    /// Whether a credential has to be shown first, even where everybody may read: this decides whether clients ever
    /// show one.
    pub(crate) fn must_authenticate(&self) -> bool {
        self.is_closed() && self.known.is_none()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.memory.is_some()
    }

    pub(crate) fn is_authenticated(&self) -> bool {
        self.known
            .as_ref()
            .is_some_and(|known| known.principal.is_authenticated())
    }

    fn is_registry(&self) -> bool {
        self.known
            .as_ref()
            .is_some_and(|known| *known.principal.identity() == Identity::Registry)
    }
}

impl Registry {
    /// # Errors
    /// [`Refusal::Unauthenticated`] for those who showed nothing, [`Refusal::Forbidden`] for those who may not,
    /// [`Refusal::Denied`] where there are no accounts.
    pub(crate) async fn authorise<'o>(
        &self,
        call: &Call<'_>,
        permission: Permission,
        on: impl Into<On<'o>>,
    ) -> Result<(), Refusal> {
        self.authorise_caller(&call.caller, permission, on.into()).await
    }

    /// Once more, as things are now: to be asked before a write whose body took its time. Who was refused meanwhile
    /// must not go on with what they began before.
    pub(crate) async fn authorise_again<'o>(
        &self,
        call: &Call<'_>,
        permission: Permission,
        on: impl Into<On<'o>>,
    ) -> Result<(), Refusal> {
        let caller = self.caller(call).await?;
        self.authorise_caller(&caller, permission, on.into()).await
    }

    async fn authorise_caller(
        &self,
        caller: &Caller,
        permission: Permission,
        on: On<'_>,
    ) -> Result<(), Refusal> {
        if caller.memory.is_none() || caller.is_registry() {
            return self.authorise_open(caller, permission);
        }
        if !self.policies_allow(caller, permission, on).await? {
            return Err(self.denied(caller, permission, on).await?);
        }
        if !caller.reaches(permission, on) {
            return Err(Refusal::unauthenticated(
                permission,
                on,
                Some("insufficient_scope"),
            ));
        }
        Ok(())
    }

    /// The same as a question.
    pub(crate) async fn may<'o>(
        &self,
        call: &Call<'_>,
        permission: Permission,
        on: impl Into<On<'o>>,
    ) -> Result<bool, Refusal> {
        let (caller, on) = (&call.caller, on.into());
        if caller.memory.is_none() || caller.is_registry() {
            return Ok(self.authorise_open(caller, permission).is_ok());
        }
        Ok(caller.reaches(permission, on) && self.policies_allow(caller, permission, on).await?)
    }

    /// Whether the policies allow it, whatever a token is for.
    pub(crate) async fn policies_allow(
        &self,
        caller: &Caller,
        permission: Permission,
        on: On<'_>,
    ) -> Result<bool, Refusal> {
        let Some(memory) = &caller.memory else {
            return Ok(self.authorise_open(caller, permission).is_ok());
        };
        let anonymous = Principal::anonymous();
        let principal = caller.known.as_ref().map_or(&anonymous, |known| &known.principal);
        for resource in on.resource().chain() {
            let policy = memory.policy(self.metadata(), &resource).await?;
            let level = Level {
                name: "",
                policy: &policy,
            };
            if decide(principal, permission, &[level]).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn denied(&self, caller: &Caller, permission: Permission, on: On<'_>) -> Result<Refusal, Refusal> {
        if !caller.is_authenticated() {
            let problem = caller.known.as_ref().map(|_| "insufficient_scope");
            return Ok(Refusal::unauthenticated(permission, on, problem));
        }
        let lists = match on {
            On::Registry => Permission::ListAccounts,
            On::Project(_) => Permission::ListRepositories,
            On::Repository(_) | On::Catalog(_) | On::Package(_) => Permission::ListPackages,
        };
        Ok(Refusal::Forbidden {
            permission,
            resource: on.to_string(),
            is_listed: self.policies_allow(caller, lists, on).await?,
        })
    }

    /// Where there are no accounts; and for the registry itself, which may everything.
    fn authorise_open(&self, caller: &Caller, permission: Permission) -> Result<(), Refusal> {
        let needs_accounts = matches!(
            permission,
            Permission::ManageAccounts
                | Permission::ListAccounts
                | Permission::SetIamPolicy
                | Permission::SetProjectPolicy
        );
        // A backup holds what signs tokens: it is nobody's from elsewhere, whatever else is open.
        let is_for_this_machine = permission == Permission::Maintain;
        let writes = self.options().writes;
        match caller.is_registry() {
            true => Ok(()),
            false if needs_accounts => Err(Refusal::NoAccounts),
            false if Role::Reader.allows(permission) || caller.is_local => Ok(()),
            false if writes == Writes::Anybody && !is_for_this_machine => Ok(()),
            false => Err(Refusal::Denied),
        }
    }
}

impl Caller {
    /// Whether what was shown is for this too.
    pub(crate) fn reaches(&self, permission: Permission, on: On<'_>) -> bool {
        let Some(known) = &self.known else {
            return true;
        };
        let granted = match &known.reach {
            Reach::Everything => return true,
            Reach::Only(granted) => granted,
        };
        let needed = needed(permission);
        if needed.is_empty() {
            return false;
        }
        match on {
            On::Registry | On::Project(_) => false,
            On::Catalog(_) => granted.catalog,
            On::Repository(path) => granted.allows(
                needed,
                |place| matches!(place, Place::Repository(own) if own == path),
            ),
            On::Package(package) => granted.allows(
                needed,
                |place| matches!(place, Place::Package(own) if own == package),
            ),
        }
    }
}

/// The action of a token that a permission needs; none where only one for everything will do.
pub(crate) fn needed(permission: Permission) -> Actions {
    let reads = Role::Reader.allows(permission);
    let writes = Role::CreateOnPushWriter.allows(permission);
    let removes = Role::RepositoryAdministrator.allows(permission);
    Actions {
        pull: reads,
        push: writes && !reads,
        delete: removes && !writes,
    }
}

impl On<'_> {
    fn resource(&self) -> Resource {
        match self {
            Self::Registry => Resource::Registry,
            Self::Project(project) => Resource::Project((*project).clone()),
            Self::Repository(path) | Self::Catalog(path) => Resource::Repository((*path).clone()),
            Self::Package(package) => Resource::Repository(package.repository.clone()),
        }
    }
}

/// The resource whose policy decides.
impl std::fmt::Display for On<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.resource().fmt(formatter)
    }
}

/// Whether somebody is on this machine, and there on nobody else's behalf.
pub(crate) fn is_local(peer: SocketAddr, authority: &str, headers: &HeaderMap) -> bool {
    let forwarded = headers.keys().any(|name| {
        let name = name.as_str();
        BEHALF.contains(&name) || name.starts_with("x-forwarded-")
    });
    // A request may name its host in two places. Which of them counts is another question; here both do.
    let mut hosts = headers.get_all(HOST).iter();
    let is_named_so = hosts.all(|host| {
        host.to_str()
            .is_ok_and(|host| is_loopback_name(without_port(host)))
    });
    peer.ip().to_canonical().is_loopback()
        && is_loopback_name(without_port(authority))
        && is_named_so
        && !forwarded
        && !headers.contains_key(ORIGIN)
}

/// Headers of proxies beside `x-forwarded-…`, and one of web browsers: whose request it is is somewhere else.
const BEHALF: [&str; 8] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "sec-fetch-site",
];

fn is_loopback_name(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(peer: &str, host: &str, header: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(name) = header {
            headers.insert(name, "x".parse().unwrap());
        }
        is_local(peer.parse().unwrap(), host, &headers)
    }

    #[test]
    fn only_this_machine_itself_is_local() {
        for (peer, host) in [
            ("127.0.0.1:9", "127.0.0.1:5000"),
            ("127.0.0.9:9", "localhost"),
            ("[::1]:9", "[::1]:5000"),
            ("[::ffff:127.0.0.1]:9", "LOCALHOST:5000"),
        ] {
            assert!(local(peer, host, None), "{peer} {host}");
        }
        for (peer, host, header) in [
            ("10.0.0.1:9", "localhost", None),
            ("127.0.0.1:9", "registry.example", None),
            ("127.0.0.1:9", "localhost.example:5000", None),
            ("127.0.0.1:9", "localhost", Some("x-forwarded-for")),
            ("127.0.0.1:9", "localhost", Some("forwarded")),
            ("127.0.0.1:9", "localhost", Some("origin")),
            ("127.0.0.1:9", "localhost", Some("sec-fetch-site")),
            ("127.0.0.1:9", "localhost", Some("true-client-ip")),
            // Of the name `x`, while the request's address says another.
            ("127.0.0.1:9", "localhost", Some("host")),
        ] {
            assert!(!local(peer, host, header), "{peer} {host} {header:?}");
        }
    }

    #[test]
    fn every_permission_on_content_needs_one_action_and_every_other_a_token_for_everything() {
        let shown = |permission| needed(permission).to_string();
        assert_eq!(shown(Permission::DownloadArtifacts), "pull");
        assert_eq!(shown(Permission::ListTags), "pull");
        for permission in [
            Permission::UploadArtifacts,
            Permission::UpdateTag,
            Permission::CreateRepositoryOnPush,
        ] {
            assert_eq!(shown(permission), "push");
        }
        for permission in [Permission::DeleteArtifacts, Permission::DeleteTag] {
            assert_eq!(shown(permission), "delete");
        }
        for permission in [
            Permission::SetIamPolicy,
            Permission::ManageAccounts,
            Permission::CreateRepository,
        ] {
            assert_eq!(shown(permission), "");
        }
    }
}
