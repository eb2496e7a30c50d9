//! `lightship serve`: a registry on this machine.

use clap::Args;

use crate::configuration;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::server::{self, ServerOptions};
use crate::settings::Settings;

/// Serve a registry from a data directory
///
/// Speaks the OCI distribution protocol, and Container Registry's dialect under the hosts gcr.io, us.gcr.io, eu.gcr.io,
/// asia.gcr.io and LOCATION-docker.pkg.dev. There are no accounts yet: whoever reaches the address may pull, and only
/// clients on this machine, by a loopback name and without a proxy, may push and delete. SIGTERM ends it cleanly, SIGHUP
/// makes it read its configuration and certificates again.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerOptions,
    /// Say whether the server would start: look at configuration, certificates, data directory and address
    #[arg(long)]
    check: bool,
    /// Print a commented example of a configuration, with every key and its default
    #[arg(long, conflicts_with = "check")]
    print_config: bool,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    if arguments.print_config {
        output::data(configuration::example().as_bytes())?;
        return Ok(Outcome::Done);
    }
    if arguments.check {
        return server::check(&arguments.server, settings);
    }
    let resolved = arguments.server.resolve(settings)?;
    server::run(&arguments.server, settings, resolved, |_| ())
}
