//! Who may do what: policies of the side that is left, in Google's JSON, as roles of ours.
//!
//! Rules, from the move that Google made for its own registry:
//!
//! - What lets somebody read objects or list them makes a reader, what lets create them a writer, what lets delete them
//!   an administrator of the repository. One role for each member: the smallest that has all of it.
//! - `deleted:` members are dropped. Convenience members (`projectViewer:P`) become the members whom the policy of P has
//!   in that role, and get no more than the role's name says.
//! - What cannot be said here is never left out in silence: conditions, deny rules and unknown roles are [refused](Refusals)
//!   by name; members that cannot be carried, and what changes for those who are, are [listed](Listed).
//!
//! Nobody gets more than they had and nobody loses anything but what is listed; a property test holds this.
//!
//! ```
//! use migrate::iam::{Convenience, PolicyFile, Request, translate};
//!
//! let policy = r#"{"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}"#;
//! let mut request = Request::new(Convenience::Expand);
//! request.policies.push(PolicyFile {
//!     name: "artifacts.shop.appspot.com".to_owned(),
//!     scope: None,
//!     document: serde_json::from_str(policy)?,
//! });
//! let found = translate(&request)?;
//! assert_eq!(found[0].repository.to_string(), "projects/shop/locations/us/repositories/gcr.io");
//! assert_eq!(found[0].grants[0].role, access::Role::Reader);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod repository;

mod powers;
mod roles;

mod document;
mod named;
mod refusal;

mod gathered;
mod translate;

mod difference;
mod review;

pub use difference::{Difference, Held, Holder, difference, merged};
pub use document::POLICY_FILE_BYTES_MAX;
pub use powers::Powers;
pub use refusal::{Refusal, Refusals};
pub use repository::{Repository, RepositoryError};
pub use review::{ReviewError, review_file, reviewed};
pub use translate::{Access, Convenience, Grant, Listed, ListedKind, PolicyFile, Request, translate};

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
