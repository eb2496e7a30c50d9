//! `lightship logout`: forgets the user name and password for a registry.

use clap::Args;
use client::registry::erase_from_helper;

use crate::credentials::{self, DockerFile, Programs};
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::registry_options::Host;
use crate::settings::Settings;

/// Forget the user name and password for a registry
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The registry's host, with its port if it has one
    #[arg(value_parser = Host::parse)]
    host: Host,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let host = arguments.host.name.as_str();
    let mut file = DockerFile::open(settings)?;
    let erased = match file.config.helper(host).map(str::to_owned) {
        Some(helper) => erase_from_helper(&Programs, &helper, host).map_err(credentials::unusable)?,
        None => false,
    };
    let removed = file.config.remove(host).map_err(credentials::unusable)?;
    if removed {
        file.write()?;
    }
    if !settings.quiet {
        output::talk(&if removed || erased {
            format!("logged out of {host}")
        } else {
            format!("there was no password for {host} in {}", file.path().display())
        });
    }
    Ok(Outcome::Done)
}
