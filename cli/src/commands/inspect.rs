//! `lightship inspect`: what an image is and holds.

use clap::Args;
use client::Location;
use inspect::summary::{ContentsOf, ImageSummary, SummaryOptions};
use oci::Platform;
use serde::Serialize;

use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Outcome};
use crate::images::Media;
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;
use crate::{images, output, runtime};

/// Show what an image is: platforms, configuration, layers, packages, what refers to it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or HOST/NAME[:TAG|@DIGEST]
    image: Location,
    /// Only this platform, such as arm64 or linux/arm/v7
    #[arg(long)]
    platform: Option<Platform>,
    /// Do not read the layers: faster, but neither packages nor unpacked sizes
    #[arg(long)]
    no_contents: bool,
    #[command(flatten)]
    registry: RegistryOptions,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    image: String,
    #[serde(flatten)]
    summary: ImageSummary,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let summary = runtime::block_on(summarise(arguments, settings))??;
    match arguments.format.format {
        Format::Json => output::json(&Report {
            schema: "lightship/inspect/v1",
            image: arguments.image.to_string(),
            summary,
        })?,
        Format::Text => {
            let mut text = String::new();
            summary
                .write_text(&mut text)
                .map_err(|error| Failure::bug("cannot write the report", error))?;
            output::data(text.as_bytes())?;
        }
    }
    Ok(Outcome::Done)
}

async fn summarise(arguments: &Arguments, settings: &Settings) -> Result<ImageSummary, Failure> {
    let source = Media::new(&arguments.registry, settings).open_source(&arguments.image)?;
    let descriptor = images::resolve(source.as_ref(), &arguments.image).await?;
    let contents = if arguments.no_contents {
        ContentsOf::None
    } else {
        ContentsOf::All
    };
    let options = SummaryOptions {
        platform: arguments.platform.clone(),
        contents,
    };
    let summary = ImageSummary::of(source.as_ref(), &descriptor, &options).await;
    summary.map_err(|error| images::unusable(&arguments.image, error))
}
