//! What a command runs with: arguments and environment, resolved once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use transport::Proxies;

use crate::arguments::{Global, ProgressMode};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;
use crate::registry_warnings::RegistryWarnings;

/// The directory below the user's cache and data directories that is ours.
const OWN_DIRECTORY: &str = "lightship";

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) environment: Environment,
    pub(crate) now: Timestamp,
    pub(crate) progress: Drawing,
    pub(crate) verbose: u8,
    pub(crate) quiet: bool,
    pub(crate) colours: bool,
    /// Whether what goes to standard output may be coloured.
    pub(crate) colours_data: bool,
    /// What registries warn of while the command runs.
    pub(crate) warnings: Arc<RegistryWarnings>,
}

/// How progress is drawn, once it is known whether there is a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drawing {
    Bars,
    Lines,
    Nothing,
}

impl Settings {
    /// Of a user of whom nothing is known.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Settings {
        Settings {
            environment: Environment::default(),
            now: Timestamp::UNIX_EPOCH,
            progress: Drawing::Nothing,
            verbose: 0,
            quiet: false,
            colours: false,
            colours_data: false,
            warnings: Arc::default(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub(crate) fn resolve(global: &Global, environment: &Environment) -> Settings {
        let terminal = output::talks_to_terminal();
        let progress = match global.progress {
            _ if global.quiet => Drawing::Nothing,
            ProgressMode::None => Drawing::Nothing,
            ProgressMode::Auto if terminal => Drawing::Bars,
            ProgressMode::Auto | ProgressMode::Plain => Drawing::Lines,
        };
        Settings {
            environment: environment.clone(),
            now: Timestamp::now(),
            progress,
            verbose: global.verbose,
            quiet: global.quiet,
            colours: terminal && !environment.no_color,
            colours_data: output::data_goes_to_terminal() && !environment.no_color,
            warnings: Arc::default(),
        }
    }

    /// The cache's directory: `--cache`, else `$XDG_CACHE_HOME/lightship`, else `~/.cache/lightship`.
    ///
    /// # Errors
    /// Wrong usage when none of these is known.
    pub(crate) fn cache_directory(&self, option: Option<&Path>) -> Result<PathBuf, Failure> {
        let of_user = || {
            let home = self.environment.home.as_ref().map(|home| home.join(".cache"));
            Some(self.environment.cache_home.clone().or(home)?.join(OWN_DIRECTORY))
        };
        option.map(Path::to_path_buf).or_else(of_user).ok_or_else(|| {
            Failure::usage("no cache directory is known: neither XDG_CACHE_HOME nor HOME is set")
                .hint("name one with --cache DIR")
        })
    }

    /// The registry's directory: `--data`, else `$XDG_DATA_HOME/lightship`, else `~/.local/share/lightship`.
    ///
    /// # Errors
    /// Wrong usage when none of these is known.
    pub(crate) fn data_directory(&self, option: Option<&Path>) -> Result<PathBuf, Failure> {
        let home = self
            .environment
            .home
            .as_ref()
            .map(|home| home.join(".local/share"));
        let of_user = self.environment.data_home.clone().or(home);
        option
            .map(Path::to_path_buf)
            .or_else(|| Some(of_user?.join(OWN_DIRECTORY)))
            .ok_or_else(|| {
                Failure::usage("no data directory is known: neither XDG_DATA_HOME nor HOME is set")
                    .hint("name one with --data DIR")
            })
    }

    /// What the environment says of proxies.
    pub(crate) fn proxies(&self) -> Proxies {
        Proxies {
            http: self.environment.http_proxy.clone(),
            https: self.environment.https_proxy.clone(),
            no_proxy: self.environment.no_proxy.clone(),
            ..Proxies::default()
        }
    }

    /// The date that SOURCE_DATE_EPOCH asks for, in seconds since 1970.
    ///
    /// # Errors
    /// Wrong usage when it is not a number of seconds that a tar header can hold.
    pub(crate) fn source_date(&self) -> Result<Option<i64>, Failure> {
        const LATEST: i64 = 253_402_300_799; // 9999-12-31T23:59:59Z, the last second that RFC 3339 can write
        let Some(text) = &self.environment.source_date_epoch else {
            return Ok(None);
        };
        match text.parse::<i64>() {
            Ok(seconds) if (0..=LATEST).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(Failure::usage(format!(
                "SOURCE_DATE_EPOCH is `{text}`, not a number of seconds since 1970"
            ))),
        }
    }
}
