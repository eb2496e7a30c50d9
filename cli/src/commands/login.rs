//! `lightship login`: a user name and password for a registry.

use clap::Args;
use client::registry::{Checked, Credential, store_in_helper};
use transport::Secret;

use crate::credentials::{self, DockerFile, Programs};
use crate::failure::{Failure, Outcome};
use crate::registry_options::{Host, RegistryOptions};
use crate::settings::Settings;
use crate::{output, prompt, runtime};

/// Keep a user name and password for a registry, where docker keeps them
///
/// The registry is asked first whether it accepts them. They go to the helper that docker's config.json names
/// (credsStore, credHelpers), else into that file: $DOCKER_CONFIG/config.json or ~/.docker/config.json.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The registry's host, with its port if it has one
    #[arg(value_parser = Host::parse)]
    host: Host,
    /// The user name [default: asked for]
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    registry: RegistryOptions,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let mut file = DockerFile::open(settings)?;
    let username = match &arguments.username {
        Some(username) => username.clone(),
        None if arguments.password_stdin => {
            return Err(Failure::usage("--password-stdin needs a user name").hint("name one with -u USER"));
        }
        None => prompt::ask("User name: ")?,
    };
    if username.is_empty() || username.contains(':') {
        return Err(Failure::usage("a user name is not empty and has no colon"));
    }
    let password = Secret::new(prompt::password(arguments.password_stdin)?);
    let credential = Credential::Password {
        username: username.clone(),
        password: password.clone(),
    };
    let host = arguments.host.name.as_str();
    let registries = arguments
        .registry
        .with_host(&arguments.host)
        .registries(settings)?;
    let checked = runtime::block_on(registries.check(host, credential))?;
    let checked = checked.map_err(|error| {
        let is_refused = error.login_host().is_some();
        let failure = Failure::outside(format!("cannot log in to {host}"), error).while_logging_in();
        match is_refused {
            true => failure.hint("look at the user name and the password; nothing was kept"),
            false => failure,
        }
    })?;
    let place = match file.config.helper(host).map(str::to_owned) {
        Some(helper) => {
            store_in_helper(&Programs, &helper, host, (&username, &password))
                .map_err(credentials::unusable)?;
            format!("docker-credential-{helper}")
        }
        None => {
            file.config
                .insert(host, &username, &password)
                .map_err(credentials::unusable)?;
            file.write()?;
            file.path().display().to_string()
        }
    };
    if checked == Checked::NotAsked {
        output::talk(&format!(
            "warning: {host} lets everybody in, so it did not check the password"
        ));
    }
    if !settings.quiet {
        output::talk(&format!("logged in to {host}; the password is kept in {place}"));
    }
    Ok(Outcome::Done)
}
