//! `lightship up`: the default images, built and served.

use std::net::SocketAddr;

use clap::Args;
use client::Location;

use crate::archive_options::ArchiveOptions;
use crate::commands::build;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::server::{self, ServerOptions};
use crate::settings::Settings;

/// What a newcomer gets.
const IMAGES: [&str; 4] = [
    "static-debian13",
    "base-debian13",
    "cc-debian13",
    "python3-debian13",
];

/// The name that distroless images have on their first registry, so that only the host changes for those who pull.
const PREFIX: &str = "distroless";

/// Build the default images, serve and publish them
///
/// Listens first, then builds static, base, cc and python3 of Debian 13 in all variants for this machine's architecture,
/// and publishes them as distroless/NAME:VARIANT. Whatever was published before is served at once, also without a
/// network. SIGTERM or Ctrl-C ends it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    archive: ArchiveOptions,
}

pub(crate) fn run(arguments: Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let Arguments { server, archive } = arguments;
    let of_publisher = settings.clone();
    let resolved = server.resolve(settings)?;
    if resolved.certificates.is_some() {
        return Err(Failure::usage(
            "up publishes to its own server over plain HTTP, and here TLS is configured",
        )
        .hint("run `lightship serve`, and publish with `lightship build -o HOST/PREFIX/`"));
    }
    server::run(&server, settings, resolved, move |address| {
        publish(address, archive, &of_publisher)
    })
}

fn publish(address: SocketAddr, archive: ArchiveOptions, settings: &Settings) {
    let published = target(address).and_then(|target| {
        let images = IMAGES.map(str::to_owned).to_vec();
        build::run(build::Arguments::publishing(images, target, archive), settings)
    });
    match published {
        Ok(_) => {
            for image in IMAGES {
                output::talk(&format!("pull {address}/{PREFIX}/{image}"));
            }
        }
        Err(failure) => {
            failure.report(settings);
            output::talk("what was published before is still served");
        }
    }
}

/// A server that listens everywhere is reached here by loopback.
fn target(address: SocketAddr) -> Result<Location, Failure> {
    let mut reached = address;
    if address.ip().is_unspecified() {
        reached.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{reached}/{PREFIX}/")
        .parse()
        .map_err(|error| Failure::bug("cannot name our own registry", error))
}
