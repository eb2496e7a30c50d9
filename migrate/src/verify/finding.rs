//! What may be different between two sides.

use std::fmt;

use oci::Digest;
use serde::Serialize;

/// What a digest is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// A manifest or index.
    Manifest,
    /// A blob.
    Blob,
}

/// One difference. `repository` is the new side's, with its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Finding {
    /// A tag is there and not here.
    TagMissing {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
        /// What it names there.
        digest: Digest,
    },
    /// A tag names something else here.
    TagDiffers {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
        /// What it names there.
        old: Digest,
        /// What it names here.
        new: Digest,
    },
    /// Something that an image needs is not here.
    PartMissing {
        /// The repository.
        repository: String,
        /// By which tag it was reached.
        tag: String,
        /// What it is.
        part: Part,
        /// Its digest.
        digest: Digest,
    },
    /// Something is here and is not what its digest says.
    PartDamaged {
        /// The repository.
        repository: String,
        /// By which tag it was reached.
        tag: String,
        /// What it is.
        part: Part,
        /// Its digest.
        digest: Digest,
        /// What is wrong.
        problem: String,
    },
    /// Something refers to an image there, a signature perhaps, and is not here.
    ReferrerMissing {
        /// The repository.
        repository: String,
        /// The image.
        subject: Digest,
        /// What refers to it.
        digest: Digest,
    },
    /// Somebody can read a repository there and not here.
    AccessLost {
        /// Who.
        principal: String,
        /// The repository there.
        old: String,
        /// The name by which it is read here.
        route: String,
        /// What was answered here.
        here: String,
    },
    /// Somebody can read a repository here and not there.
    AccessGained {
        /// Who.
        principal: String,
        /// The repository there.
        old: String,
        /// The name by which it is read here.
        route: String,
        /// What was answered there.
        there: String,
    },
    /// A route leads to something else.
    RouteDiffers {
        /// Who asked.
        principal: String,
        /// The name by which it is read here.
        route: String,
        /// The tag.
        tag: String,
        /// What it names there.
        old: Digest,
        /// What came.
        new: Digest,
    },
    /// Something could not be looked at.
    Unchecked {
        /// What.
        what: String,
        /// Why not.
        error: String,
    },
}

/// An image that is not whole on the old side either; nobody can pull it there, so nobody misses it here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Damage {
    /// The repository there.
    pub repository: String,
    /// Its tag, or the digest of what it refers to.
    pub reference: String,
    /// What it is that is missing or damaged there.
    pub digest: Digest,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TagMissing {
                repository,
                tag,
                digest,
            } => {
                write!(formatter, "{repository}:{tag} is not here; there it is {digest}")
            }
            Self::TagDiffers {
                repository,
                tag,
                old,
                new,
            } => {
                write!(formatter, "{repository}:{tag} is {new} here, and {old} there")
            }
            Self::PartMissing {
                repository,
                tag,
                part,
                digest,
            } => {
                write!(formatter, "{part} {digest} of {repository}:{tag} is not here")
            }
            Self::PartDamaged {
                repository,
                tag,
                part,
                digest,
                problem,
            } => {
                write!(
                    formatter,
                    "{part} {digest} of {repository}:{tag} is damaged here: {problem}"
                )
            }
            Self::ReferrerMissing {
                repository,
                subject,
                digest,
            } => {
                write!(
                    formatter,
                    "{digest}, which refers to {subject} of {repository}, is not here"
                )
            }
            Self::AccessLost {
                principal,
                old,
                route,
                here,
            } => {
                write!(
                    formatter,
                    "{principal} could read {old} there and cannot read {route} here: {here}"
                )
            }
            Self::AccessGained {
                principal,
                old,
                route,
                there,
            } => {
                write!(
                    formatter,
                    "{principal} could not read {old} there and can read {route} here; there: {there}"
                )
            }
            Self::RouteDiffers {
                principal,
                route,
                tag,
                old,
                new,
            } => {
                write!(
                    formatter,
                    "{principal} reads {new} as {route}:{tag}, which is {old} there"
                )
            }
            Self::Unchecked { what, error } => write!(formatter, "cannot check {what}: {error}"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage {
            repository,
            reference,
            digest,
            problem,
        } = self;
        write!(
            formatter,
            "{repository} {reference} is not whole there either: {digest} {problem}"
        )
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Manifest => "manifest",
            Self::Blob => "blob",
        })
    }
}
