//! Taking over a changed configuration while the server runs.

use std::sync::Arc;

use registry::{Certificates, Limits, PemPair, Registry};

use super::certificate_files::CertificateFiles;
use super::logging::ServerLog;
use super::options::{ServerOptions, ServerSettings};
use crate::failure::Failure;
use crate::settings::Settings;

/// What can be changed, and what it was made of.
pub(crate) struct Reload {
    pub(crate) options: ServerOptions,
    pub(crate) settings: Settings,
    pub(crate) current: ServerSettings,
    pub(crate) registry: Registry,
    pub(crate) log: Arc<ServerLog>,
    /// With what they were made of.
    pub(crate) certificates: Option<(Arc<Certificates>, Vec<PemPair>)>,
}

impl Reload {
    /// Reads configuration and certificates again, takes what can be taken and tells what was. Of a file with a fault
    /// nothing is taken.
    pub(crate) fn all(&mut self) {
        let mut fresh = match self.options.resolve(&self.settings) {
            Ok(fresh) => fresh,
            Err(failure) => return self.not_taken(&failure),
        };
        if let Err(failure) = self.take_certificates(fresh.certificates.as_ref()) {
            return self.not_taken(&failure);
        }
        let (changed, left) = self.differences(&fresh);
        fresh.registry.limits = self.possible(&fresh);
        self.registry.configure(fresh.registry.clone());
        self.log.set_level(fresh.log.level);
        let told = |names: &[&str]| match names.is_empty() {
            true => "nothing".to_owned(),
            false => names.join(", "),
        };
        let mut message = format!("configuration read again; changed: {}", told(&changed));
        if !left.is_empty() {
            message.push_str(&format!("; only after a restart: {}", told(&left)));
        }
        self.log.notice(&message);
        // What was not taken is told again the next time.
        self.current = ServerSettings {
            listen: self.current.listen,
            data: self.current.data.clone(),
            backups: self.current.backups.clone(),
            collection: self.current.collection.clone(),
            upstream: self.current.upstream.clone(),
            log: super::logging::LogSettings {
                level: fresh.log.level,
                ..self.current.log.clone()
            },
            ..fresh
        };
    }

    /// Looks whether the files of the certificates have changed, and takes what is in them.
    pub(crate) fn certificates(&mut self) {
        let files = self.current.certificates.clone();
        match self.take_certificates(files.as_ref()) {
            Ok(true) => self.log.notice("certificates read again; changed"),
            Ok(false) => {}
            Err(failure) => self.not_taken(&failure),
        }
    }

    /// Whether they were others than before.
    fn take_certificates(&mut self, files: Option<&CertificateFiles>) -> Result<bool, Failure> {
        let (Some(files), Some((certificates, before))) = (files, &mut self.certificates) else {
            return Ok(false);
        };
        let pairs = files.read()?;
        if pairs == *before {
            return Ok(false);
        }
        certificates
            .replace(&pairs)
            .map_err(|error| files.unusable(error))?;
        *before = pairs;
        Ok(true)
    }

    fn not_taken(&self, failure: &Failure) {
        self.log.failed(&format!(
            "not reloaded, everything stays as it was: {}",
            failure.line()
        ));
    }

    /// Limits as they can be while the server runs.
    fn possible(&self, fresh: &ServerSettings) -> Limits {
        let running = self.current.registry.limits;
        Limits {
            connections_max: running.connections_max,
            manifest_cache_bytes_max: running.manifest_cache_bytes_max,
            ..fresh.registry.limits
        }
    }

    /// Names of what has changed and is taken, and of what has changed and is not.
    fn differences(&self, fresh: &ServerSettings) -> (Vec<&'static str>, Vec<&'static str>) {
        let names =
            |all: &[(&'static str, bool)]| all.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        (names(&self.taken(fresh)), names(&self.left(fresh)))
    }

    /// What is taken while the server runs, and whether it has changed.
    fn taken(&self, fresh: &ServerSettings) -> [(&'static str, bool); 11] {
        let (old, new) = (&self.current.registry, &fresh.registry);
        let differ =
            |old: &dyn std::fmt::Debug, new: &dyn std::fmt::Debug| format!("{old:?}") != format!("{new:?}");
        let access =
            |settings: &ServerSettings| (settings.access.token_seconds, settings.access.issuers.clone());
        [
            ("limits", old.limits != self.possible(fresh)),
            ("routes", differ(&old.routes, &new.routes)),
            (
                "repositories.sparse_manifests",
                old.sparse_manifests != new.sparse_manifests,
            ),
            (
                "repositories of pushes",
                old.new_repositories != new.new_repositories,
            ),
            ("access.anonymous_writes", old.writes != new.writes),
            (
                "access.issuers and tokens",
                access(&self.current) != access(fresh),
            ),
            (
                "server.external_url",
                self.current.external_url != fresh.external_url,
            ),
            (
                "server.trusted_proxies",
                old.trusted_proxies != new.trusted_proxies,
            ),
            ("rate", self.current.rate != fresh.rate),
            ("log.level", self.current.log.level != fresh.log.level),
            (
                "tls",
                self.current.certificates != fresh.certificates
                    && self.certificates.is_some()
                    && fresh.certificates.is_some(),
            ),
        ]
    }

    /// What waits for the next start, and whether it has changed.
    fn left(&self, fresh: &ServerSettings) -> [(&'static str, bool); 9] {
        let fixed = |settings: &ServerSettings| {
            let limits = &settings.registry.limits;
            (limits.connections_max, limits.manifest_cache_bytes_max)
        };
        [
            ("server.listen", self.current.listen != fresh.listen),
            ("server.data", self.current.data != fresh.data),
            ("server.backup_directory", self.current.backups != fresh.backups),
            (
                "limits.connections_max or limits.manifest_cache_bytes_max",
                fixed(&self.current) != fixed(fresh),
            ),
            ("collection", self.current.collection != fresh.collection),
            ("upstream", self.current.upstream != fresh.upstream),
            ("log.format", self.current.log.format != fresh.log.format),
            ("log.audit_file", self.current.log.audit != fresh.log.audit),
            (
                "whether there is TLS",
                self.certificates.is_some() != fresh.certificates.is_some(),
            ),
        ]
    }
}
