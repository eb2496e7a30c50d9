//! `lightship audit`: what in a source tree still depends on the old registry.

mod configuration;
mod explain;
mod fixing;
mod looking;
mod resolving;

use std::path::{Path, PathBuf};

use audit::fix::Mapping;
use audit::report::{self, TextStyle};
use audit::{Auditor, Baseline, Severity, TreeReport};
use clap::{Args, Subcommand, ValueEnum};

use crate::failure::{Failure, Kind, Outcome};
use crate::output;
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;
use audit::settings::is_host;
use configuration::Configuration;

/// Find what in source trees still depends on an old registry, and change it
///
/// Image references, logins, pull secrets, credential helpers, buckets, policies and allow-lists that name gcr.io and its
/// like; what is Google's own, a mirror or in Artifact Registry already is noted. Exit 1 when there are errors or warnings.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Folders and files to look at; `-` is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    change: fixing::Options,
    /// Ask registries whether each reference resolves, and what --map makes of it, anonymously and with your credentials
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    registry: RegistryOptions,
    /// How to report
    #[arg(long, value_enum, default_value = "text")]
    format: AuditFormat,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Explain(explain::Arguments),
}

/// What is looked at, and what of it is shown.
#[derive(Debug, Args)]
struct Choice {
    /// Look for this registry host too; may be given several times
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// A project of your own; every unknown one is then somebody else's; may be given several times
    #[arg(long, value_name = "PROJECT")]
    own_project: Vec<String>,
    /// Show findings from this severity on; mentions in comments and prose are `info`
    #[arg(long, value_name = "LEVEL", value_enum, default_value = "note")]
    severity: Level,
    /// Pass over what this earlier report (--format json) has, from whichever folder it was made
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Read settings from here [default: .lightship-audit.toml in the first PATH, or above it in its repository]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Leave out paths that match, as in .gitignore; may be given several times
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Look at files that .gitignore names, too
    #[arg(long)]
    no_gitignore: bool,
    /// Look at PATH in this revision of its Git repository, without a checkout
    #[arg(long, value_name = "REVISION", conflicts_with = "staged")]
    revision: Option<String>,
    /// Look at what is staged below PATH in its Git repository
    #[arg(long)]
    staged: bool,
    /// What standard input is called, which says what kind of file it is
    #[arg(long, value_name = "PATH")]
    stdin_name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AuditFormat {
    /// For people
    Text,
    /// One document, lightship/audit/v1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// A summary for a pull request
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Info,
    Note,
    Warning,
    Error,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Severity {
        match level {
            Level::Info => Severity::Info,
            Level::Note => Severity::Note,
            Level::Warning => Severity::Warning,
            Level::Error => Severity::Error,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    if let Some(Verb::Explain(arguments)) = &arguments.verb {
        return explain::run(arguments);
    }
    arguments.check()?;
    let choice = &arguments.choice;
    let configuration = Configuration::find(choice.config.as_deref(), &arguments.paths)?;
    let mapping = arguments.change.mapping()?;
    let mapped = mapping.unknown_hosts().into_iter().filter(|host| is_host(host));
    let hosts: Vec<String> = choice
        .host
        .iter()
        .cloned()
        .chain(mapped.map(str::to_owned))
        .collect();
    let auditor = Auditor::new(configuration.settings(&hosts, &choice.own_project)?);
    let baseline = choice.baseline.as_deref().map(read_baseline).transpose()?;
    let mut found = looking::look(arguments, &auditor, &configuration)?;
    let least = Severity::from(choice.severity);
    found.findings.retain(|finding| finding.severity >= least);
    if let Some(baseline) = baseline {
        take_known(baseline, &mut found, settings);
    }
    propose(arguments, &mapping, &mut found);
    if arguments.verify {
        resolving::ask(&mut found.findings, &arguments.registry, settings)?;
    }
    let left = fixing::change(&arguments.change, &auditor, &mut found, arguments.is_on_disk())?;
    if !arguments.change.shows_diff() {
        show(arguments.format, &found, settings)?;
    }
    tell_notes(&found, arguments.format, settings);
    if let Some(unread) = found.unread_roots.first() {
        let path = inspect::visible(&unread.path);
        return Err(Failure::stated(
            Kind::Outside,
            format!("cannot audit {path}: {}", inspect::visible(&unread.reason)),
        ));
    }
    Ok(match left {
        0 => Outcome::Done,
        _ => Outcome::NotSo,
    })
}

/// What a mapping makes of each finding. Why something stays is told of what matters, and when anything is mapped.
fn propose(arguments: &Arguments, mapping: &Mapping, found: &mut TreeReport) {
    audit::fix::propose(&mut found.findings, mapping);
    for finding in &mut found.findings {
        if !arguments.change.has_mapping() || finding.severity < Severity::Warning {
            finding.stays = None;
        }
    }
}

/// Passes over what a baseline has.
fn take_known(baseline: Baseline, found: &mut TreeReport, settings: &Settings) {
    let (is_empty, had) = (baseline.is_empty(), !found.findings.is_empty());
    let known = baseline.take_known(&mut found.findings);
    if known == 0 && !is_empty && had && !settings.quiet {
        output::talk("warning: nothing that was found is in the baseline: is it of this tree?");
    }
}

impl Arguments {
    /// Refuses what contradicts itself.
    fn check(&self) -> Result<(), Failure> {
        let is_input = self.is_standard_input();
        if is_input && self.paths.len() > 1 {
            return Err(Failure::usage("`-` stands alone: standard input is one file"));
        }
        if is_input && (self.choice.staged || self.choice.revision.is_some()) {
            return Err(Failure::usage(
                "`-` is standard input, which has no revisions and nothing staged",
            ));
        }
        if !is_input && self.choice.stdin_name.is_some() {
            return Err(Failure::usage(
                "--stdin-name names standard input: give `-` as PATH",
            ));
        }
        Ok(())
    }

    fn is_standard_input(&self) -> bool {
        self.paths.iter().any(|path| path == Path::new("-"))
    }

    /// Whether what is looked at are files that can be rewritten.
    fn is_on_disk(&self) -> bool {
        self.choice.revision.is_none() && !self.choice.staged && !self.is_standard_input()
    }
}

fn read_baseline(path: &Path) -> Result<Baseline, Failure> {
    let attempt = || format!("cannot read the baseline {}", path.display());
    let bytes = std::fs::read(path).map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
    Baseline::from_json(&bytes).map_err(|error| Failure::new(Kind::Usage, attempt(), error))
}

fn show(format: AuditFormat, found: &TreeReport, settings: &Settings) -> Result<(), Failure> {
    match format {
        AuditFormat::Json => output::json(&report::json(found)),
        AuditFormat::Sarif => output::json(&report::sarif(found, env!("CARGO_PKG_VERSION"))),
        AuditFormat::Markdown => output::data(report::markdown(found).as_bytes()),
        AuditFormat::Text => {
            let style = TextStyle {
                is_coloured: settings.colours_data,
            };
            output::data(report::text(found, style).as_bytes())
        }
    }
}

/// What was not read is told beside the report, except where the report says it.
fn tell_notes(found: &TreeReport, format: AuditFormat, settings: &Settings) {
    if settings.quiet {
        return;
    }
    let is_told = matches!(format, AuditFormat::Text | AuditFormat::Markdown);
    let notes = found.notes.iter().filter(|note| is_told || note.is_failure);
    for note in notes {
        output::talk(&format!(
            "{}: {}",
            inspect::visible(&note.path),
            inspect::visible(&note.reason)
        ));
    }
    if !is_told {
        return;
    }
    if let Some(more) = found
        .notes_in_all
        .checked_sub(found.notes.len())
        .filter(|more| *more > 0)
    {
        output::talk(&format!("{more} more files were not read"));
    }
    if found.ignored > 0 {
        let plural = if found.ignored == 1 { "" } else { "s" };
        output::talk(&format!(
            "{} finding{plural} passed over, as comments say",
            found.ignored
        ));
    }
}
