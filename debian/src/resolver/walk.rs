//! The natural set: following the roots by preference, without looking ahead.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use super::ResolveError;
use super::universe::{Choice, Name, Need, Universe};

/// Follows all needs from the roots. What leaves no choice of package is chosen first; then needs that something
/// chosen satisfies already are done; only then is the oldest open need given its preferred choice. So `default-mta |
/// mail-transport-agent` takes the one that is there for another reason.
///
/// With `within` set, nothing else is chosen: of a set that satisfies everything this keeps what is needed.
/// Without it the result may have gaps where a conflict or a dead end was met.
pub(super) fn walk(
    universe: &mut Universe<'_>,
    within: Option<&HashSet<Choice>>,
) -> Result<Vec<Choice>, ResolveError> {
    let mut walk = Walk {
        universe,
        within,
        order: Vec::new(),
        chosen: HashSet::new(),
        taken: HashSet::new(),
        forbidden: HashSet::new(),
    };
    let roots = walk.universe.roots()?;
    let mut fresh: VecDeque<OpenNeed> = open_needs(&roots).collect();
    let mut waiting: VecDeque<OpenNeed> = VecDeque::new();
    loop {
        while let Some(need) = fresh.pop_front() {
            match walk.options(&need)? {
                Options::Done => {}
                Options::OneName(choice) => fresh.extend(walk.choose(choice)?),
                Options::Several(_) => waiting.push_back(need),
            }
        }
        // A choice may have left another need with one name: look again before preferring anything.
        let mut still_waiting = VecDeque::new();
        for need in std::mem::take(&mut waiting) {
            match walk.options(&need)? {
                Options::Done => {}
                Options::OneName(choice) if fresh.is_empty() => fresh.extend(walk.choose(choice)?),
                Options::OneName(_) | Options::Several(_) => still_waiting.push_back(need),
            }
        }
        waiting = still_waiting;
        if !fresh.is_empty() {
            continue;
        }
        let Some(need) = waiting.pop_front() else { break };
        if let Options::Several(choice) | Options::OneName(choice) = walk.options(&need)? {
            fresh.extend(walk.choose(choice)?);
        }
    }
    Ok(walk.order)
}

struct Walk<'w, 'r> {
    universe: &'w mut Universe<'r>,
    within: Option<&'w HashSet<Choice>>,
    /// In the order of choosing.
    order: Vec<Choice>,
    chosen: HashSet<Choice>,
    taken: HashSet<Name>,
    /// What something chosen conflicts with.
    forbidden: HashSet<Choice>,
}

struct OpenNeed {
    needs: Rc<[Need]>,
    at: usize,
}

enum Options {
    /// Satisfied, or impossible.
    Done,
    /// The preferred version of the only package that is left.
    OneName(Choice),
    /// The preferred choice among several packages.
    Several(Choice),
}

fn open_needs(needs: &Rc<[Need]>) -> impl Iterator<Item = OpenNeed> + use<> {
    let needs = Rc::clone(needs);
    (0..needs.len()).map(move |at| OpenNeed {
        needs: Rc::clone(&needs),
        at,
    })
}

impl Walk<'_, '_> {
    fn options(&mut self, need: &OpenNeed) -> Result<Options, ResolveError> {
        let Some(need) = need.needs.get(need.at) else {
            return Ok(Options::Done);
        };
        if !need.is_open() || need.choices.iter().any(|choice| self.chosen.contains(choice)) {
            return Ok(Options::Done);
        }
        let mut first = None;
        for choice in &need.choices {
            if !self.is_possible(*choice)? {
                continue;
            }
            match first {
                None => first = Some(*choice),
                Some(preferred) if self.universe.name_of(preferred) != self.universe.name_of(*choice) => {
                    return Ok(Options::Several(preferred));
                }
                Some(_) => {}
            }
        }
        Ok(first.map_or(Options::Done, Options::OneName))
    }

    fn is_possible(&mut self, choice: Choice) -> Result<bool, ResolveError> {
        let outside = self.within.is_some_and(|within| !within.contains(&choice));
        if outside || self.taken.contains(&self.universe.name_of(choice)) || self.forbidden.contains(&choice)
        {
            return Ok(false);
        }
        let clashes = self.universe.clashes(choice)?;
        Ok(clashes.iter().all(|clash| {
            clash.provided.is_none() && !clash.against.iter().any(|other| self.chosen.contains(other))
        }))
    }

    fn choose(&mut self, choice: Choice) -> Result<impl Iterator<Item = OpenNeed> + use<>, ResolveError> {
        self.order.push(choice);
        self.chosen.insert(choice);
        self.taken.insert(self.universe.name_of(choice));
        for clash in self.universe.clashes(choice)?.iter() {
            self.forbidden.extend(&clash.against);
        }
        Ok(open_needs(&self.universe.needs(choice)?))
    }
}
