//! Why a command did not do what was asked, how that is told, and the exit status of each kind.

use std::error::Error;
use std::process::ExitCode;

use client::registry::RegistryError;

use crate::output;
use crate::settings::Settings;

/// How a command ended that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit status 0.
    Done,
    /// Exit status 1: the thing asked about is not so.
    NotSo,
}

/// The exit status of each kind of failure; the numbers are the contract of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Wrong usage or a bad input file.
    Usage,
    /// Something outside failed: network, mirror, registry, disk.
    Outside,
    /// A bug in lightship.
    Bug,
}

impl Kind {
    fn status(self) -> u8 {
        match self {
            Kind::Usage => 2,
            Kind::Outside => 3,
            Kind::Bug => 255,
        }
    }
}

/// A failure as the user reads it: what was attempted, why it failed, what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    attempt: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<String>,
    suggests_login: bool,
}

impl Failure {
    pub(crate) fn usage(attempt: impl Into<String>) -> Failure {
        Failure::stated(Kind::Usage, attempt)
    }

    /// A failure that says all there is to say.
    pub(crate) fn stated(kind: Kind, attempt: impl Into<String>) -> Failure {
        Failure {
            kind,
            attempt: attempt.into(),
            cause: None,
            hints: Vec::new(),
            suggests_login: true,
        }
    }

    pub(crate) fn outside(attempt: impl Into<String>, cause: impl Error + Send + Sync + 'static) -> Failure {
        Failure::new(Kind::Outside, attempt, cause)
    }

    pub(crate) fn bug(attempt: impl Into<String>, cause: impl Error + Send + Sync + 'static) -> Failure {
        Failure::new(Kind::Bug, attempt, cause)
    }

    pub(crate) fn new(
        kind: Kind,
        attempt: impl Into<String>,
        cause: impl Error + Send + Sync + 'static,
    ) -> Failure {
        Failure {
            kind,
            attempt: attempt.into(),
            cause: Some(Box::new(cause)),
            hints: Vec::new(),
            suggests_login: true,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Whoever is logging in need not be told to.
    pub(crate) fn while_logging_in(mut self) -> Failure {
        self.suggests_login = false;
        self
    }

    /// Tells the user on standard error, and gives the exit status.
    pub(crate) fn report(&self, settings: &Settings) -> ExitCode {
        let bold = |word: &str| {
            if settings.colours {
                format!("\u{1b}[1;31m{word}\u{1b}[0m")
            } else {
                word.to_owned()
            }
        };
        output::talk(&format!("{}: {}", bold("error"), self.attempt));
        for cause in self.causes() {
            // Names and values from an archive or an image may be among it.
            let lines: Vec<_> = cause.split('\n').map(inspect::visible).collect();
            output::talk(&format!("  caused by: {}", lines.join("\n    ")));
        }
        let hints: Vec<String> = self.hints.iter().cloned().chain(self.registry_hint()).collect();
        if !hints.is_empty() {
            output::talk("");
        }
        for hint in &hints {
            output::talk(&format!("hint: {hint}"));
        }
        ExitCode::from(self.kind.status())
    }

    /// The same in one line, for a log.
    pub(crate) fn line(&self) -> String {
        let attempt = std::iter::once(self.attempt.clone());
        let told: Vec<String> = attempt.chain(self.causes()).collect();
        told.join(": ").replace('\n', " ")
    }

    /// What helps when a registry wants credentials, or no TLS.
    fn registry_hint(&self) -> Option<String> {
        let cause = self.cause.as_deref()? as &(dyn Error + 'static);
        let error = RegistryError::within(cause)?;
        if error.is_not_tls() {
            return Some(
                "it does not speak TLS; if that is meant to be so, say --plain-http HOST".to_owned(),
            );
        }
        if error.is_tls_only() {
            return Some(
                "loopback names and --plain-http are spoken to without TLS; if it takes only TLS, name the host \
                 that its certificate is for"
                    .to_owned(),
            );
        }
        let host = error.login_host().filter(|_| self.suggests_login)?;
        Some(format!("run `lightship login {host}`"))
    }

    /// The status with which a registry refused, if one did.
    pub(crate) fn registry_status(&self) -> Option<u16> {
        RegistryError::within(self.cause.as_deref()? as &(dyn Error + 'static))?.status()
    }

    fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.cause.as_deref().map(|cause| cause as &dyn Error);
        while let Some(cause) = next {
            let text = cause.to_string();
            // A transparent wrapper says the same as what it wraps.
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}
