//! Who somebody is, and what they may do: values and decisions, without I/O, clock or randomness.
//!
//! A [`Policy`] binds [`Member`]s to [`Role`]s on a resource; a role is a set of [`Permission`]s. Policies are inherited
//! downwards (registry → project → repository) and only ever add, so a [`decide`] is a search for one binding that
//! allows, and can say which.
//!
//! ```
//! use access::{Level, Permission, Policy, Principal, decide};
//!
//! let policy: Policy = r#"{"bindings":[{"role":"roles/artifactregistry.reader","members":["allUsers"]}]}"#.parse()?;
//! let chain = [Level { name: "projects/p", policy: &policy }];
//! let pull = decide(&Principal::anonymous(), Permission::DownloadArtifacts, &chain);
//! assert_eq!(pull.unwrap().level, "projects/p");
//! assert!(decide(&Principal::anonymous(), Permission::UploadArtifacts, &chain).is_none());
//! # Ok::<(), access::PolicyError>(())
//! ```
//!
//! The names are those of Google Cloud's IAM, so that its tools read and write our policies.

mod member;
mod permission;
mod role;

mod policy;
mod principal;

mod decision;

pub use decision::{Level, Reason, decide};
pub use member::{MEMBER_BYTES_MAX, Member, MemberError};
pub use permission::{Permission, PermissionError};
pub use policy::{BINDINGS_MAX, Binding, MEMBERS_MAX, POLICY_BYTES_MAX, Policy, PolicyError};
pub use principal::{Identity, Principal};
pub use role::{Role, RoleError};
