//! `audit --fix` and `--diff`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use audit::finding::Finding;
use audit::fix::{self, FixedFile, Mapping, WriteError};
use audit::mapped::Span;
use audit::{Auditor, Severity, TreeReport};
use clap::Args;

use crate::failure::{Failure, Kind};
use crate::interruption::Interruption;
use crate::output;

/// What is to be changed.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Rewrite files in place, as --map says; what stays is reported, with the reason
    #[arg(long, conflicts_with = "diff", requires = "map")]
    fix: bool,
    /// Show what --fix would change as a unified diff, in place of the report; nothing is written
    #[arg(long, conflicts_with = "format", requires = "map")]
    diff: bool,
    /// Where images are now: OLD=NEW, or a file with such a pair on each line; may be given several times
    ///
    /// Both are prefixes of references, HOST[/PART]...; the longest that fits counts. OLD hosts are looked for as with --host.
    /// k8s.gcr.io=registry.k8s.io is known.
    #[arg(long, value_name = "FILE|OLD=NEW")]
    map: Vec<String>,
}

impl Options {
    pub(super) fn shows_diff(&self) -> bool {
        self.diff
    }

    /// Whether anything is mapped by the user.
    pub(super) fn has_mapping(&self) -> bool {
        !self.map.is_empty()
    }

    /// Files with mappings.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.map.iter().filter(|given| !given.contains('='));
        files.map(PathBuf::from)
    }

    /// Everything that is mapped.
    pub(super) fn mapping(&self) -> Result<Mapping, Failure> {
        let mut mapping = Mapping::known();
        let mut pairs = String::new();
        for given in &self.map {
            if given.contains('=') {
                pairs.push_str(given);
            } else {
                let attempt = || format!("cannot read the mapping {}", inspect::visible(given));
                let text = std::fs::read_to_string(given)
                    .map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
                pairs.push_str(&text);
            }
            pairs.push('\n');
        }
        let added = mapping.add(&pairs);
        added.map_err(|error| Failure::new(Kind::Usage, "cannot use the mapping", error))?;
        Ok(mapping)
    }
}

/// What became of the findings of a file that were to be rewritten.
enum Changed {
    /// These are no more; all others stay as the keys that they would have become are there.
    Mended(HashSet<Span>),
    /// None of them, and why.
    Left(String),
}

/// Shows or makes the changes; returns how many errors and warnings are left. What is mended is taken out of the report.
pub(super) fn change(
    options: &Options,
    auditor: &Auditor,
    found: &mut TreeReport,
    is_on_disk: bool,
) -> Result<usize, Failure> {
    if !options.fix && !options.diff {
        return Ok(left(found));
    }
    if !is_on_disk {
        return Err(Failure::usage(
            "only files can be rewritten, not revisions or standard input",
        ));
    }
    let interruption = match options.fix {
        true => Interruption::heard()?,
        false => Interruption::default(),
    };
    let mut files: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in found.findings.iter().filter(|finding| finding.fix.is_some()) {
        files.entry(&finding.path).or_default().push(finding);
    }
    let mut changes: HashMap<String, Changed> = HashMap::new();
    for (path, findings) in files {
        if interruption.is_wanted() {
            let count = changes.values().filter(|change| is_mended(change)).count();
            let plural = if count == 1 { " was" } else { "s were" };
            return Err(Failure::stated(
                Kind::Interrupted,
                format!("interrupted: {count} file{plural} rewritten"),
            ));
        }
        let file = Rewritten {
            auditor,
            options,
            path,
            file: found.file(path),
        };
        changes.insert(path.to_owned(), file.change(&findings)?);
    }
    let files = changes.values().filter(|change| is_mended(change)).count();
    let mended: usize = changes.values().map(count).sum();
    if options.fix {
        take_mended(found, &changes);
    }
    let plural = if files == 1 { "" } else { "s" };
    let done = match options.fix {
        true => "rewritten",
        false => "would be rewritten",
    };
    output::talk(&format!("{mended} {done} in {files} file{plural}"));
    Ok(left(found))
}

fn left(found: &TreeReport) -> usize {
    let findings = found.findings.iter();
    findings.filter(|one| one.severity >= Severity::Warning).count()
}

fn is_mended(change: &Changed) -> bool {
    matches!(change, Changed::Mended(_))
}

fn count(change: &Changed) -> usize {
    match change {
        Changed::Mended(spans) => spans.len(),
        Changed::Left(_) => 0,
    }
}

/// Takes out what is mended, and notes of the rest why it is not.
fn take_mended(found: &mut TreeReport, changes: &HashMap<String, Changed>) {
    found.findings.retain_mut(|finding| {
        let Some(change) = changes.get(&finding.path).filter(|_| finding.fix.is_some()) else {
            return true;
        };
        let why = match change {
            Changed::Mended(spans) if spans.contains(&finding.span) => return false,
            Changed::Mended(_) => fix::Unfixed::Twins.to_string(),
            Changed::Left(why) => why.clone(),
        };
        finding.fix = None;
        finding.stays = Some(why);
        true
    });
}

/// A file that is to be rewritten.
struct Rewritten<'r> {
    auditor: &'r Auditor,
    options: &'r Options,
    path: &'r str,
    file: &'r Path,
}

impl Rewritten<'_> {
    fn change(&self, findings: &[&Finding]) -> Result<Changed, Failure> {
        let named = inspect::visible(self.path);
        let seen = std::fs::read(self.file)
            .map_err(|error| Failure::outside(format!("cannot read {named}"), error))?;
        let fixed = match fix::try_rewrite(self.auditor, self.path, &seen, findings) {
            Ok(fixed) => fixed,
            Err(why) => {
                output::talk(&format!("{named}: not rewritten: {why}"));
                return Ok(Changed::Left(why.to_string()));
            }
        };
        if self.options.diff {
            self.show(&fixed)?;
        } else if let Some(why) = self.write(&seen, &fixed)? {
            return Ok(Changed::Left(why));
        }
        Ok(Changed::Mended(fixed.mended.into_iter().collect()))
    }

    fn show(&self, fixed: &FixedFile) -> Result<(), Failure> {
        let diff = fix::unified_diff(self.file, &fixed.before, &fixed.after);
        if !fixed.is_utf8 {
            output::talk(&format!(
                "{}: it is UTF-16 and shown as UTF-8: this part of the diff cannot be applied",
                inspect::visible(self.path)
            ));
        }
        // A terminal would do what signs of control say; a patch needs them.
        match std::io::stdout().is_terminal() {
            true => {
                let lines: Vec<_> = diff.split('\n').map(inspect::visible).collect();
                output::data(lines.join("\n").as_bytes())
            }
            false => output::data(diff.as_bytes()),
        }
    }

    /// Says why it was not written, if it was not.
    fn write(&self, seen: &[u8], fixed: &FixedFile) -> Result<Option<String>, Failure> {
        match fix::write(self.file, seen, &fixed.bytes) {
            Ok(()) => Ok(None),
            Err(error @ WriteError::Io { .. }) => Err(Failure::outside(
                "cannot rewrite everything; what was told before is done",
                error,
            )),
            Err(error) => {
                output::talk(&inspect::visible(&error.to_string()));
                Ok(Some(error.reason().to_owned()))
            }
        }
    }
}
