//! What can be chosen, and what each choice asks for: looked up in the indexes as the search gets there.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Request, ResolveError};
use crate::control::PackageName;
use crate::index::{IndexError, MultiArch, Record, StanzaId};
use crate::relation::{ArchQualifier, Dependency, Operator, Relation};
use crate::version::Version;

/// One version of a package from one index.
pub(super) type Choice = resolvo::SolvableId;
/// A package name that has been looked up.
pub(super) type Name = resolvo::NameId;

/// Everything that has been looked up so far. Numbers are given in the order of looking up, which is the same in
/// every run, and the versions of one name get theirs from the newest to the oldest.
pub(super) struct Universe<'r> {
    pub(super) request: &'r Request<'r>,
    choices: Vec<ChoiceData>,
    names: Vec<NameData>,
    name_numbers: HashMap<PackageName, Name>,
    roots: Option<Rc<[Need]>>,
}

struct NameData {
    name: PackageName,
    choices: Rc<[Choice]>,
}

struct ChoiceData {
    name: Name,
    archive: usize,
    stanza: StanzaId,
    record: Rc<Record>,
    needs: Option<Rc<[Need]>>,
    clashes: Option<Rc<[Clash]>>,
}

/// An entry of `Pre-Depends` or `Depends`, or a root.
pub(super) struct Need {
    pub(super) dependency: Dependency,
    /// What would satisfy it, the preferred first. Without excluded packages.
    pub(super) choices: Vec<Choice>,
    /// The excluded names that would satisfy it, each with the number of choices that are preferred to it.
    pub(super) excluded: Vec<(usize, PackageName)>,
    /// The entry of [`Request::provide`] that satisfies it.
    pub(super) provided: Option<usize>,
}

/// An entry of `Conflicts` or `Breaks` that hits something.
pub(super) struct Clash {
    pub(super) relation: Relation,
    pub(super) breaks: bool,
    /// What it hits, never other versions of the package itself.
    pub(super) against: Vec<Choice>,
    /// The entry of [`Request::provide`] that it hits.
    pub(super) provided: Option<usize>,
}

/// What a relation is for: whether its qualifier narrows what it matches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Need,
    Clash,
}

impl Need {
    /// Whether something must be chosen for it. If not, it was provided for, or only excluded packages would do.
    pub(super) fn is_open(&self) -> bool {
        self.provided.is_none() && (!self.choices.is_empty() || self.excluded.is_empty())
    }
}

impl<'r> Universe<'r> {
    pub(super) fn new(request: &'r Request<'r>) -> Self {
        Universe {
            request,
            choices: Vec::new(),
            names: Vec::new(),
            name_numbers: HashMap::new(),
            roots: None,
        }
    }

    /// The index entry of a choice.
    pub(super) fn record(&self, choice: Choice) -> Option<Rc<Record>> {
        Some(Rc::clone(&self.data(choice)?.record))
    }

    /// The place in [`Request::indexes`] that a choice comes from.
    pub(super) fn archive(&self, choice: Choice) -> usize {
        self.data(choice).map_or(0, |data| data.archive)
    }

    /// The name of a choice.
    pub(super) fn name_of(&self, choice: Choice) -> Name {
        self.data(choice).map_or(Name::from_raw(0), |data| data.name)
    }

    /// The text of a name.
    pub(super) fn name_text(&self, name: Name) -> &str {
        self.names
            .get(name.into_raw() as usize)
            .map_or("", |data| data.name.as_str())
    }

    /// All versions of a name, the newest first.
    pub(super) fn versions(&self, name: Name) -> Rc<[Choice]> {
        self.names
            .get(name.into_raw() as usize)
            .map(|data| Rc::clone(&data.choices))
            .unwrap_or_default()
    }

    /// The number of a name; looks up its versions in all indexes the first time.
    pub(super) fn name(&mut self, name: &PackageName) -> Result<Name, ResolveError> {
        if let Some(number) = self.name_numbers.get(name) {
            return Ok(*number);
        }
        let number = Name::from_raw(number_of(self.names.len()));
        let choices = self.look_up(name, number)?;
        self.names.push(NameData {
            name: name.clone(),
            choices,
        });
        self.name_numbers.insert(name.clone(), number);
        Ok(number)
    }

    fn look_up(&mut self, name: &PackageName, number: Name) -> Result<Rc<[Choice]>, ResolveError> {
        let mut found: Vec<ChoiceData> = Vec::new();
        for (archive, candidates) in self.request.indexes.iter().enumerate() {
            if candidates
                .allow
                .as_ref()
                .is_some_and(|allow| !allow.contains(name))
            {
                continue;
            }
            for stanza in candidates.index.named(name.as_str()) {
                let record = candidates
                    .index
                    .record(stanza)
                    .map_err(|error| self.index_error(archive, error))?;
                let fits = record.architecture.is_all() || record.architecture == self.request.architecture;
                // The first archive that has a version gives it.
                if fits && found.iter().all(|other| other.record.version != record.version) {
                    let record = Rc::new(record);
                    found.push(ChoiceData {
                        name: number,
                        archive,
                        stanza,
                        record,
                        needs: None,
                        clashes: None,
                    });
                }
            }
        }
        found.sort_by(|left, right| right.record.version.cmp(&left.record.version));
        let first = self.choices.len();
        self.choices.extend(found);
        Ok((first..self.choices.len())
            .map(|at| Choice::from_raw(number_of(at)))
            .collect())
    }

    /// The roots of the request.
    pub(super) fn roots(&mut self) -> Result<Rc<[Need]>, ResolveError> {
        if let Some(roots) = &self.roots {
            return Ok(Rc::clone(roots));
        }
        let request = self.request;
        let needs = self.needs_in(&request.roots)?;
        self.roots = Some(Rc::clone(&needs));
        Ok(needs)
    }

    /// What a choice must have beside it.
    pub(super) fn needs(&mut self, choice: Choice) -> Result<Rc<[Need]>, ResolveError> {
        let Some(data) = self.data(choice) else {
            return Ok(Rc::default());
        };
        if let Some(needs) = &data.needs {
            return Ok(Rc::clone(needs));
        }
        let record = Rc::clone(&data.record);
        let needs = self.needs_in(record.pre_depends.0.iter().chain(&record.depends.0))?;
        if let Some(data) = self.data_mut(choice) {
            data.needs = Some(Rc::clone(&needs));
        }
        Ok(needs)
    }

    /// What a choice must not have beside it.
    pub(super) fn clashes(&mut self, choice: Choice) -> Result<Rc<[Clash]>, ResolveError> {
        let Some(data) = self.data(choice) else {
            return Ok(Rc::default());
        };
        if let Some(clashes) = &data.clashes {
            return Ok(Rc::clone(clashes));
        }
        let (record, name) = (Rc::clone(&data.record), data.name);
        let mut clashes = Vec::new();
        let conflicts = record.conflicts.iter().map(|relation| (relation, false));
        for (relation, breaks) in conflicts.chain(record.breaks.iter().map(|relation| (relation, true))) {
            if !relation.applies_to(&self.request.architecture) {
                continue;
            }
            let mut against = self.matching(relation, Purpose::Clash)?;
            against.retain(|other| self.name_of(*other) != name);
            let provided = self.provided_hit_by(relation, &record.name);
            if provided.is_some() || !against.is_empty() {
                clashes.push(Clash {
                    relation: relation.clone(),
                    breaks,
                    against,
                    provided,
                });
            }
        }
        let clashes: Rc<[Clash]> = clashes.into();
        if let Some(data) = self.data_mut(choice) {
            data.clashes = Some(Rc::clone(&clashes));
        }
        Ok(clashes)
    }

    fn needs_in<'d>(
        &mut self,
        dependencies: impl IntoIterator<Item = &'d Dependency>,
    ) -> Result<Rc<[Need]>, ResolveError> {
        let mut needs = Vec::new();
        for dependency in dependencies {
            needs.extend(self.need(dependency)?);
        }
        Ok(needs.into())
    }

    /// Looks up what would satisfy an entry. Nothing, if it is meant for other architectures.
    fn need(&mut self, dependency: &Dependency) -> Result<Option<Need>, ResolveError> {
        let request = self.request;
        let mut need = Need {
            dependency: dependency.clone(),
            choices: Vec::new(),
            excluded: Vec::new(),
            provided: None,
        };
        let mut applies = false;
        for relation in &dependency.alternatives {
            if !relation.applies_to(&request.architecture) {
                continue;
            }
            applies = true;
            let satisfied = request
                .provide
                .iter()
                .position(|provided| provided.satisfies(relation));
            need.provided = need.provided.or(satisfied);
            if request.exclude.contains(&relation.name) {
                need.excluded.push((need.choices.len(), relation.name.clone()));
                continue;
            }
            for choice in self.matching(relation, Purpose::Need)? {
                let name = self.name_text(self.name_of(choice));
                if let Some(excluded) = request.exclude.get(name) {
                    need.excluded.push((need.choices.len(), excluded.clone()));
                } else if !need.choices.contains(&choice) {
                    need.choices.push(choice);
                }
            }
        }
        Ok(applies.then_some(need))
    }

    /// The packages that a relation means: the real ones, the newest first, then those that provide the name, the more
    /// essential, more important, newer, alphabetically earlier ones first.
    pub(super) fn matching(
        &mut self,
        relation: &Relation,
        purpose: Purpose,
    ) -> Result<Vec<Choice>, ResolveError> {
        let name = self.name(&relation.name)?;
        let mut matching = Vec::new();
        for choice in self.versions(name).iter() {
            if let Some(record) = self.record(*choice)
                && relation.accepts_version(&record.version)
                && self.qualifier_accepts(relation, &record, None, purpose)
            {
                matching.push(*choice);
            }
        }
        let mut providers = self.providers(&relation.name)?;
        providers.retain(|(choice, provided)| {
            let record = self.record(*choice);
            provided_version_satisfies(provided, relation)
                && record
                    .is_some_and(|record| self.qualifier_accepts(relation, &record, Some(provided), purpose))
        });
        for (choice, _) in providers {
            if !matching.contains(&choice) {
                matching.push(choice);
            }
        }
        Ok(matching)
    }

    /// All choices that provide a name, in order of preference, with how they provide it.
    pub(super) fn providers(&mut self, name: &PackageName) -> Result<Vec<(Choice, Relation)>, ResolveError> {
        let request = self.request;
        let mut providers: Vec<(Rc<Record>, Choice, Relation)> = Vec::new();
        for (archive, candidates) in request.indexes.iter().enumerate() {
            let entries = candidates
                .index
                .providers(name.as_str())
                .map_err(|error| self.index_error(archive, error))?;
            for (stanza, provided) in entries {
                let package = candidates
                    .index
                    .name_of(stanza)
                    .map_err(|error| self.index_error(archive, error))?;
                let package = self.name(&package)?;
                let from_here = |choice: &&Choice| {
                    self.data(**choice)
                        .is_some_and(|data| data.archive == archive && data.stanza == stanza)
                };
                let versions = self.versions(package);
                if let Some(choice) = versions.iter().find(from_here)
                    && let Some(record) = self.record(*choice)
                {
                    providers.push((record, *choice, provided));
                }
            }
        }
        providers.sort_by(|(left, ..), (right, ..)| {
            (right.essential.cmp(&left.essential))
                .then_with(|| left.priority.cmp(&right.priority))
                .then_with(|| right.version.cmp(&left.version))
                .then_with(|| left.name.cmp(&right.name))
        });
        Ok(providers
            .into_iter()
            .map(|(_, choice, provided)| (choice, provided))
            .collect())
    }

    /// Whether a package of the image's architecture is one that the qualifier means.
    ///
    /// Spec: deb-control(5), dpkg's multi-arch specification. Packages for `all` count as the machine's own.
    fn qualifier_accepts(
        &self,
        relation: &Relation,
        record: &Record,
        provided: Option<&Relation>,
        purpose: Purpose,
    ) -> bool {
        match &relation.qualifier {
            None | Some(ArchQualifier::Native) => true,
            Some(ArchQualifier::Any) => {
                purpose == Purpose::Clash
                    || record.multi_arch == MultiArch::Allowed
                    || provided.is_some_and(|provided| provided.qualifier == Some(ArchQualifier::Any))
            }
            Some(ArchQualifier::Architecture(wanted)) => *wanted == self.request.architecture,
        }
    }

    fn provided_hit_by(&self, relation: &Relation, own_name: &PackageName) -> Option<usize> {
        self.request.provide.iter().position(|provided| {
            provided.name != *own_name
                && provided.name == relation.name
                && match (&relation.constraint, &provided.version) {
                    (None, _) => true,
                    // What has no version is not known to be one that clashes.
                    (Some(_), None) => false,
                    (Some(_), Some(version)) => relation.accepts_version(version),
                }
        })
    }

    fn data(&self, choice: Choice) -> Option<&ChoiceData> {
        self.choices.get(choice.into_raw() as usize)
    }

    fn data_mut(&mut self, choice: Choice) -> Option<&mut ChoiceData> {
        self.choices.get_mut(choice.into_raw() as usize)
    }

    fn index_error(&self, archive: usize, error: IndexError) -> ResolveError {
        let archive = self
            .request
            .indexes
            .get(archive)
            .map(|candidates| candidates.name.clone());
        ResolveError::Index {
            archive: archive.unwrap_or_default(),
            error,
        }
    }
}

impl super::Provided {
    fn satisfies(&self, relation: &Relation) -> bool {
        self.name == relation.name
            && self
                .version
                .as_ref()
                .is_none_or(|version| relation.accepts_version(version))
    }
}

/// The version in which an entry of `Provides` provides its name.
pub(super) fn provided_version(provided: &Relation) -> Option<&Version> {
    match &provided.constraint {
        Some((Operator::Exactly, version)) => Some(version),
        _ => None,
    }
}

fn provided_version_satisfies(provided: &Relation, relation: &Relation) -> bool {
    relation.constraint.is_none()
        || provided_version(provided).is_some_and(|version| relation.accepts_version(version))
}

/// Indexes are too small for there to be more packages than 32 bits count.
fn number_of(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
