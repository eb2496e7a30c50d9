//! What an index says of one package.

use std::str::FromStr;

use super::scan::{self, Field};
use super::{IndexError, IndexProblem, PackageIndex, StanzaId};
use crate::architecture::Architecture;
use crate::control::PackageName;
use crate::relation::{Relation, Relations};
use crate::version::Version;

/// One version of a package, as its index describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The package's name.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// The machine it is for, or `all`.
    pub architecture: Architecture,
    /// How it behaves among packages of other architectures.
    pub multi_arch: MultiArch,
    /// Whether it says `Essential: yes`.
    pub essential: bool,
    /// How important it is to a usual system.
    pub priority: Priority,
    /// Such as `libs`; empty when the index does not say.
    pub section: String,
    /// The source package it was built from, with that one's version (a rebuild's own version is higher).
    pub source: (PackageName, Version),
    /// What must be there before it is unpacked.
    pub pre_depends: Relations,
    /// What must be there for it to work.
    pub depends: Relations,
    /// What must not be there.
    pub conflicts: Vec<Relation>,
    /// What it would break.
    pub breaks: Vec<Relation>,
    /// The names, some with a version, that it stands in for.
    pub provides: Vec<Relation>,
    /// The path of its file below the archive's root: relative, without `..`, of harmless characters.
    pub filename: String,
    /// The size of its file, in bytes.
    pub size: u64,
    /// The SHA-256 of its file.
    pub sha256: [u8; 32],
}

/// The field `Multi-Arch`. Spec: deb-control(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MultiArch {
    /// Serves packages of its own architecture.
    #[default]
    No,
    /// Can be installed for several architectures at once.
    Same,
    /// Serves packages of any architecture.
    Foreign,
    /// Serves packages of any architecture that ask for it as `:any`.
    Allowed,
}

/// The field `Priority`, the most important first. Spec: Debian Policy 2.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// A system cannot do without it.
    Required,
    /// Expected on every Unix-like system.
    Important,
    /// Part of a small but not too limited system.
    Standard,
    /// Everything else.
    #[default]
    Optional,
    /// Obsolete name of the lowest priority.
    Extra,
}

impl PackageIndex {
    /// Parses all fields of one stanza.
    pub(crate) fn record(&self, id: StanzaId) -> Result<Record, IndexError> {
        let reader = FieldReader { index: self, id };
        let name: PackageName = reader.parsed(Field::Package)?;
        let version: Version = reader.parsed(Field::Version)?;
        let source = match reader.text(Field::Source)? {
            None => (name.clone(), version.clone()),
            Some(text) => {
                parse_source(text, &version).map_err(|problem| reader.error(Field::Source, problem))?
            }
        };
        Ok(Record {
            architecture: reader.parsed(Field::Architecture)?,
            multi_arch: reader.one_of(Field::MultiArch, &MULTI_ARCH)?,
            essential: reader.one_of(Field::Essential, &[("yes", true), ("no", false)])?,
            // Only a preference hangs on it, and other archives have values of their own.
            priority: reader.one_of(Field::Priority, &PRIORITIES).unwrap_or_default(),
            section: reader.text(Field::Section)?.unwrap_or_default().to_owned(),
            pre_depends: reader.relations(Field::PreDepends)?,
            depends: reader.relations(Field::Depends)?,
            conflicts: reader.plain_relations(Field::Conflicts)?,
            breaks: reader.plain_relations(Field::Breaks)?,
            provides: reader.plain_relations(Field::Provides)?,
            filename: reader
                .checked(Field::Filename, scan::safe_path, IndexProblem::Filename)?
                .to_owned(),
            size: reader.checked(Field::Size, scan::parse_size, IndexProblem::Size)?,
            sha256: reader.checked(Field::Sha256, scan::parse_sha256, IndexProblem::Sha256)?,
            name,
            version,
            source,
        })
    }
}

/// The fields of one stanza, with errors that name their place.
#[derive(Clone, Copy)]
struct FieldReader<'i> {
    index: &'i PackageIndex,
    id: StanzaId,
}

impl<'i> FieldReader<'i> {
    fn text(self, field: Field) -> Result<Option<&'i str>, IndexError> {
        let span = self.index.span(self.id, field);
        span.map(|span| self.index.str_in(self.id, field, span))
            .transpose()
    }

    fn required(self, field: Field) -> Result<&'i str, IndexError> {
        self.text(field)?
            .ok_or_else(|| self.error(field, IndexProblem::Missing(field.name())))
    }

    fn parsed<T>(self, field: Field) -> Result<T, IndexError>
    where
        T: FromStr,
        IndexProblem: From<T::Err>,
    {
        self.required(field)?
            .parse()
            .map_err(|error: T::Err| self.error(field, error.into()))
    }

    fn checked<T>(
        self,
        field: Field,
        parse: impl Fn(&'i str) -> Option<T>,
        problem: impl Fn(String) -> IndexProblem,
    ) -> Result<T, IndexError> {
        let text = self.required(field)?;
        parse(text).ok_or_else(|| self.error(field, problem(scan::shown(text.as_bytes()))))
    }

    fn one_of<T: Copy + Default>(self, field: Field, values: &[(&str, T)]) -> Result<T, IndexError> {
        let Some(text) = self.text(field)? else {
            return Ok(T::default());
        };
        let known = values
            .iter()
            .find(|(written, _)| *written == text)
            .map(|(_, value)| *value);
        known.ok_or_else(|| {
            let value = scan::shown(text.as_bytes());
            self.error(
                field,
                IndexProblem::Value {
                    field: field.name(),
                    value,
                },
            )
        })
    }

    fn relations(self, field: Field) -> Result<Relations, IndexError> {
        let text = self.text(field)?.unwrap_or_default();
        text.parse()
            .map_err(|error: crate::relation::RelationError| self.error(field, error.into()))
    }

    fn plain_relations(self, field: Field) -> Result<Vec<Relation>, IndexError> {
        let entries = self.relations(field)?.0.into_iter();
        entries
            .map(
                |mut entry| match (entry.alternatives.pop(), entry.alternatives.is_empty()) {
                    (Some(only), true) => Ok(only),
                    _ => Err(self.error(field, IndexProblem::Alternatives(field.name()))),
                },
            )
            .collect()
    }

    fn error(self, field: Field, problem: IndexProblem) -> IndexError {
        self.index.error(self.id, field, problem)
    }
}

/// Parses `NAME` or `NAME (VERSION)`; without a version the source has the package's own.
fn parse_source(text: &str, version: &Version) -> Result<(PackageName, Version), IndexProblem> {
    let Some((name, rest)) = text.split_once('(') else {
        return Ok((text.parse()?, version.clone()));
    };
    let version = rest
        .strip_suffix(')')
        .ok_or_else(|| IndexProblem::Source(scan::shown(text.as_bytes())))?;
    Ok((name.trim_ascii().parse()?, version.trim_ascii().parse()?))
}

const MULTI_ARCH: [(&str, MultiArch); 4] = [
    ("no", MultiArch::No),
    ("same", MultiArch::Same),
    ("foreign", MultiArch::Foreign),
    ("allowed", MultiArch::Allowed),
];

const PRIORITIES: [(&str, Priority); 5] = [
    ("required", Priority::Required),
    ("important", Priority::Important),
    ("standard", Priority::Standard),
    ("optional", Priority::Optional),
    ("extra", Priority::Extra),
];
