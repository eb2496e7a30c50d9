//! Why a request is refused, and how that is told: the one table of statuses and codes.
//!
//! Spec: distribution-spec "Error Codes".

use access::{Actions, AuthorizationError, IdentityError, KeyFileError, Permission, TokenError};
use hyper::StatusCode;
use oci::{Digest, DigestError, ManifestError, MediaType, Tag};
use store::{PutRefusal, StoreError};

use crate::access::{On, needed};
use crate::administration::{self, Unfit};
use crate::routes::RouteError;
use crate::upstream::Trouble;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is nothing at this path")]
    PathUnknown,
    #[error("{method} is not possible here")]
    Method { method: String, allow: &'static str },
    #[error("this name is not the name of a repository here")]
    Name,
    #[error("repository name not known to registry")]
    NameUnknown,
    #[error("this repository is not there, and a push does not make it; ask the registry's operator for it")]
    RepositoryUnknown,
    #[error("the reference is neither a tag nor a digest")]
    Reference,
    #[error("the digest is malformed")]
    Digest(#[source] DigestError),
    #[error("a digest is needed, as `?digest=sha256:…`")]
    DigestMissing,
    #[error("the digest algorithm is not known: use sha256 or sha512")]
    AlgorithmUnknown,
    #[error("the content's digest is {actual}, not {expected}")]
    DigestDiffers { expected: Digest, actual: Digest },
    #[error("blob unknown to this repository")]
    BlobUnknown,
    #[error("upload unknown to this repository")]
    UploadUnknown,
    #[error("somebody else writes to this upload at this moment")]
    UploadBusy,
    #[error("the upload has {length} bytes; the chunk has to begin there")]
    ChunkOrder { length: u64, location: String },
    #[error("the chunk's range is malformed")]
    ChunkRange,
    #[error("the chunk has another length than its range says")]
    ChunkLength,
    #[error("the range is not satisfiable")]
    Range { size: u64 },
    #[error("a blob has at most {limit_bytes} bytes here")]
    BlobTooLarge { limit_bytes: u64 },
    #[error("the quota of the repository or its project, {quota_bytes} bytes, would be exceeded")]
    Quota { quota_bytes: u64 },
    #[error("a manifest has at most {limit_bytes} bytes")]
    ManifestTooLarge { limit_bytes: usize },
    #[error("manifest unknown to this repository")]
    ManifestUnknown,
    // The words of the next four are Google's: tools look for parts of them.
    #[error("Manifest with {reference} has media type '{media_type}', but client accepts '{accepted}'.")]
    ManifestNotAccepted {
        reference: String,
        media_type: MediaType,
        accepted: String,
    },
    #[error("Manifest is still referenced by tag: {tag}")]
    DanglingTag { tag: Tag },
    #[error("Manifest is still referenced by parent image: {parent}")]
    DanglingParent { parent: Digest },
    #[error("Manifest is still referenced by referring manifest: {referrer}")]
    DanglingReferrer { referrer: Digest },
    #[error(
        "blobs do not come in chunks here: send one in a single PATCH without `Content-Range`, or with the PUT"
    )]
    Chunked,
    #[error("{0}")]
    Manifest(ManifestError),
    #[error("the media type of the manifest is malformed")]
    ManifestType,
    #[error("a manifest names blob {digest}, which is unknown to this repository")]
    ManifestBlob { digest: Digest },
    #[error("an index names manifest {digest}, which is unknown to this repository")]
    ManifestChild { digest: Digest },
    #[error("tag {tag} is immutable and names something else")]
    TagImmutable { tag: Tag },
    #[error("a tag is malformed")]
    Tag,
    #[error("one push sets at most {limit} tags")]
    TooManyTags { limit: usize },
    #[error("a request names exactly one host")]
    Host,
    #[error("`n` is not a number of entries")]
    Page,
    #[error(
        "writing without a credential is only for clients on the registry's own machine, by a loopback name and without a proxy; \
         the operator can allow it with --anonymous-writes"
    )]
    Denied,
    #[error(
        "there are no accounts yet; make the first administrator with `lightship account create NAME --admin --data DIR` while \
         the server is stopped"
    )]
    NoAccounts,
    #[error("authentication required")]
    Unauthenticated {
        needs: Needs,
        problem: Option<&'static str>,
    },
    #[error("{0}")]
    Credential(WrongCredential),
    #[error("user name or password is wrong")]
    LoginFailed { account: String },
    #[error("too many failed log-ins; try again in {after_seconds} s")]
    LoginSlowed { after_seconds: u64 },
    #[error("too many requests; try again in {after_seconds} s")]
    TooManyRequests { after_seconds: u64 },
    #[error("the token is for {audience}, not for this host")]
    TokenAudience { audience: String },
    #[error("the account or a key of it has changed since the token was given out; log in again")]
    AccountChanged,
    #[error(
        "the issuer cannot be asked about the token now; the registry's operator finds the reason in its log"
    )]
    Issuer(#[source] IssuerTrouble),
    #[error("permission {permission} denied on {resource}{}", if *.is_listed { "" } else { " (or it may not exist)" })]
    Forbidden {
        permission: Permission,
        resource: String,
        is_listed: bool,
    },
    #[error("{0}")]
    TokenRequest(&'static str),
    #[error("the request's body broke off")]
    Body,
    #[error("the request's body did not arrive in time")]
    BodyTime,
    #[error("the registry has no room left; what is stored can still be pulled")]
    Full,
    #[error("{repository} takes no pushes: {kind}")]
    NoPushes { repository: String, kind: String },
    #[error("{0}")]
    Upstream(Trouble),
    #[error("{0}")]
    Administration(Unfit),
    #[error("the old registry that answers for this repository cannot be reached now")]
    OldSide,
    #[error(
        "an old registry answers for this repository, and this server has no way to it; its operator finds the reason in its log"
    )]
    OldSideUnknown,
    #[error(
        "the old registry that answers for this repository asks for credentials, and this one for none: nothing can be passed on \
         before this registry has accounts"
    )]
    OldSideAsks,
    #[error(
        "what was pushed or deleted here since this side owns the tags counts, and is not undone by a copy"
    )]
    ThisSideCounts,
    #[error("this side has it, and the old registry does not, which pushes go to as well: {reason}")]
    OldSideLacks { reason: String },
    #[error("the registry is busy; try again in a moment")]
    Busy,
    #[error("the registry failed; its operator finds the reason in its log")]
    Store(#[source] StoreError),
}

/// What a token has to be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing but to be one.
    Token,
    /// Actions on what the request names.
    Actions(Actions),
    /// The list of repositories.
    Catalog,
    /// Everything.
    Everything,
}

/// What is wrong with what was shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrongCredential {
    #[error("{0}")]
    Header(AuthorizationError),
    #[error("{0}")]
    KeyFile(KeyFileError),
    #[error("{0}")]
    Token(TokenError),
    #[error("{0}")]
    Identity(IdentityError),
    #[error("this is an identity token of {issuer:?}, which is no issuer that is trusted here")]
    IssuerUnknown { issuer: String },
    #[error(
        "this is an opaque access token, which only its issuer can read: no issuer with an introspection or tokeninfo \
         endpoint is configured here that it could be of"
    )]
    Opaque,
    #[error("the issuer says that the token is not valid")]
    Inactive,
}

/// Why an issuer could not be asked. For the operator.
#[derive(Debug, thiserror::Error)]
#[error("the issuer {issuer} cannot be asked: {reason}")]
pub(crate) struct IssuerTrouble {
    pub(crate) issuer: String,
    pub(crate) reason: String,
}

/// How a refusal is told.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
}

impl Refusal {
    /// What a token for this operation has to be for.
    pub(crate) fn unauthenticated(
        permission: Permission,
        on: On<'_>,
        problem: Option<&'static str>,
    ) -> Refusal {
        let needs = match (on, needed(permission)) {
            (On::Catalog(_), _) => Needs::Catalog,
            (On::Registry | On::Project(_), _) => Needs::Everything,
            (_, actions) if actions.is_empty() => Needs::Everything,
            // Whoever writes also looks at what is there.
            (_, actions) => Needs::Actions(Actions {
                pull: true,
                ..actions
            }),
        };
        Refusal::Unauthenticated { needs, problem }
    }

    pub(crate) fn wrong_credential(error: AuthorizationError) -> Refusal {
        Refusal::Credential(WrongCredential::Header(error))
    }

    pub(crate) fn key_file(error: KeyFileError) -> Refusal {
        Refusal::Credential(WrongCredential::KeyFile(error))
    }

    pub(crate) fn token(error: TokenError) -> Refusal {
        Refusal::Credential(WrongCredential::Token(error))
    }

    /// What a challenge says of it: what is needed and, where something was shown, what is wrong with that.
    pub(crate) fn challenge(&self) -> Option<(Needs, Option<&'static str>)> {
        match self {
            Self::Unauthenticated { needs, problem } => Some((*needs, *problem)),
            Self::Credential(_)
            | Self::LoginFailed { .. }
            | Self::TokenAudience { .. }
            | Self::AccountChanged => Some((Needs::Token, Some("invalid_token"))),
            _ => None,
        }
    }

    pub(crate) fn told(&self) -> Told {
        let (status, code) = match self {
            Self::PathUnknown => (StatusCode::NOT_FOUND, "UNSUPPORTED"),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            Self::Name => (StatusCode::BAD_REQUEST, "NAME_INVALID"),
            Self::NameUnknown | Self::RepositoryUnknown => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
            Self::Reference | Self::ManifestType | Self::Manifest(_) => {
                (StatusCode::BAD_REQUEST, "MANIFEST_INVALID")
            }
            Self::Digest(_) | Self::DigestMissing | Self::AlgorithmUnknown | Self::DigestDiffers { .. } => {
                (StatusCode::BAD_REQUEST, "DIGEST_INVALID")
            }
            Self::BlobUnknown => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
            Self::UploadUnknown => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            Self::UploadBusy => (StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID"),
            Self::ChunkOrder { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
            Self::ChunkRange => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            Self::ChunkLength | Self::Body => (StatusCode::BAD_REQUEST, "SIZE_INVALID"),
            Self::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID"),
            Self::BlobTooLarge { .. } | Self::ManifestTooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID")
            }
            Self::Quota { .. }
            | Self::Denied
            | Self::NoAccounts
            | Self::OldSideAsks
            | Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "DENIED"),
            Self::Unauthenticated { .. }
            | Self::Credential(_)
            | Self::LoginFailed { .. }
            | Self::TokenAudience { .. }
            | Self::AccountChanged => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
            Self::LoginSlowed { .. } | Self::TooManyRequests { .. } | Self::Busy => {
                (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS")
            }
            Self::Issuer(_) | Self::OldSide | Self::OldSideUnknown | Self::OldSideLacks { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
            }
            Self::ThisSideCounts => (StatusCode::CONFLICT, "DENIED"),
            Self::TokenRequest(_) | Self::Host | Self::Chunked => (StatusCode::BAD_REQUEST, "UNSUPPORTED"),
            Self::ManifestUnknown | Self::ManifestNotAccepted { .. } => {
                (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN")
            }
            Self::ManifestBlob { .. } | Self::ManifestChild { .. } => {
                (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN")
            }
            Self::TooManyTags { .. } => (StatusCode::URI_TOO_LONG, "TAG_INVALID"),
            Self::DanglingTag { .. } => (StatusCode::BAD_REQUEST, "GOOGLE_MANIFEST_DANGLING_TAG"),
            Self::DanglingParent { .. } | Self::DanglingReferrer { .. } => {
                (StatusCode::BAD_REQUEST, "GOOGLE_MANIFEST_DANGLING_PARENT_IMAGE")
            }
            Self::Tag | Self::TagImmutable { .. } => (StatusCode::BAD_REQUEST, "TAG_INVALID"),
            Self::Page => (StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID"),
            Self::BodyTime => (StatusCode::REQUEST_TIMEOUT, "SIZE_INVALID"),
            Self::Full => (StatusCode::INSUFFICIENT_STORAGE, "DENIED"),
            Self::NoPushes { .. } => (StatusCode::METHOD_NOT_ALLOWED, "DENIED"),
            Self::Upstream(trouble) => of_trouble(trouble),
            Self::Administration(unfit) => unfit.told(),
            Self::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        };
        Told { status, code }
    }

    /// Whether what was asked for is not here.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(
            self,
            Self::ManifestUnknown | Self::BlobUnknown | Self::NameUnknown
        )
    }

    /// Whether the old registry of a transition is why, or another one that was asked, and not this one.
    pub(crate) fn is_of_old_side(&self) -> bool {
        match self {
            Self::OldSide | Self::OldSideLacks { .. } => true,
            Self::Upstream(trouble) => trouble.is_of_upstream(),
            _ => false,
        }
    }

    /// A second code for the same. Google counts a referrer as a parent of its subject, and names it as what it is
    /// besides; tools look for either.
    pub(crate) fn further_code(&self) -> Option<&'static str> {
        matches!(self, Self::DanglingReferrer { .. }).then_some("GOOGLE_MANIFEST_REFERRING_MANIFEST")
    }
}

fn of_trouble(trouble: &Trouble) -> (StatusCode, &'static str) {
    match trouble {
        Trouble::Unreachable { .. } | Trouble::Wrong { .. } => (StatusCode::BAD_GATEWAY, "UNAVAILABLE"),
        Trouble::Busy { .. } | Trouble::TooMany => (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
        Trouble::Denied { .. } | Trouble::NoQuota | Trouble::Unkept => (StatusCode::FORBIDDEN, "DENIED"),
        Trouble::NotSetUp { .. } | Trouble::MemberMoves { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
        }
        Trouble::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
        Trouble::Full => (StatusCode::INSUFFICIENT_STORAGE, "DENIED"),
        Trouble::Store => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        Refusal::Upstream(trouble)
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Refusal {
        match error {
            RouteError::Unknown => Refusal::PathUnknown,
            RouteError::Digest(error) => Refusal::Digest(error),
            RouteError::Reference => Refusal::Reference,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        match error {
            StoreError::Full { .. } => Refusal::Full,
            StoreError::Busy => Refusal::Busy,
            StoreError::Cursor { .. } => administration::bad_page_token(),
            other => Refusal::Store(other),
        }
    }
}

impl From<PutRefusal> for Refusal {
    fn from(refusal: PutRefusal) -> Refusal {
        match refusal {
            PutRefusal::RepositoryUnknown => Refusal::NameUnknown,
            PutRefusal::BlobUnknown { digest } => Refusal::ManifestBlob { digest },
            PutRefusal::ManifestUnknown { digest } => Refusal::ManifestChild { digest },
            PutRefusal::TagImmutable { tag } => Refusal::TagImmutable { tag },
            PutRefusal::OverQuota { quota_bytes } => Refusal::Quota { quota_bytes },
        }
    }
}
