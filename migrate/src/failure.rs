//! What went wrong with one image or repository, as programs read it.

use std::error::Error;

use client::registry::RegistryError;
use client::{OpenError, SinkError, SourceError};
use oci::{Digest, ManifestError, RepositoryName};
use serde::{Deserialize, Serialize};

use crate::journal::JournalError;

/// Why something cannot be read or written at a place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A registry refuses, or cannot be asked.
    #[error(transparent)]
    Registry(#[from] Box<RegistryError>),
    /// A layout or archive cannot be read.
    #[error(transparent)]
    Source(#[from] Box<SourceError>),
    /// A layout cannot be written.
    #[error(transparent)]
    Sink(#[from] Box<SinkError>),
    /// A place cannot be opened.
    #[error(transparent)]
    Open(#[from] Box<OpenError>),
    /// Something that is named is not there.
    #[error("{what} {digest} is missing at the source")]
    Missing {
        /// `manifest` or `blob`.
        what: &'static str,
        /// Its digest.
        digest: Digest,
    },
    /// A repository that was named is not there.
    #[error("there is no repository {name} at the source, or nobody without other credentials sees it")]
    NoRepository {
        /// Its name.
        name: RepositoryName,
    },
    /// A tag that is listed is not there.
    #[error("tag {tag} is listed at the source, and is not there")]
    TagMissing {
        /// The tag.
        tag: String,
    },
    /// The source does not say what a tag names.
    #[error("the source does not tell the digest of tag {tag}")]
    NoDigest {
        /// The tag.
        tag: String,
    },
    /// Content is not what its digest says.
    #[error("{what} {expected} is damaged at the source: its digest is {actual}")]
    Digest {
        /// `manifest` or `blob`.
        what: &'static str,
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// A blob has another length than its descriptor says.
    #[error("blob {digest} is damaged at the source: it has {actual} bytes, its descriptor says {expected}")]
    Size {
        /// The blob.
        digest: Digest,
        /// The size that it should have, in bytes.
        expected: u64,
        /// The size that it has.
        actual: u64,
    },
    /// A manifest cannot be understood.
    #[error("manifest {digest} cannot be used")]
    Manifest {
        /// The manifest.
        digest: Digest,
        /// Why not.
        source: ManifestError,
    },
    /// A manifest of Docker's first schema: its digest does not cover what it names, and no registry takes it today.
    #[error(
        "{reference} is an image of Docker's schema 1, which no registry takes any more: pull and push it with a docker of before 2024, or leave it"
    )]
    Schema1 {
        /// The tag or digest.
        reference: String,
    },
    /// Indexes lie within indexes too deep.
    #[error("image {digest} has indexes within one another, more than {depth_max} deep")]
    TooDeep {
        /// The image.
        digest: Digest,
        /// The limit.
        depth_max: usize,
    },
    /// An image leads to more than any image has.
    #[error(
        "image {digest} leads to more than {manifests_max} manifests, or more than {bytes_max} bytes of them"
    )]
    TooLarge {
        /// The image.
        digest: Digest,
        /// The most manifests that are followed.
        manifests_max: usize,
        /// The most bytes of them.
        bytes_max: u64,
    },
    /// The source lists something that is no name.
    #[error(
        "the source lists it, and it is no name by the specification: nobody can ask for it, or keep it so"
    )]
    Misnamed,
    /// More of that.
    #[error("the source lists {count} more names that are none by the specification")]
    MisnamedMore {
        /// How many.
        count: u64,
    },
    /// There is no end of repositories.
    #[error("the source lists more than {names_max} names below one another")]
    TooManyNames {
        /// The limit.
        names_max: usize,
    },
    /// A tag was moved again and again while it was copied.
    #[error("tag {tag} was moved {times} times while it was copied")]
    KeepsMoving {
        /// The tag.
        tag: String,
        /// How often.
        times: u32,
    },
    /// Another image found this out about the same content.
    #[error("{0}")]
    Known(Failed),
    /// It is no layout and no archive.
    #[error("{place} is no directory and no file")]
    NotLocal {
        /// The place.
        place: String,
    },
    /// A file of the source cannot be read.
    #[error("the source cannot be read")]
    Read {
        /// Why not.
        source: std::io::Error,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Noted(#[from] Box<JournalError>),
    /// A file of the journal cannot be read or written.
    #[error("cannot use {}", path.display())]
    Journal {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// What became of something, in words, to be told more than once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// What kind of trouble it is.
    pub kind: FailureKind,
    /// The error and its causes.
    pub error: String,
}

/// What kind of trouble it is: what somebody can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The source has not what it says it has, or something else.
    Damaged,
    /// An image of Docker's schema 1.
    Schema1,
    /// A side wants other credentials, or does not allow it.
    Denied,
    /// A quota is used up: of requests, or of room.
    Quota,
    /// A side cannot be reached, or breaks connections.
    Unreachable,
    /// A side has trouble (5xx).
    Trouble,
    /// The destination does not take it.
    Refused,
    /// The tag keeps moving.
    Moving,
    /// A side does not speak the protocol.
    Protocol,
    /// The disk of this machine.
    Disk,
}

/// One line of the list of failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The repository, as the source has it.
    pub repository: String,
    /// The tag, or the digest where there is none; empty for the repository as a whole.
    pub reference: String,
    /// The digest of the image, where that is known.
    pub digest: Option<Digest>,
    /// The error and its causes.
    pub error: String,
    /// What kind of trouble it is.
    pub kind: FailureKind,
    /// How often it was tried.
    pub attempts: u32,
}

impl Failure {
    /// What was not copied, in words.
    #[must_use]
    pub fn subject(&self) -> String {
        match (self.repository.as_str(), self.reference.as_str()) {
            ("", "") => "some of the source".to_owned(),
            (repository, "") => repository.to_owned(),
            (repository, reference) if reference.parse::<Digest>().is_ok() => {
                format!("{repository}@{reference}")
            }
            (repository, reference) => format!("{repository}:{reference}"),
        }
    }
}

impl PlaceError {
    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Missing { .. }
            | Self::NoRepository { .. }
            | Self::TagMissing { .. }
            | Self::Digest { .. }
            | Self::Size { .. }
            | Self::Manifest { .. }
            | Self::TooDeep { .. }
            | Self::TooLarge { .. } => FailureKind::Damaged,
            Self::Schema1 { .. } => FailureKind::Schema1,
            Self::KeepsMoving { .. } => FailureKind::Moving,
            Self::NoDigest { .. }
            | Self::Misnamed
            | Self::MisnamedMore { .. }
            | Self::TooManyNames { .. } => FailureKind::Protocol,
            Self::Known(failed) => failed.kind,
            Self::Noted(_)
            | Self::Journal { .. }
            | Self::Open(_)
            | Self::NotLocal { .. }
            | Self::Read { .. } => FailureKind::Disk,
            Self::Registry(error) => of_registry(error),
            Self::Source(error) => match &**error {
                SourceError::Registry(error) => of_registry(error),
                SourceError::Io { .. } => FailureKind::Disk,
                _ => FailureKind::Damaged,
            },
            Self::Sink(error) => match &**error {
                SinkError::Registry(error) => of_registry(error),
                SinkError::Digest { .. } | SinkError::Size { .. } => FailureKind::Damaged,
                _ => FailureKind::Disk,
            },
        }
    }

    /// Whether the same may succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether a registry answers, but too slowly.
    #[must_use]
    pub fn is_too_slow(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_too_slow(),
            _ => false,
        }
    }

    /// The status that a registry refused with.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Registry(error) => error.status(),
            _ => None,
        }
    }

    /// Whether the caller is not allowed what he asked for.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Registry(error) => {
                error.login_host().is_some() || matches!(error.status(), Some(401 | 403))
            }
            _ => false,
        }
    }

    /// Whether a Lightship that replaces the source keeps what was pushed to it or deleted there. Any other conflict is a
    /// failure.
    #[must_use]
    pub fn is_kept_there(&self) -> bool {
        match self {
            Self::Registry(error) => match &**error {
                RegistryError::Refused {
                    status: 409, details, ..
                } => details.iter().any(|detail| detail.code == "DENIED"),
                _ => false,
            },
            _ => false,
        }
    }

    /// The error in words, with its causes.
    #[must_use]
    pub fn told(&self) -> Failed {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            let said = cause.to_string();
            if !text.ends_with(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            next = cause.source();
        }
        Failed {
            kind: self.kind(),
            error: text,
        }
    }
}

fn of_registry(error: &RegistryError) -> FailureKind {
    match error {
        RegistryError::LoginNeeded { .. } | RegistryError::LoginRefused { .. } => FailureKind::Denied,
        RegistryError::Credentials { .. } => FailureKind::Denied,
        RegistryError::Transport { .. } | RegistryError::NotOpened { .. } => FailureKind::Unreachable,
        RegistryError::Protocol { .. } => FailureKind::Protocol,
        RegistryError::Refused { status, .. } => match status {
            401 | 403 => FailureKind::Denied,
            413 | 429 | 507 => FailureKind::Quota,
            500.. => FailureKind::Trouble,
            _ => FailureKind::Refused,
        },
    }
}

impl From<RegistryError> for PlaceError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl From<SourceError> for PlaceError {
    fn from(error: SourceError) -> Self {
        Self::Source(Box::new(error))
    }
}

impl From<SinkError> for PlaceError {
    fn from(error: SinkError) -> Self {
        Self::Sink(Box::new(error))
    }
}

impl From<JournalError> for PlaceError {
    fn from(error: JournalError) -> Self {
        Self::Noted(Box::new(error))
    }
}

impl From<OpenError> for PlaceError {
    fn from(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }
}
