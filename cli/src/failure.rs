//! Why a command did not do what was asked, how that is told, and the exit status of each kind.

use std::error::Error;
use std::process::ExitCode;

use client::registry::RegistryError;
use transport::CertificateFault;

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
    /// The user ended it.
    Interrupted,
}

impl Kind {
    fn status(self) -> u8 {
        match self {
            Kind::Usage => 2,
            Kind::Outside => 3,
            Kind::Bug => 255,
            // As shells have it: 128 and the number of SIGINT.
            Kind::Interrupted => 130,
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
        let hints: Vec<String> = self
            .hints
            .iter()
            .cloned()
            .chain(self.registry_hint(settings))
            .collect();
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
    fn registry_hint(&self, settings: &Settings) -> Option<String> {
        let cause = self.cause.as_deref()? as &(dyn Error + 'static);
        let error = RegistryError::within(cause)?;
        if error.is_not_tls() {
            return Some(
                "it does not speak TLS; if that is meant to be so, say --plain-http HOST".to_owned(),
            );
        }
        if error.is_tls_only() {
            return Some(
                "loopback names are spoken to without TLS, and others with --plain-http; if it takes only TLS, say \
                 --tls HOST"
                    .to_owned(),
            );
        }
        if error.is_unreachable() && self.hints.is_empty() {
            return Some("look at the name and the port of the registry, and whether it runs".to_owned());
        }
        if let Some(fault) = error.certificate_fault() {
            return certificate_hint(fault, settings);
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
            // A transparent wrapper says the same as what it wraps, and some errors begin with what was attempted.
            let text = cause.to_string();
            let said = causes.last().unwrap_or(&self.attempt);
            next = cause.source();
            if next.is_some() && SAYS_NOTHING.contains(&text.as_str()) {
                continue;
            }
            match text.strip_prefix(said.as_str()) {
                Some("") => {}
                Some(rest) if rest.starts_with(": ") => causes.push(rest[2..].to_owned()),
                _ => causes.push(text),
            }
        }
        causes
    }
}

/// What the HTTP client says of its own inside, before the cause that people can do something about.
const SAYS_NOTHING: [&str; 4] = [
    "error sending request",
    "client error (Connect)",
    "client error (SendRequest)",
    "tcp connect error",
];

/// What helps with a certificate that is not trusted.
fn certificate_hint(fault: CertificateFault, settings: &Settings) -> Option<String> {
    match fault {
        CertificateFault::UnknownIssuer => Some(
            "if its certificate is of an authority of your own, name that with --ca-file FILE, put it into \
             ~/.config/containers/certs.d/HOST:PORT/ca.crt (or docker's /etc/docker/certs.d), or name a whole bundle in \
             SSL_CERT_FILE"
                .to_owned(),
        ),
        CertificateFault::Time => Some(format!(
            "this machine's clock says {}: if that is so, the registry needs a new certificate",
            settings.now.strftime("%Y-%m-%d %H:%M UTC")
        )),
        CertificateFault::Name => {
            Some("name the registry as its certificate does, or have one made for this name".to_owned())
        }
        _ => None,
    }
}
