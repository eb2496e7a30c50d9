//! Why nothing satisfies a request: the fewest facts that collide, in words.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::solve::{Fact, Outcome, SearchOptions, search};
use super::universe::{Choice, Clash, Name, Need, Purpose, Universe, provided_version};
use super::{Request, ResolveError};
use crate::control::PackageName;
use crate::index::Record;
use crate::relation::{ArchQualifier, Relation};
use crate::version::Version;

/// The most lines of an explanation.
const LINES_MAX: usize = 20;
/// The most searches made to find the fewest facts; beyond it there may be some too many.
const SEARCHES_MAX: usize = 2_000;
/// The most names of one list in a line.
const LISTED_MAX: usize = 5;

/// Explains, given the choices that the failed search looked at.
pub(super) fn explain(universe: &RefCell<Universe<'_>>, visited: &[Choice]) -> Result<String, ResolveError> {
    let mut minimizer = Minimizer {
        universe,
        searches: 0,
    };
    let facts = facts_about(&mut universe.borrow_mut(), visited)?;
    let colliding: BTreeSet<Fact> = minimizer.fewest(&[], false, &facts)?.into_iter().collect();
    Words::new(&mut universe.borrow_mut(), &colliding)?.text()
}

/// `a, b and c`
pub(super) fn joined(items: &[impl AsRef<str>], conjunction: &str) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    match items.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

fn facts_about(universe: &mut Universe<'_>, visited: &[Choice]) -> Result<Vec<Fact>, ResolveError> {
    let mut facts: Vec<Fact> = (0..universe.roots()?.len()).map(Fact::Root).collect();
    for choice in visited {
        facts.extend((0..universe.needs(*choice)?.len()).map(|at| Fact::Need(*choice, at)));
        facts.extend((0..universe.clashes(*choice)?.len()).map(|at| Fact::Clash(*choice, at)));
    }
    Ok(facts)
}

/// Finds facts that collide and of which none can be left out, by Junker's QuickXplain.
struct Minimizer<'u, 'r> {
    universe: &'u RefCell<Universe<'r>>,
    searches: usize,
}

impl Minimizer<'_, '_> {
    /// The fewest of `facts` that collide together with `given`. `changed` says whether `given` has grown since it was
    /// last seen not to collide on its own.
    fn fewest(&mut self, given: &[Fact], changed: bool, facts: &[Fact]) -> Result<Vec<Fact>, ResolveError> {
        if changed && self.collide(given)? {
            return Ok(Vec::new());
        }
        if facts.len() <= 1 || self.searches > SEARCHES_MAX {
            return Ok(facts.to_vec());
        }
        let (early, late) = facts.split_at(facts.len() / 2);
        let needed_late = self.fewest(&[given, early].concat(), true, late)?;
        let given = [given, &needed_late].concat();
        let mut needed = self.fewest(&given, !needed_late.is_empty(), early)?;
        needed.extend(needed_late);
        Ok(needed)
    }

    fn collide(&mut self, facts: &[Fact]) -> Result<bool, ResolveError> {
        self.searches += 1;
        let facts = Some(facts.iter().copied().collect());
        let outcome = search(
            self.universe,
            SearchOptions {
                facts,
                ..SearchOptions::default()
            },
        )?;
        Ok(matches!(outcome, Outcome::Unsolvable(_)))
    }
}

/// A sentence about one or several versions of a package, or about the subject of the request.
struct Line {
    package: Option<PackageName>,
    versions: Vec<Version>,
    predicate: String,
}

struct Words<'w, 'r> {
    universe: &'w mut Universe<'r>,
    needs: Vec<(Option<Rc<Record>>, NeedIn)>,
    clashes: Vec<(Rc<Record>, ClashIn)>,
    /// What the colliding needs could be satisfied with.
    involved: BTreeSet<Choice>,
}

struct NeedIn(Rc<[Need]>, usize);
struct ClashIn(Rc<[Clash]>, usize);

impl<'w, 'r> Words<'w, 'r> {
    fn new(universe: &'w mut Universe<'r>, facts: &BTreeSet<Fact>) -> Result<Self, ResolveError> {
        let mut words = Words {
            universe,
            needs: Vec::new(),
            clashes: Vec::new(),
            involved: BTreeSet::new(),
        };
        for fact in facts {
            match *fact {
                Fact::Root(at) => words.needs.push((None, NeedIn(words.universe.roots()?, at))),
                Fact::Need(choice, at) => {
                    let record = words.universe.record(choice);
                    words
                        .needs
                        .push((record, NeedIn(words.universe.needs(choice)?, at)));
                }
                Fact::Clash(choice, at) => {
                    let clashes = ClashIn(words.universe.clashes(choice)?, at);
                    words
                        .clashes
                        .extend(words.universe.record(choice).map(|record| (record, clashes)));
                }
            }
        }
        let needs = words
            .needs
            .iter()
            .filter_map(|(_, NeedIn(needs, at))| needs.get(*at));
        words.involved = needs.flat_map(|need| need.choices.iter().copied()).collect();
        Ok(words)
    }

    fn text(mut self) -> Result<String, ResolveError> {
        let mut lines: Vec<Line> = Vec::new();
        let single = self.one_version_lines();
        for (record, NeedIn(needs, at)) in std::mem::take(&mut self.needs) {
            let Some(need) = needs.get(at) else { continue };
            let verb = if record.is_some() { "depends on" } else { "needs" };
            let predicate = format!("{verb} {}{}", need.dependency, self.remark_on(need)?);
            push_line(&mut lines, record.as_deref(), predicate);
        }
        for (record, ClashIn(clashes, at)) in std::mem::take(&mut self.clashes) {
            let Some(clash) = clashes.get(at) else { continue };
            let predicate = self.clash_predicate(clash);
            push_line(&mut lines, Some(&record), predicate);
        }
        let subject = &self.universe.request.subject;
        let mut lines: Vec<String> = lines.into_iter().map(|line| line.sentence(subject)).collect();
        lines.extend(single);
        if lines.len() > LINES_MAX {
            let more = lines.len() - (LINES_MAX - 1);
            lines.truncate(LINES_MAX - 1);
            lines.push(format!("… and {more} more such relations"));
        }
        Ok(lines.join("\n"))
    }

    /// What a reader must know of a need to see why it cannot be satisfied.
    fn remark_on(&mut self, need: &Need) -> Result<String, ResolveError> {
        let mut reasons = Vec::new();
        for relation in &need.dependency.alternatives {
            reasons.extend(self.reason_against(relation)?);
        }
        if need.choices.is_empty() {
            return Ok(format!(", but {}", joined(&reasons, "and")));
        }
        let real = |choice: &Choice| {
            let name = self.universe.name_text(self.universe.name_of(*choice));
            need.dependency
                .alternatives
                .iter()
                .any(|relation| relation.name.as_str() == name)
        };
        if !need.choices.iter().any(real) {
            let mut names: Vec<&str> = self.names_of(&need.choices);
            if names.len() > LISTED_MAX {
                names.truncate(LISTED_MAX);
                names.push("others");
            }
            reasons.push(format!("provided by {}", joined(&names, "and")));
        }
        Ok(if reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", joined(&reasons, "and"))
        })
    }

    /// Why nothing satisfies one alternative; nothing, if something does or it is not meant for us.
    fn reason_against(&mut self, relation: &Relation) -> Result<Option<String>, ResolveError> {
        let request = self.universe.request;
        let name = &relation.name;
        if !relation.applies_to(&request.architecture) {
            return Ok(None);
        }
        let matching = self.universe.matching(relation, Purpose::Need)?;
        let is_excluded = |name: &str| request.exclude.contains(name);
        if is_excluded(name.as_str()) {
            return Ok(Some(format!("{name} is excluded")));
        }
        if !matching.is_empty() {
            let names = self.names_of(&matching);
            let all = names.iter().all(|name| is_excluded(name));
            let verb = if names.len() == 1 { "is" } else { "are" };
            return Ok(all.then(|| format!("{} {verb} excluded", joined(&names, "and"))));
        }
        let number = self.universe.name(name)?;
        let versions = self.universe.versions(number);
        if !versions.is_empty() {
            return Ok(Some(self.reason_against_versions(relation, &versions)));
        }
        if let Some(version) = request.provide.iter().find(|provided| provided.name == *name) {
            let version = version
                .version
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            return Ok(Some(format!("{name} is taken to be there in version {version}")));
        }
        let providers = self.universe.providers(name)?;
        if let Some((choice, provided)) = providers.first()
            && let Some(record) = self.universe.record(*choice)
        {
            let how = provided_version(provided)
                .map_or("without a version".to_owned(), |version| format!("as {version}"));
            return Ok(Some(format!(
                "{} {} provides {name} only {how}",
                record.name, record.version
            )));
        }
        Ok(Some(absence_of(name, request)))
    }

    fn reason_against_versions(&self, relation: &Relation, versions: &[Choice]) -> String {
        let name = &relation.name;
        let architecture = &self.universe.request.architecture;
        let records: Vec<_> = versions
            .iter()
            .filter_map(|choice| Some((*choice, self.universe.record(*choice)?)))
            .collect();
        let fitting = records
            .iter()
            .find(|(_, record)| relation.accepts_version(&record.version));
        match (&relation.qualifier, fitting) {
            (Some(ArchQualifier::Any), Some((_, record))) => {
                return format!("{name} {} does not say Multi-Arch: allowed", record.version);
            }
            (Some(ArchQualifier::Architecture(wanted)), Some(_)) => {
                return format!("only packages for {architecture} are looked at, not those for {wanted}");
            }
            _ => {}
        }
        let request = self.universe.request;
        let archive_of = |choice| {
            request
                .indexes
                .get(self.universe.archive(choice))
                .map_or("", |from| from.name.as_str())
        };
        match records.as_slice() {
            [(choice, only)] => format!("only {name} {} is in {}", only.version, archive_of(*choice)),
            several => {
                let listed = several
                    .iter()
                    .map(|(choice, record)| format!("{} ({})", record.version, archive_of(*choice)));
                format!(
                    "only {name} {} are there",
                    joined(&listed.collect::<Vec<_>>(), "and")
                )
            }
        }
    }

    fn clash_predicate(&self, clash: &Clash) -> String {
        let verb = if clash.breaks { "breaks" } else { "conflicts with" };
        let mut predicate = format!("{verb} {}", clash.relation);
        if clash.provided.is_some() {
            predicate += ", which is taken to be there";
        }
        let hit = clash
            .against
            .iter()
            .filter(|choice| self.involved.contains(choice));
        let standing_in = hit.filter_map(|choice| self.universe.record(*choice));
        let standing_in = standing_in.filter(|record| record.name != clash.relation.name);
        let named: Vec<String> = standing_in
            .take(LISTED_MAX)
            .map(|record| format!("{} {}", record.name, record.version))
            .collect();
        if !named.is_empty() {
            let verb = if named.len() == 1 { "provides" } else { "provide" };
            predicate += &format!(", which {} {verb}", joined(&named, "and"));
        }
        predicate
    }

    /// A sentence for each package of which different versions are asked for.
    fn one_version_lines(&self) -> Vec<String> {
        let mut versions: BTreeMap<Name, Vec<Choice>> = BTreeMap::new();
        for choice in &self.involved {
            versions
                .entry(self.universe.name_of(*choice))
                .or_default()
                .push(*choice);
        }
        let needs = self
            .needs
            .iter()
            .filter_map(|(_, NeedIn(needs, at))| needs.get(*at));
        let needs: Vec<&Need> = needs.collect();
        // Some need must ask for some of the versions and not for others.
        let divides = |need: &&Need, versions: &[Choice]| {
            let accepted = versions
                .iter()
                .filter(|choice| need.choices.contains(choice))
                .count();
            (1..versions.len()).contains(&accepted)
        };
        let several = versions
            .into_iter()
            .filter(|(_, versions)| needs.iter().any(|need| divides(need, versions)));
        let lines = several.map(|(name, choices)| {
            let records = choices.iter().filter_map(|choice| self.universe.record(*choice));
            let versions: Vec<String> = records.map(|record| record.version.to_string()).collect();
            let name = self.universe.name_text(name);
            format!(
                "only one version of {name} can be chosen: {}",
                joined(&versions, "or")
            )
        });
        lines.collect()
    }

    fn names_of(&self, choices: &[Choice]) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for choice in choices {
            let name = self.universe.name_text(self.universe.name_of(*choice));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

fn push_line(lines: &mut Vec<Line>, record: Option<&Record>, predicate: String) {
    let package = record.map(|record| record.name.clone());
    let same = lines
        .iter_mut()
        .find(|line| line.package == package && line.predicate == predicate);
    match (same, record) {
        (Some(line), Some(record)) => line.versions.push(record.version.clone()),
        _ => lines.push(Line {
            package,
            versions: record.map(|record| record.version.clone()).into_iter().collect(),
            predicate,
        }),
    }
}

impl Line {
    fn sentence(&self, subject: &str) -> String {
        let versions: Vec<String> = self.versions.iter().map(ToString::to_string).collect();
        match (&self.package, versions.as_slice()) {
            (None, _) => format!("{subject} {}", self.predicate),
            (Some(package), [version]) => format!("{package} {version} {}", self.predicate),
            (Some(package), several) => format!("{package} ({}) {}", joined(several, "and"), self.predicate),
        }
    }
}

/// Says where a package was looked for in vain, or that it may not come from where it is.
fn absence_of(name: &PackageName, request: &Request<'_>) -> String {
    for candidates in request.indexes {
        let withheld = candidates
            .allow
            .as_ref()
            .is_some_and(|allow| !allow.contains(name));
        if withheld && !candidates.index.named(name.as_str()).is_empty() {
            return format!(
                "{name} is not among the packages that may come from {}",
                candidates.name
            );
        }
    }
    let archives: Vec<&str> = request
        .indexes
        .iter()
        .map(|candidates| candidates.name.as_str())
        .collect();
    if archives.is_empty() {
        return format!("there is no index that could have {name}");
    }
    format!("nothing in {} is or provides {name}", joined(&archives, "or"))
}
