//! `.lightship-audit.toml`: what a repository says of its own audits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use audit::{Hosts, HostsError, Rule, Settings, Severity};
use serde::Deserialize;

use super::explain;
use crate::failure::{Failure, Kind};

const FILE_NAME: &str = ".lightship-audit.toml";

/// The file, and nothing else: what it does not say stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Configuration {
    /// More hosts to look for.
    hosts: Vec<String>,
    /// The user's own projects.
    own_projects: Vec<String>,
    /// Paths to leave out, as in `.gitignore`.
    pub(super) exclude: Vec<String>,
    /// Severities of rules.
    rules: BTreeMap<String, RuleLevel>,
    /// Where it was read from.
    #[serde(skip)]
    pub(super) path: Option<PathBuf>,
    /// Whether nobody named it.
    #[serde(skip)]
    is_found: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RuleLevel {
    Off,
    Note,
    Warning,
    Error,
}

impl Configuration {
    /// Reads the file that was named, else the nearest one of the first path: in it, or above it up to the top of its repository.
    pub(super) fn find(named: Option<&Path>, paths: &[PathBuf]) -> Result<Configuration, Failure> {
        let found = named
            .map(Path::to_owned)
            .or_else(|| paths.first().and_then(|path| nearest(path)));
        let Some(path) = found else {
            return Ok(Configuration::default());
        };
        let attempt = || format!("cannot read the settings {}", path.display());
        let text =
            std::fs::read_to_string(&path).map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
        let mut read: Configuration =
            toml::from_str(&text).map_err(|error| Failure::new(Kind::Usage, attempt(), error))?;
        read.path = Some(path);
        read.is_found = named.is_none();
        Ok(read)
    }

    /// The folder that its patterns are of, when it was found and not named.
    pub(super) fn folder(&self) -> Option<&Path> {
        let path = self.path.as_deref()?;
        path.parent().filter(|_| self.is_found)
    }

    /// Together with what the command line says.
    pub(super) fn settings(&self, hosts: &[String], projects: &[String]) -> Result<Settings, Failure> {
        let hosts: Vec<String> = self.hosts.iter().chain(hosts).cloned().collect();
        let mut settings = Settings {
            hosts: Hosts::try_from(hosts).map_err(|error| refused(&error))?,
            own_projects: self.own_projects.iter().chain(projects).cloned().collect(),
            ..Settings::default()
        };
        if let Some(project) = settings.own_projects.iter().find(|project| !is_project(project)) {
            return Err(Failure::usage(format!("{project:?} is no project"))
                .hint("give each project by itself: --own-project acme-prod --own-project acme-test"));
        }
        for (id, level) in &self.rules {
            let rule = Rule::by_id(id).ok_or_else(|| explain::unknown(id))?;
            let severity = match level {
                RuleLevel::Off => None,
                RuleLevel::Note => Some(Severity::Note),
                RuleLevel::Warning => Some(Severity::Warning),
                RuleLevel::Error => Some(Severity::Error),
            };
            settings.severities.insert(rule.id.to_owned(), severity);
        }
        Ok(settings)
    }
}

fn refused(error: &HostsError) -> Failure {
    let failure = Failure::usage(error.to_string());
    match error {
        HostsError::NoHost { .. } => {
            failure.hint("write it as in names of images: registry.example or registry.example:5000")
        }
        HostsError::TooMany { .. } | HostsError::TooLong { .. } => failure,
    }
}

/// The id of a project, which may be within a domain.
fn is_project(project: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | ':' | '_' | '/');
    !project.is_empty() && project.chars().all(is_sign)
}

/// The settings that count for a path.
fn nearest(path: &Path) -> Option<PathBuf> {
    let place = path.canonicalize().ok()?;
    let folder = match place.is_dir() {
        true => place.as_path(),
        false => place.parent()?,
    };
    let top = audit::root::repository_of(folder).unwrap_or(folder);
    let folders = folder.ancestors().take_while(|above| above.starts_with(top));
    let mut files = folders.map(|above| above.join(FILE_NAME));
    files.find(|file| file.is_file())
}
