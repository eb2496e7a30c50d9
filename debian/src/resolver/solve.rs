//! The search: needs and clashes as clauses of a SAT solver.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use resolvo::{
    Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider, Interner,
    KnownDependencies, Problem, Requirement, Solver, SolverCache, StringId, UnsolvableOrCancelled,
    VersionSetId, VersionSetUnionId,
};

use super::ResolveError;
use super::universe::{Choice, Name, Need, Universe};

/// One statement that a search has to respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fact {
    /// A root of the request, by its place.
    Root(usize),
    /// One of a choice's needs, by its place.
    Need(Choice, usize),
    /// One of a choice's clashes, by its place.
    Clash(Choice, usize),
}

/// How to search.
#[derive(Default)]
pub(super) struct SearchOptions {
    /// What to try first wherever it would do.
    pub(super) preferred: HashSet<Choice>,
    /// The only statements to respect; all, when there is no such set.
    pub(super) facts: Option<BTreeSet<Fact>>,
}

/// What a search came to.
pub(super) enum Outcome {
    /// These satisfy everything.
    Solved(HashSet<Choice>),
    /// Nothing does. Given are the choices whose needs and clashes the search looked at, in that order.
    Unsolvable(Vec<Choice>),
}

/// Searches a set of choices that respects all facts.
pub(super) fn search(
    universe: &RefCell<Universe<'_>>,
    options: SearchOptions,
) -> Result<Outcome, ResolveError> {
    let provider = Provider {
        universe,
        options,
        sets: RefCell::default(),
        unions: RefCell::default(),
        visited: RefCell::default(),
        failure: RefCell::default(),
    };
    let roots = universe.borrow_mut().roots()?;
    let enabled = roots
        .iter()
        .enumerate()
        .filter(|(at, _)| provider.respects(Fact::Root(*at)));
    let requirements = enabled
        .filter_map(|(_, need)| provider.requirement(need))
        .collect();
    let mut solver = Solver::new(provider);
    let result = solver.solve(Problem::new().requirements(requirements));
    if let Some(failure) = solver.provider().failure.take() {
        return Err(failure);
    }
    Ok(match result {
        Ok(choices) => Outcome::Solved(choices.into_iter().collect()),
        // Nothing but a failure cancels, so what is left is a conflict.
        Err(UnsolvableOrCancelled::Unsolvable(_) | UnsolvableOrCancelled::Cancelled(_)) => {
            Outcome::Unsolvable(solver.provider().visited.take())
        }
    })
}

/// Answers the solver's questions from the universe.
struct Provider<'u, 'r> {
    universe: &'u RefCell<Universe<'r>>,
    options: SearchOptions,
    /// Choices of one name; what the solver calls version sets.
    sets: RefCell<Interned<(Name, Vec<Choice>)>>,
    unions: RefCell<Interned<Vec<VersionSetId>>>,
    visited: RefCell<Vec<Choice>>,
    failure: RefCell<Option<ResolveError>>,
}

/// Values by the number they were first seen with.
struct Interned<T> {
    values: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Interned {
            values: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Interned<T> {
    fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

impl Provider<'_, '_> {
    fn respects(&self, fact: Fact) -> bool {
        self.options
            .facts
            .as_ref()
            .is_none_or(|facts| facts.contains(&fact))
    }

    /// The union of the choices that satisfy a need, name by name. Nothing for a need that asks for nothing.
    fn requirement(&self, need: &Need) -> Option<ConditionalRequirement> {
        if !need.is_open() {
            return None;
        }
        let universe = self.universe.borrow();
        let mut by_name: Vec<(Name, Vec<Choice>)> = Vec::new();
        for choice in &need.choices {
            let name = universe.name_of(*choice);
            match by_name.iter_mut().find(|(other, _)| *other == name) {
                Some((_, choices)) => choices.push(*choice),
                None => by_name.push((name, vec![*choice])),
            }
        }
        // Stable: without a preferred one the order remains.
        by_name.sort_by_key(|(_, choices)| {
            !choices
                .iter()
                .any(|choice| self.options.preferred.contains(choice))
        });
        if by_name.is_empty() {
            // No set at all is not an option of the solver: an empty set of any name is as impossible.
            by_name.push((Name::from_raw(0), Vec::new()));
        }
        let mut sets: Vec<VersionSetId> = by_name.into_iter().map(|set| self.set(set)).collect();
        let requirement = match (sets.pop(), sets.is_empty()) {
            (Some(only), true) => Requirement::Single(only),
            (last, _) => {
                sets.extend(last);
                Requirement::Union(VersionSetUnionId(self.unions.borrow_mut().number(sets)))
            }
        };
        Some(requirement.into())
    }

    fn set(&self, (name, mut choices): (Name, Vec<Choice>)) -> VersionSetId {
        choices.sort();
        VersionSetId(self.sets.borrow_mut().number((name, choices)))
    }

    fn dependencies(&self, choice: Choice) -> Result<Dependencies, ResolveError> {
        self.visited.borrow_mut().push(choice);
        let needs = self.universe.borrow_mut().needs(choice)?;
        let clashes = self.universe.borrow_mut().clashes(choice)?;
        let needs = needs
            .iter()
            .enumerate()
            .filter(|(at, _)| self.respects(Fact::Need(choice, *at)));
        let requirements = needs.filter_map(|(_, need)| self.requirement(need)).collect();
        let mut constrains = Vec::new();
        for (at, clash) in clashes.iter().enumerate() {
            if !self.respects(Fact::Clash(choice, at)) {
                continue;
            }
            if clash.provided.is_some() {
                return Ok(Dependencies::Unknown(StringId(0)));
            }
            constrains.extend(self.constraints_against(&clash.against));
        }
        Ok(Dependencies::Known(KnownDependencies {
            requirements,
            constrains,
        }))
    }

    /// For each name that is hit: only the versions that are not.
    fn constraints_against(&self, against: &[Choice]) -> Vec<VersionSetId> {
        let universe = self.universe.borrow();
        let mut names: Vec<Name> = against.iter().map(|choice| universe.name_of(*choice)).collect();
        names.sort();
        names.dedup();
        let allowed = |name: Name| {
            let versions = universe.versions(name);
            (
                name,
                versions
                    .iter()
                    .copied()
                    .filter(|choice| !against.contains(choice))
                    .collect(),
            )
        };
        names.into_iter().map(|name| self.set(allowed(name))).collect()
    }
}

impl Interner for Provider<'_, '_> {
    type NameId = Name;
    type SolvableId = Choice;

    fn display_solvable(&self, choice: Choice) -> impl fmt::Display + '_ {
        let universe = self.universe.borrow();
        universe
            .record(choice)
            .map(|record| format!("{} {}", record.name, record.version))
            .unwrap_or_default()
    }

    fn display_name(&self, name: Name) -> impl fmt::Display + '_ {
        self.universe.borrow().name_text(name).to_owned()
    }

    // The solver's own explanations are not used, so sets need no words.
    fn display_version_set(&self, _set: VersionSetId) -> impl fmt::Display + '_ {
        "(some versions)"
    }

    fn display_string(&self, _string: StringId) -> impl fmt::Display + '_ {
        "it clashes with what is provided"
    }

    fn version_set_name(&self, set: VersionSetId) -> Name {
        self.sets
            .borrow()
            .values
            .get(set.0 as usize)
            .map_or(Name::from_raw(0), |(name, _)| *name)
    }

    fn solvable_name(&self, choice: Choice) -> Name {
        self.universe.borrow().name_of(choice)
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.unions
            .borrow()
            .values
            .get(union.0 as usize)
            .cloned()
            .unwrap_or_default()
            .into_iter()
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        // Never asked: no requirement has a condition.
        Condition::Requirement(VersionSetId(condition.as_u32()))
    }
}

impl DependencyProvider for Provider<'_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[Choice],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<Choice> {
        let sets = self.sets.borrow();
        let members = sets
            .values
            .get(set.0 as usize)
            .map(|(_, choices)| choices.as_slice())
            .unwrap_or_default();
        candidates
            .iter()
            .copied()
            .filter(|choice| members.binary_search(choice).is_ok() != inverse)
            .collect()
    }

    async fn get_candidates(&self, name: Name) -> Option<resolvo::Candidates<Choice>> {
        let candidates = self.universe.borrow().versions(name).to_vec();
        Some(resolvo::Candidates {
            candidates,
            ..resolvo::Candidates::default()
        })
    }

    async fn sort_candidates(&self, _cache: &SolverCache<Self>, choices: &mut [Choice]) {
        // The versions of a name are numbered from the newest.
        choices.sort_by_key(|choice| (!self.options.preferred.contains(choice), *choice));
    }

    async fn get_dependencies(&self, choice: Choice) -> Dependencies {
        self.dependencies(choice).unwrap_or_else(|failure| {
            self.failure.borrow_mut().get_or_insert(failure);
            Dependencies::Unknown(StringId(0))
        })
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        self.failure
            .borrow()
            .is_some()
            .then(|| Box::new(()) as Box<dyn Any>)
    }
}
