//! The configuration of a server: a file in TOML, read strictly.
//!
//! Every key has its type, its limits and its explanation in one place ([`sections`]); the commented example is made of
//! the same lines.

mod example;
mod fault;
mod routes;
pub(crate) mod section;
mod sections;
mod values;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

pub(crate) use example::example;
use section::Description;
pub(crate) use sections::{
    Access, AnonymousWrites, Collection, Issuer, Limits, Log, LogFormat, LogLevel, Rate, Repositories,
    Routes, Server, Tls, Upstream,
};

use crate::failure::Failure;

/// Configurations are some kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a file says. What it does not say is for whoever uses it to decide.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    pub(crate) server: Server,
    pub(crate) tls: Tls,
    pub(crate) limits: Limits,
    pub(crate) routes: Routes,
    pub(crate) repositories: Repositories,
    pub(crate) access: Access,
    pub(crate) collection: Collection,
    pub(crate) log: Log,
    pub(crate) rate: Rate,
    pub(crate) upstream: Upstream,
}

/// The sections in the order of the example.
const SECTIONS: [(&str, &Description); 10] = [
    ("server", Server::DESCRIPTION),
    ("tls", Tls::DESCRIPTION),
    ("limits", Limits::DESCRIPTION),
    ("routes", Routes::DESCRIPTION),
    ("repositories", Repositories::DESCRIPTION),
    ("access", Access::DESCRIPTION),
    ("collection", Collection::DESCRIPTION),
    ("log", Log::DESCRIPTION),
    ("rate", Rate::DESCRIPTION),
    ("upstream", Upstream::DESCRIPTION),
];

impl Configuration {
    /// Reads a file.
    ///
    /// # Errors
    /// Wrong usage when it cannot be read or has a fault, which is shown where it is.
    pub(crate) fn read(path: &Path) -> Result<Configuration, Failure> {
        let text = text(path)?;
        let mut configuration = Configuration::parse(&text)
            .map_err(|error| fault::failure(&path.display().to_string(), &text, &error))?;
        configuration.stand_at(path.parent().unwrap_or(Path::new("")));
        Ok(configuration)
    }

    fn parse(text: &str) -> Result<Configuration, toml::de::Error> {
        toml::from_str(text)
    }

    /// Relative paths are meant from the file's own directory.
    fn stand_at(&mut self, directory: &Path) {
        let further = self.tls.further.iter_mut();
        let pairs = further.flat_map(|pair| [&mut pair.certificate, &mut pair.key]);
        let issuers = self.access.issuers.iter_mut();
        let named = [
            &mut self.server.data,
            &mut self.server.backup_directory,
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut self.log.audit_file,
            &mut self.upstream.docker_config,
            &mut self.upstream.certificates,
        ];
        let optional = named
            .into_iter()
            .chain(issuers.map(|issuer| &mut issuer.client_secret_file));
        for path in pairs.chain(optional.flatten()) {
            *path = directory.join(&*path);
        }
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    let cannot_read = |error| {
        let attempt = format!("cannot read the configuration {}", path.display());
        Failure::new(crate::failure::Kind::Usage, attempt, error)
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(cannot_read)?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(cannot_read)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::usage(format!(
            "the configuration {} has more than {FILE_BYTES_MAX} bytes",
            path.display()
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
