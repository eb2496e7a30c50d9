//! Package indexes: the `Packages` files of an archive.

mod record;
mod scan;

pub use record::{MultiArch, Priority, Record};

use crate::architecture::ArchitectureError;
use crate::control::{PackageName, PackageNameError};
use crate::relation::{Relation, RelationError};
use crate::version::{Version, VersionError};
use scan::{Field, Span, Stanza};

/// The largest index accepted, in bytes, unpacked. Debian's main/amd64 has 57 MB.
pub const INDEX_BYTES_MAX: usize = 512 << 20;
/// The most packages accepted in one index. Debian's main/amd64 has 69,000.
pub const STANZAS_MAX: usize = 1_000_000;
/// The longest stanza accepted, in bytes. The longest in Debian has 76 kB.
pub const STANZA_BYTES_MAX: usize = 2 << 20;
/// The largest package file accepted, in bytes.
pub const PACKAGE_BYTES_MAX: u64 = 8 << 30;
/// The longest path of a package file accepted, in bytes.
pub const FILENAME_BYTES_MAX: usize = 1024;

/// The packages of one index, found by name or by what they provide.
///
/// Reading checks the form of every stanza and of the fields that identify a package and its file. The fields that
/// only the packages of interest are asked for (relations above all) are parsed when a [`Record`] is made.
pub struct PackageIndex {
    text: Vec<u8>,
    stanzas: Vec<Stanza>,
    /// The hash of each package's name and its place in `stanzas`, in that order.
    by_name: Vec<(u64, u32)>,
    /// By hash, then as in the file.
    provided: Vec<Provided>,
}

/// One entry of a `Provides` field.
struct Provided {
    /// Of the provided name.
    hash: u64,
    stanza: u32,
    entry: Span,
}

/// The place of a package in its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StanzaId(u32);

/// Why bytes are not a package index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {}: {problem}", .package.as_deref().map_or("unnamed package".to_owned(), |name| format!("package {name}")))]
pub struct IndexError {
    /// The line, counted from 1, on which the field in question is; of a missing field, the stanza's first.
    pub line: usize,
    /// The stanza's package, if it says so.
    pub package: Option<String>,
    /// What is wrong.
    #[source]
    pub problem: IndexProblem,
}

/// What can be wrong with an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexProblem {
    /// More than [`INDEX_BYTES_MAX`].
    #[error("the index has {0} bytes, at most {INDEX_BYTES_MAX} are allowed")]
    IndexTooLong(usize),
    /// More than [`STANZAS_MAX`].
    #[error("more than {0} packages")]
    TooManyStanzas(usize),
    /// More than [`STANZA_BYTES_MAX`].
    #[error("more than {STANZA_BYTES_MAX} bytes about one package")]
    StanzaTooLong,
    /// Neither a field nor a continuation of one.
    #[error("neither a field nor a continuation of one")]
    NoField,
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field occurs twice.
    #[error("field {0} occurs twice")]
    Duplicate(&'static str),
    /// `Package`, or the name in `Source`.
    #[error(transparent)]
    Name(#[from] PackageNameError),
    /// `Version`, or the version in `Source`.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// `Architecture`.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// One of the relation fields.
    #[error(transparent)]
    Relation(#[from] RelationError),
    /// `Conflicts`, `Breaks` and `Provides` know no alternatives.
    #[error("field {0} contains alternatives")]
    Alternatives(&'static str),
    /// `Filename` is absolute, climbs, is too long, or contains characters that no pool path needs.
    #[error("{0:?} is not a safe path below the archive")]
    Filename(String),
    /// `Size` is not a number up to [`PACKAGE_BYTES_MAX`].
    #[error("size {0:?} is not a number of at most {PACKAGE_BYTES_MAX}")]
    Size(String),
    /// `SHA256` is not 64 hexadecimal digits.
    #[error("{0:?} is not a SHA-256")]
    Sha256(String),
    /// `Source` is not `NAME` or `NAME (VERSION)`.
    #[error("{0:?} does not name a source package")]
    Source(String),
    /// `Multi-Arch` or `Essential` has a value it cannot have.
    #[error("field {field} cannot be {value:?}")]
    Value {
        /// The field.
        field: &'static str,
        /// Its value, shortened.
        value: String,
    },
    /// A field that is read is not UTF-8.
    #[error("field {0} is not UTF-8")]
    NotText(&'static str),
}

impl PackageIndex {
    /// Reads an unpacked `Packages` file. 57 MB take about a tenth of a second.
    ///
    /// Unknown fields are skipped.
    ///
    /// # Errors
    /// The first stanza that lacks or garbles `Package`, `Version`, `Architecture`, `Filename` (a safe relative path),
    /// `Size` or `SHA256`, that repeats a field we know, or that is not a stanza; or a limit above exceeded.
    ///
    /// Spec: Debian Repository Format, "Packages Indices".
    pub fn parse(text: Vec<u8>) -> Result<PackageIndex, IndexError> {
        let stanzas = scan::scan(&text, STANZAS_MAX)?;
        let provided = provided_names(&text, &stanzas);
        let name = |stanza: &Stanza| {
            stanza
                .field(Field::Package)
                .map_or(0, |span| hash_name(span.of(&text)))
        };
        // Hashes sort several times faster than names do, and an archive's index is not sorted by name.
        let mut by_name: Vec<(u64, u32)> = stanzas.iter().map(name).zip(0..).collect();
        by_name.sort_unstable();
        Ok(PackageIndex {
            text,
            stanzas,
            by_name,
            provided,
        })
    }

    /// How many packages there are, versions and architectures counted apart.
    pub fn len(&self) -> usize {
        self.stanzas.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stanzas.is_empty()
    }

    /// All versions of the package `name`, the newest first.
    ///
    /// # Errors
    /// A stanza of that name has a malformed field of those not checked before.
    pub fn records(&self, name: &str) -> Result<Vec<Record>, IndexError> {
        self.named(name).into_iter().map(|id| self.record(id)).collect()
    }

    /// All packages, in the order of the index.
    pub fn iter(&self) -> impl Iterator<Item = Result<Record, IndexError>> {
        (0..).take(self.len()).map(|at| self.record(StanzaId(at)))
    }

    /// The places of all versions of the package `name`, the newest first.
    pub(crate) fn named(&self, name: &str) -> Vec<StanzaId> {
        let hash = hash_name(name.as_bytes());
        let from = self.by_name.partition_point(|(other, _)| *other < hash);
        let rest = self.by_name.get(from..).unwrap_or_default();
        let same_hash = rest
            .iter()
            .take_while(|(other, _)| *other == hash)
            .map(|(_, at)| StanzaId(*at));
        let mut named: Vec<StanzaId> = same_hash
            .filter(|id| self.field_bytes(*id, Field::Package) == name.as_bytes())
            .collect();
        // Stable: of equal versions the one that comes first in the index remains the first.
        named.sort_by_cached_key(|id| std::cmp::Reverse(self.version(*id)));
        named
    }

    /// The name of the package at a place.
    pub(crate) fn name_of(&self, id: StanzaId) -> Result<PackageName, IndexError> {
        let span = self.span(id, Field::Package).unwrap_or_default();
        let text = self.str_in(id, Field::Package, span)?;
        text.parse()
            .map_err(|error: PackageNameError| self.error(id, Field::Package, error.into()))
    }

    /// The packages that provide `name`, each with the entry of `Provides`, in the order of the file.
    pub(crate) fn providers(&self, name: &str) -> Result<Vec<(StanzaId, Relation)>, IndexError> {
        let hash = hash_name(name.as_bytes());
        let from = self.provided.partition_point(|provided| provided.hash < hash);
        let rest = self.provided.get(from..).unwrap_or_default();
        let mut providers = Vec::new();
        for provided in rest.iter().take_while(|provided| provided.hash == hash) {
            if provided_name(provided.entry.of(&self.text)) != name.as_bytes() {
                continue;
            }
            let stanza = StanzaId(provided.stanza);
            let text = self.str_in(stanza, Field::Provides, provided.entry)?;
            let relation: Relation = text
                .parse()
                .map_err(|error: RelationError| self.error(stanza, Field::Provides, error.into()))?;
            providers.push((stanza, relation));
        }
        Ok(providers)
    }

    fn version(&self, id: StanzaId) -> Option<Version> {
        std::str::from_utf8(self.field_bytes(id, Field::Version))
            .ok()?
            .parse()
            .ok()
    }

    fn field_bytes(&self, id: StanzaId, field: Field) -> &[u8] {
        self.span(id, field)
            .map(|span| span.of(&self.text))
            .unwrap_or_default()
    }

    fn span(&self, id: StanzaId, field: Field) -> Option<Span> {
        self.stanzas.get(id.0 as usize)?.field(field)
    }

    fn str_in(&self, id: StanzaId, field: Field, span: Span) -> Result<&str, IndexError> {
        std::str::from_utf8(span.of(&self.text))
            .map_err(|_| self.error(id, field, IndexProblem::NotText(field.name())))
    }

    fn error(&self, id: StanzaId, field: Field, problem: IndexProblem) -> IndexError {
        let span = self
            .span(id, field)
            .or_else(|| self.span(id, Field::Package))
            .unwrap_or_default();
        let package = String::from_utf8_lossy(self.field_bytes(id, Field::Package)).into_owned();
        IndexError {
            line: scan::line_of(&self.text, span.start()),
            package: Some(package),
            problem,
        }
    }
}

impl std::fmt::Debug for PackageIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackageIndex")
            .field("bytes", &self.text.len())
            .field("packages", &self.len())
            .finish()
    }
}

fn provided_names(text: &[u8], stanzas: &[Stanza]) -> Vec<Provided> {
    let mut all = Vec::new();
    for (stanza, fields) in (0..).zip(stanzas) {
        let Some(span) = fields.field(Field::Provides) else {
            continue;
        };
        for entry in span.split(text, b',') {
            let hash = hash_name(provided_name(entry.of(text)));
            all.push(Provided { hash, stanza, entry });
        }
    }
    all.sort_unstable_by_key(|provided| (provided.hash, provided.stanza, provided.entry.start()));
    all
}

/// The name at the front of an entry of `Provides`.
fn provided_name(entry: &[u8]) -> &[u8] {
    let entry = entry.trim_ascii();
    let end = entry
        .iter()
        .position(|byte| b" \t\n(:[<".contains(byte))
        .unwrap_or(entry.len());
    entry.get(..end).unwrap_or_default()
}

/// FNV-1a: short, and the same in every run, as the order of packages hangs on it.
fn hash_name(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
