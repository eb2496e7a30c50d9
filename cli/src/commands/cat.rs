//! `lightship cat`: the content of a file of an image.

use std::io::{self, Write as _};

use clap::Args;
use client::Location;
use inspect::view::ReadError;
use oci::Platform;

use crate::failure::{Failure, Kind, Outcome};
use crate::images::Media;
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;
use crate::{images, runtime};

/// Print a file of an image, without unpacking it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or HOST/NAME[:TAG|@DIGEST]
    image: Location,
    /// The file in it; links are followed
    path: String,
    /// Which platform of the image, such as arm64 or linux/arm/v7 [default: this machine's]
    #[arg(long)]
    platform: Option<Platform>,
    #[command(flatten)]
    registry: RegistryOptions,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let path = images::path_inside(&arguments.path)?;
    let media = Media::new(&arguments.registry, settings);
    let view = runtime::block_on(media.open_view(&arguments.image, arguments.platform.as_ref()))??;
    let mut stdout = io::stdout().lock();
    let copied = view.copy_content(&path, &mut stdout).map(drop);
    let flushed = stdout.flush();
    match copied {
        // Whoever read us has seen enough, as with any program in a pipe.
        Err(error) if is_closed_pipe(&error) => Ok(Outcome::Done),
        Err(ReadError::Resolve(error)) => Err(images::not_inside(&arguments.image, &arguments.path, error)),
        Err(error) => {
            let kind = if matches!(error, ReadError::NotAFile { .. }) {
                Kind::Usage
            } else {
                Kind::Outside
            };
            Err(Failure::new(
                kind,
                format!("cannot print {} of {}", arguments.path, arguments.image),
                error,
            ))
        }
        Ok(()) => match flushed {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::outside("cannot write to standard output", error))
            }
            _ => Ok(Outcome::Done),
        },
    }
}

fn is_closed_pipe(error: &ReadError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        {
            return true;
        }
        next = error.source();
    }
    false
}
