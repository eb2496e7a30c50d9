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

/// What sort of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// [`Finding::TagMissing`].
    TagMissing,
    /// [`Finding::TagDiffers`].
    TagDiffers,
    /// [`Finding::PartMissing`].
    PartMissing,
    /// [`Finding::PartDamaged`].
    PartDamaged,
    /// [`Finding::ReferrerMissing`].
    ReferrerMissing,
    /// What principals can read: [`Finding::AccessLost`], [`Finding::AccessGained`], [`Finding::RouteDiffers`].
    Access,
    /// [`Finding::Unchecked`].
    Unchecked,
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
        formatter.write_str(&self.of_access().unwrap_or_else(|| self.of_content()))
    }
}

impl Finding {
    /// What sort it is.
    #[must_use]
    pub fn kind(&self) -> FindingKind {
        match self {
            Self::TagMissing { .. } => FindingKind::TagMissing,
            Self::TagDiffers { .. } => FindingKind::TagDiffers,
            Self::PartMissing { .. } => FindingKind::PartMissing,
            Self::PartDamaged { .. } => FindingKind::PartDamaged,
            Self::ReferrerMissing { .. } => FindingKind::ReferrerMissing,
            Self::AccessLost { .. } | Self::AccessGained { .. } | Self::RouteDiffers { .. } => {
                FindingKind::Access
            }
            Self::Unchecked { .. } => FindingKind::Unchecked,
        }
    }

    fn of_content(&self) -> String {
        use Finding as F;
        match self {
            F::TagMissing {
                repository: at,
                tag,
                digest,
            } => format!("{at}:{tag} is not here; there it is {digest}"),
            F::TagDiffers {
                repository: at,
                tag,
                old,
                new,
            } => format!("{at}:{tag} is {new} here, and {old} there"),
            F::PartMissing {
                repository: at,
                tag,
                part,
                digest,
            } => format!("{part} {digest} of {at}:{tag} is not here"),
            F::PartDamaged {
                repository: at,
                tag,
                part,
                digest,
                problem,
            } => {
                format!("{part} {digest} of {at}:{tag} is damaged here: {problem}")
            }
            F::ReferrerMissing {
                repository: at,
                subject,
                digest,
            } => {
                format!("{digest}, which refers to {subject} of {at}, is not here")
            }
            F::Unchecked { what, error } => format!("cannot check {what}: {error}"),
            F::AccessLost { .. } | F::AccessGained { .. } | F::RouteDiffers { .. } => String::new(),
        }
    }

    fn of_access(&self) -> Option<String> {
        Some(match self {
            Self::AccessLost {
                principal,
                old,
                route,
                here,
            } => {
                format!("{principal} could read {old} there and cannot read {route} here: {here}")
            }
            Self::AccessGained {
                principal,
                old,
                route,
                there,
            } => {
                format!("{principal} could not read {old} there and can read {route} here; there: {there}")
            }
            Self::RouteDiffers {
                principal,
                route,
                tag,
                old,
                new,
            } => {
                format!("{principal} reads {new} as {route}:{tag}, which is {old} there")
            }
            _ => return None,
        })
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
