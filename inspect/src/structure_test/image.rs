//! What an image's configuration says that tests ask for.

use std::collections::{BTreeMap, BTreeSet};

/// The configuration of the image under test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The image as the user named it, for reports.
    pub name: String,
    /// Its architecture by its OCI name, e.g. `arm64`.
    pub architecture: String,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Its entrypoint.
    pub entrypoint: Vec<String>,
    /// Its command.
    pub cmd: Vec<String>,
    /// The ports it exposes, without protocols.
    pub exposed_ports: BTreeSet<String>,
    /// Its volumes.
    pub volumes: BTreeSet<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its working directory; empty when it names none.
    pub workdir: String,
    /// Its user; empty when it names none.
    pub user: String,
}

impl ImageFacts {
    /// Takes what tests ask for out of `config`; `name` is the image as the user named it.
    pub fn new(name: &str, config: &oci::ImageConfig) -> Self {
        let container = &config.config;
        Self {
            name: name.to_owned(),
            architecture: config.architecture.clone(),
            environment: Self::split_environment(container.env.iter().map(String::as_str)),
            entrypoint: container.entrypoint.clone().unwrap_or_default(),
            cmd: container.cmd.clone().unwrap_or_default(),
            exposed_ports: container
                .exposed_ports
                .iter()
                .map(|port| Self::port_number(port).to_owned())
                .collect(),
            volumes: container.volumes.clone(),
            labels: container.labels.clone(),
            workdir: container.working_dir.clone().unwrap_or_default(),
            user: container.user.clone().unwrap_or_default(),
        }
    }

    /// Splits `NAME=VALUE` lines of a configuration; a line without `=` is a name with an empty value.
    pub fn split_environment<'e>(lines: impl IntoIterator<Item = &'e str>) -> BTreeMap<String, String> {
        let pairs = lines
            .into_iter()
            .map(|line| line.split_once('=').unwrap_or((line, "")));
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// A port of a configuration without its protocol: `8080/tcp` is `8080`.
    pub fn port_number(port: &str) -> &str {
        port.split_once('/').map_or(port, |(number, _)| number)
    }
}
