//! Who somebody is, and what they may do: values, decisions and proofs, without I/O, clock or randomness.
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
//! A [`Credential`] is what a request shows. What proves it is here as well: [`verify_password`], [`KeyFile::proves`],
//! [`TokenKey::verify`] for our own tokens, [`identify`] for those of other issuers.
//!
//! The names are those of Google Cloud's IAM, so that its tools read and write our policies.

mod member;
mod permission;
mod role;

mod policy;
mod principal;

mod decision;

mod authorization;
mod fingerprint;
mod password;
mod scope;
mod seal;
mod token;

mod identity_token;
mod key_proof;
mod new_key;
mod pem;
mod public_key;

pub use authorization::{AUTHORIZATION_BYTES_MAX, AuthorizationError, Credential};
pub use decision::{Level, Reason, decide};
pub use fingerprint::{FINGERPRINT_KEY_BYTES, Fingerprint, FingerprintKey};
pub use identity_token::{
    CLOCK_LEEWAY_SECONDS, IDENTITY_TOKEN_BYTES_MAX, ISSUER_KEYS_BYTES_MAX, ISSUER_KEYS_MAX, Identified,
    IdentityError, IssuerKeys, IssuerKeysError, IssuerRules, TOKEN_GROUPS_MAX, claimed_issuer, identify,
};
pub use key_proof::{KEY_FILE_BYTES_MAX, KEY_FILE_NAME_BYTES_MAX, KeyFile, KeyFileError, NONCE_BYTES};
pub use member::{MEMBER_BYTES_MAX, Member, MemberError};
pub use new_key::{KEY_SEED_BYTES, NewKeyFile, new_key_file};
pub use password::{
    HashingMemory, MEMORY_KIB_MAX, PASSES_MAX, PASSWORD_BYTES_MAX, PasswordError, SALT_BYTES, hash_password,
    verify_password,
};
pub use permission::{Permission, PermissionError};
pub use policy::{BINDINGS_MAX, Binding, MEMBERS_MAX, POLICY_BYTES_MAX, Policy, PolicyError};
pub use principal::{Identity, Principal};
pub use public_key::{ImportedKey, KEY_TEXT_BYTES_MAX, PublicKey, PublicKeyError};
pub use role::{Role, RoleError};
pub use scope::{Actions, EVERYTHING, SCOPE_BYTES_MAX, SCOPES_MAX, Scope, ScopeError};
pub use seal::{SEAL_NONCE_BYTES, SEALED_BYTES_MAX, SealingKey};
pub use token::{
    Claims, Grant, Grants, Relayed, TOKEN_BYTES_MAX, TOKEN_SECRET_BYTES, TokenError, TokenKey, TokenKind,
};
