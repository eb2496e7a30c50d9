//! Relations between packages: the grammar of `Depends`, `Conflicts`, `Provides` and their like.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, ArchitectureError};
use crate::control::{PackageName, PackageNameError};
use crate::version::{Version, VersionError};

/// The most comma-separated entries accepted in one field. The longest in Debian has about 1,600.
pub const DEPENDENCIES_MAX: usize = 10_000;
/// The most alternatives accepted in one entry.
pub const ALTERNATIVES_MAX: usize = 1_000;
/// The most architectures, profile lists and terms of a profile list accepted in one relation.
pub const RESTRICTIONS_MAX: usize = 64;

/// A whole field: entries that all must hold (or, of `Conflicts` and `Provides`, that each stand for themselves).
///
/// Parsing and printing: `a (>= 1) | b, c:any`. Spec: Debian Policy 7.1, deb-control(5), dpkg's build profile
/// specification.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Relations(pub Vec<Dependency>);

/// One entry of a field: alternatives in order of preference, never none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Dependency {
    /// What satisfies the entry, the preferred first.
    pub alternatives: Vec<Relation>,
}

/// One alternative: a package name and what is asked of the package.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Relation {
    /// A real or virtual package.
    pub name: PackageName,
    /// What follows the colon after the name.
    pub qualifier: Option<ArchQualifier>,
    /// What stands in round brackets.
    pub constraint: Option<(Operator, Version)>,
    /// What stands in square brackets: the architectures for which the relation is meant; all when empty.
    pub architectures: Vec<ArchRestriction>,
    /// What stands in angle brackets: the relation is meant for builds where all terms of one list hold.
    pub profiles: Vec<Vec<ProfileTerm>>,
}

/// Which architectures of a package satisfy a relation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ArchQualifier {
    /// `:any`: every one, when the package says `Multi-Arch: allowed`.
    Any,
    /// `:native`: that of the machine.
    Native,
    /// The one named.
    Architecture(Architecture),
}

/// How a version must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and the obsolete `<`
    EarlierOrEqual,
    /// `=`
    Exactly,
    /// `>=`, and the obsolete `>`
    LaterOrEqual,
    /// `>>`
    Later,
}

/// An architecture or wildcard in square brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArchRestriction {
    /// Whether a `!` stands before it.
    pub negated: bool,
    /// A name or wildcard, see [`Architecture::matches`].
    pub pattern: Architecture,
}

/// A build profile in angle brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProfileTerm {
    /// Whether a `!` stands before it.
    pub negated: bool,
    /// Such as `nocheck` or `pkg.hello.tiny`.
    pub profile: String,
}

/// Why a text is not a relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("in relation {text:?}: {problem}")]
pub struct RelationError {
    /// The entry, shortened.
    pub text: String,
    /// What is wrong with it.
    #[source]
    pub problem: RelationProblem,
}

/// What can be wrong with a relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelationProblem {
    /// The name is malformed or missing.
    #[error(transparent)]
    Name(#[from] PackageNameError),
    /// The version is malformed or missing.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A qualifier or a restriction names no architecture.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The brackets begin with none of `<<`, `<=`, `=`, `>=`, `>>`.
    #[error("a version needs one of <<, <=, =, >= and >> before it")]
    Operator,
    /// A bracket that is not closed, is empty, or comes in the wrong place.
    #[error("unclosed, empty or misplaced brackets")]
    Brackets,
    /// A profile with characters that none may have.
    #[error("{0:?} is not the name of a build profile")]
    Profile(String),
    /// More than [`DEPENDENCIES_MAX`], [`ALTERNATIVES_MAX`] or [`RESTRICTIONS_MAX`].
    #[error("more than {0} parts")]
    TooMany(usize),
}

impl Operator {
    /// Whether `version` stands in this relation to `bound`.
    pub fn accepts(self, version: &Version, bound: &Version) -> bool {
        let order = version.cmp(bound);
        match self {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Exactly => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }

    /// The operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Exactly => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        }
    }
}

impl Relation {
    /// A relation that any version of `name` satisfies.
    pub fn to_name(name: PackageName) -> Self {
        Relation {
            name,
            qualifier: None,
            constraint: None,
            architectures: Vec::new(),
            profiles: Vec::new(),
        }
    }

    /// Whether `version` satisfies the constraint, if there is one.
    pub fn accepts_version(&self, version: &Version) -> bool {
        self.constraint
            .as_ref()
            .is_none_or(|(operator, bound)| operator.accepts(version, bound))
    }

    /// Whether the relation is meant for packages of `architecture`, built without any profile.
    pub fn applies_to(&self, architecture: &Architecture) -> bool {
        let named = |restriction: &ArchRestriction| architecture.matches(restriction.pattern.as_str());
        // Policy lets a list be all negated or not at all; a mixed one is read as dpkg does: the last match decides.
        let negative = self.architectures.first().is_some_and(|first| first.negated);
        let for_architecture = match self.architectures.iter().rfind(|restriction| named(restriction)) {
            Some(restriction) => !restriction.negated,
            None => self.architectures.is_empty() || negative,
        };
        let for_build = self.profiles.is_empty()
            || self
                .profiles
                .iter()
                .any(|list| list.iter().all(|term| term.negated));
        for_architecture && for_build
    }
}

impl Dependency {
    /// An entry with a single alternative.
    pub fn from_relation(relation: Relation) -> Self {
        Dependency {
            alternatives: vec![relation],
        }
    }
}

impl FromStr for Relations {
    type Err = RelationError;

    /// Parses a field. An empty one has no entries; a comma may follow the last one.
    fn from_str(text: &str) -> Result<Self, RelationError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Ok(Relations::default());
        }
        let text = text.strip_suffix(',').unwrap_or(text);
        if text.bytes().filter(|byte| *byte == b',').count() >= DEPENDENCIES_MAX {
            return Err(error_in(text, RelationProblem::TooMany(DEPENDENCIES_MAX)));
        }
        text.split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Relations)
    }
}

impl FromStr for Dependency {
    type Err = RelationError;

    fn from_str(text: &str) -> Result<Self, RelationError> {
        if text.bytes().filter(|byte| *byte == b'|').count() >= ALTERNATIVES_MAX {
            return Err(error_in(text, RelationProblem::TooMany(ALTERNATIVES_MAX)));
        }
        let alternatives = text.split('|').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Dependency { alternatives })
    }
}

impl FromStr for Relation {
    type Err = RelationError;

    fn from_str(text: &str) -> Result<Self, RelationError> {
        parse_relation(text.trim_ascii()).map_err(|problem| error_in(text, problem))
    }
}

fn error_in(text: &str, problem: RelationProblem) -> RelationError {
    let text = text.trim_ascii();
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    RelationError { text: shown, problem }
}

fn parse_relation(text: &str) -> Result<Relation, RelationProblem> {
    let name_end = text
        .find(|c: char| c.is_ascii_whitespace() || "([<".contains(c))
        .unwrap_or(text.len());
    let (head, mut rest) = text.split_at(name_end);
    let (name, qualifier) = match head.split_once(':') {
        None => (head, None),
        Some((name, qualifier)) => (name, Some(parse_qualifier(qualifier)?)),
    };
    let mut relation = Relation {
        qualifier,
        ..Relation::to_name(name.parse()?)
    };
    if let Some(constraint) = take_brackets(&mut rest, '(', ')')? {
        relation.constraint = Some(parse_constraint(constraint)?);
    }
    if let Some(list) = take_brackets(&mut rest, '[', ']')? {
        relation.architectures = parse_terms(list, |negated, pattern| {
            Ok(ArchRestriction {
                negated,
                pattern: pattern.parse()?,
            })
        })?;
    }
    while let Some(list) = take_brackets(&mut rest, '<', '>')? {
        if relation.profiles.len() == RESTRICTIONS_MAX {
            return Err(RelationProblem::TooMany(RESTRICTIONS_MAX));
        }
        relation.profiles.push(parse_terms(list, parse_profile)?);
    }
    if rest.trim_ascii().is_empty() {
        Ok(relation)
    } else {
        Err(RelationProblem::Brackets)
    }
}

fn parse_qualifier(text: &str) -> Result<ArchQualifier, RelationProblem> {
    Ok(match text {
        "any" => ArchQualifier::Any,
        "native" => ArchQualifier::Native,
        name => ArchQualifier::Architecture(name.parse()?),
    })
}

/// Takes `(…)` from the front of `rest`, if it is there, and gives what is between the brackets.
fn take_brackets<'t>(
    rest: &mut &'t str,
    open: char,
    close: char,
) -> Result<Option<&'t str>, RelationProblem> {
    let Some(inside) = rest.trim_ascii_start().strip_prefix(open) else {
        return Ok(None);
    };
    let (inside, after) = inside.split_once(close).ok_or(RelationProblem::Brackets)?;
    *rest = after;
    Ok(Some(inside.trim_ascii()))
}

fn parse_constraint(text: &str) -> Result<(Operator, Version), RelationProblem> {
    const OPERATORS: [(&str, Operator); 7] = [
        ("<<", Operator::Earlier),
        ("<=", Operator::EarlierOrEqual),
        (">=", Operator::LaterOrEqual),
        (">>", Operator::Later),
        ("=", Operator::Exactly),
        // Until dpkg 1.4 these were the only ones, and they include the version itself.
        ("<", Operator::EarlierOrEqual),
        (">", Operator::LaterOrEqual),
    ];
    let (operator, version) = OPERATORS
        .iter()
        .find_map(|(written, operator)| Some((*operator, text.strip_prefix(written)?)))
        .ok_or(RelationProblem::Operator)?;
    Ok((operator, version.trim_ascii().parse()?))
}

/// Parses words that a `!` may stand before; at least one.
fn parse_terms<T>(
    list: &str,
    term: impl Fn(bool, &str) -> Result<T, RelationProblem>,
) -> Result<Vec<T>, RelationProblem> {
    let words = list.split_ascii_whitespace();
    let terms: Vec<T> = words
        .take(RESTRICTIONS_MAX + 1)
        .map(|word| match word.strip_prefix('!') {
            Some(word) => term(true, word),
            None => term(false, word),
        })
        .collect::<Result<_, _>>()?;
    match terms.len() {
        0 => Err(RelationProblem::Brackets),
        1..=RESTRICTIONS_MAX => Ok(terms),
        _ => Err(RelationProblem::TooMany(RESTRICTIONS_MAX)),
    }
}

fn parse_profile(negated: bool, profile: &str) -> Result<ProfileTerm, RelationProblem> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-+._/".contains(c);
    if profile.is_empty() || !profile.chars().all(allowed) {
        return Err(RelationProblem::Profile(profile.to_owned()));
    }
    Ok(ProfileTerm {
        negated,
        profile: profile.to_owned(),
    })
}

impl fmt::Display for Relations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_joined(f, &self.0, ", ")
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_joined(f, &self.alternatives, " | ")
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some((operator, version)) = &self.constraint {
            write!(f, " ({} {version})", operator.as_str())?;
        }
        if !self.architectures.is_empty() {
            f.write_str(" [")?;
            write_joined(f, &self.architectures, " ")?;
            f.write_str("]")?;
        }
        for list in &self.profiles {
            f.write_str(" <")?;
            write_joined(f, list, " ")?;
            f.write_str(">")?;
        }
        Ok(())
    }
}

impl fmt::Display for ArchQualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArchQualifier::Any => f.write_str("any"),
            ArchQualifier::Native => f.write_str("native"),
            ArchQualifier::Architecture(architecture) => write!(f, "{architecture}"),
        }
    }
}

impl fmt::Display for ArchRestriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.negated { "!" } else { "" }, self.pattern)
    }
}

impl fmt::Display for ProfileTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.negated { "!" } else { "" }, self.profile)
    }
}

fn write_joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T], separator: &str) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl TryFrom<String> for Dependency {
    type Error = RelationError;

    fn try_from(text: String) -> Result<Self, RelationError> {
        text.parse()
    }
}

impl From<Dependency> for String {
    fn from(dependency: Dependency) -> String {
        dependency.to_string()
    }
}

/// How much of a malformed relation an error shows.
const SHOWN_CHARS: usize = 80;

#[cfg(test)]
mod tests;
