//! What the caller is told about a solved request.

use std::collections::{BTreeSet, HashSet};

use super::universe::{Choice, Need, Universe};
use super::{Dropped, Resolution, ResolveError, Resolved};
use crate::control::PackageName;

/// Refuses roots that only excluded packages would satisfy: dropping those cannot be meant.
pub(super) fn check_roots(universe: &mut Universe<'_>) -> Result<(), ResolveError> {
    for root in universe.roots()?.iter() {
        if let (Some((_, excluded)), true, None) =
            (root.excluded.first(), root.choices.is_empty(), root.provided)
        {
            return Err(ResolveError::RootExcluded {
                subject: universe.request.subject.clone(),
                root: root.dependency.clone(),
                excluded: excluded.clone(),
            });
        }
    }
    Ok(())
}

/// The resolution that consists of `chosen`.
pub(super) fn report(universe: &mut Universe<'_>, chosen: &[Choice]) -> Result<Resolution, ResolveError> {
    let request = universe.request;
    let mut uses = Uses {
        chosen: chosen.iter().copied().collect(),
        ..Uses::default()
    };
    for root in universe.roots()?.iter() {
        uses.look_at(universe, None, root);
    }
    let mut packages = Vec::with_capacity(chosen.len());
    for choice in chosen {
        let Some(record) = universe.record(*choice) else {
            continue;
        };
        for need in universe.needs(*choice)?.iter() {
            uses.look_at(universe, Some(&record.name), need);
        }
        let archive = request
            .indexes
            .get(universe.archive(*choice))
            .map_or(0, |candidates| candidates.id);
        packages.push(Resolved {
            record: (*record).clone(),
            archive,
        });
    }
    packages.sort_by(|left, right| left.record.name.cmp(&right.record.name));
    uses.dropped
        .sort_by(|left, right| left.package.cmp(&right.package));
    let unused_provide = request
        .provide
        .iter()
        .enumerate()
        .filter(|(at, _)| !uses.provided.contains(at));
    Ok(Resolution {
        packages,
        dropped: uses.dropped,
        unused_exclude: request.exclude.difference(&uses.excluded).cloned().collect(),
        unused_provide: unused_provide.map(|(_, provided)| provided.clone()).collect(),
    })
}

/// The entries of `exclude` and `provide` that mattered, and for which relations.
#[derive(Default)]
struct Uses {
    chosen: HashSet<Choice>,
    excluded: BTreeSet<PackageName>,
    provided: BTreeSet<usize>,
    dropped: Vec<Dropped>,
}

impl Uses {
    fn look_at(&mut self, universe: &Universe<'_>, package: Option<&PackageName>, need: &Need) {
        let satisfied_at = need
            .choices
            .iter()
            .position(|choice| self.chosen.contains(choice));
        let because_of = match (satisfied_at, need.provided) {
            (Some(at), _) => {
                // Preferred to what was chosen, these would have been taken.
                let preferred = need.excluded.iter().filter(|(before, _)| *before <= at);
                self.excluded.extend(preferred.map(|(_, name)| name.clone()));
                return;
            }
            (None, Some(provided)) => {
                self.provided.insert(provided);
                universe
                    .request
                    .provide
                    .get(provided)
                    .map(|provided| provided.name.clone())
            }
            (None, None) => {
                self.excluded
                    .extend(need.excluded.iter().map(|(_, name)| name.clone()));
                need.excluded.first().map(|(_, name)| name.clone())
            }
        };
        if let Some(because_of) = because_of {
            let dependency = need.dependency.clone();
            self.dropped.push(Dropped {
                package: package.cloned(),
                dependency,
                because_of,
            });
        }
    }
}
