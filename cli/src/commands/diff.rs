//! `lightship diff`: how two images differ.

use clap::Args;
use client::Location;
use inspect::difference::{DifferenceOptions, ImageDifference, Times};
use oci::Platform;
use serde::Serialize;

use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Outcome};
use crate::images::Media;
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;
use crate::{images, output, runtime};

/// Compare two images: packages, files, configuration and sizes; exit 1 when they differ
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The image before: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or HOST/NAME[:TAG|@DIGEST]
    before: Location,
    /// The image after
    after: Location,
    /// Which platform of each, such as arm64 or linux/arm/v7 [default: this machine's]
    #[arg(long)]
    platform: Option<Platform>,
    /// Compare modification times of files too
    #[arg(long)]
    times: bool,
    #[command(flatten)]
    registry: RegistryOptions,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    #[serde(flatten)]
    difference: ImageDifference,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let difference = runtime::block_on(compare(arguments, settings))??;
    let outcome = if difference.is_empty() {
        Outcome::Done
    } else {
        Outcome::NotSo
    };
    match arguments.format.format {
        Format::Json => output::json(&Report {
            schema: "lightship/diff/v1",
            difference,
        })?,
        Format::Text => {
            let mut text = String::new();
            difference
                .write_text(&mut text)
                .map_err(|error| Failure::bug("cannot write the report", error))?;
            output::data(text.as_bytes())?;
        }
    }
    Ok(outcome)
}

async fn compare(arguments: &Arguments, settings: &Settings) -> Result<ImageDifference, Failure> {
    let media = Media::new(&arguments.registry, settings);
    let before = media
        .open_view(&arguments.before, arguments.platform.as_ref())
        .await?;
    let after = media
        .open_view(&arguments.after, arguments.platform.as_ref())
        .await?;
    let times = if arguments.times {
        Times::Compare
    } else {
        Times::Ignore
    };
    let difference = ImageDifference::between(&before, &after, DifferenceOptions { times }).await;
    difference.map_err(|error| images::unusable(&arguments.after, error))
}
