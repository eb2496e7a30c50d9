//! `lightship copy`: an image from one place to another, as it is.

use clap::Args;
use client::{CopyOptions, Location, Referrers, Sink, Source, TagKind};
use oci::Descriptor;
use serde::Serialize;

use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Outcome};
use crate::images::Media;
use crate::progress_display::ProgressDisplay;
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;
use crate::{images, output, runtime};

/// Copy an image from one place to another, byte for byte
///
/// Indexes come with all their platforms, and what refers to the image (SBOMs, signatures, cosign's tags) comes along.
/// Only what the target lacks is sent; within one registry, layers are mounted and not sent at all.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or HOST/NAME[:TAG|@DIGEST]
    image: Location,
    /// Where to: the same forms; the tag stays the same when none is given
    target: Location,
    /// Copy every tag of IMAGE's place; TARGET is then a layout, an archive, or a repository without a tag
    #[arg(long)]
    all_tags: bool,
    /// Leave out what refers to the image
    #[arg(long)]
    no_referrers: bool,
    #[command(flatten)]
    registry: RegistryOptions,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    images: Vec<Copied>,
}

#[derive(Serialize)]
struct Copied {
    tag: Option<String>,
    digest: String,
    manifests: usize,
    blobs: usize,
    blobs_present: usize,
    blob_bytes: u64,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let is_repository = |place: &Location| matches!(place, Location::Registry(_)) && place.name().is_none();
    if arguments.all_tags && !arguments.target.takes_several() && !is_repository(&arguments.target) {
        return Err(Failure::usage(format!(
            "{} takes one image, and --all-tags may be several",
            arguments.target
        )));
    }
    images::check_target(&arguments.target)?;
    let report = runtime::block_on(copy(arguments, settings))??;
    match arguments.format.format {
        Format::Json => output::json(&report)?,
        Format::Text => {
            for image in &report.images {
                let tag = image.tag.as_deref().unwrap_or("(no tag)");
                let (new, present) = (image.blobs, image.blobs_present);
                let line = format!(
                    "{tag}: {} ({} in {new} blobs copied, {present} were there)\n",
                    image.digest,
                    output::bytes(image.blob_bytes)
                );
                output::data(line.as_bytes())?;
            }
        }
    }
    Ok(Outcome::Done)
}

async fn copy(arguments: &Arguments, settings: &Settings) -> Result<Report, Failure> {
    let media = Media::new(&arguments.registry, settings);
    let source = media.open_source(&arguments.image)?;
    let sink = media.open_sink(&arguments.target)?;
    let mut copied = Vec::new();
    for (tag, descriptor) in wanted(arguments, source.as_ref()).await? {
        copied.push(
            copy_one(
                arguments,
                settings,
                (source.as_ref(), sink.as_ref()),
                (tag, &descriptor),
            )
            .await?,
        );
    }
    let attempt = || format!("cannot complete {}", arguments.target);
    sink.finish()
        .await
        .map_err(|error| Failure::outside(attempt(), error))?;
    Ok(Report {
        schema: "lightship/copy/v1",
        images: copied,
    })
}

async fn copy_one(
    arguments: &Arguments,
    settings: &Settings,
    (source, sink): (&dyn Source, &dyn Sink),
    (tag, descriptor): (Option<String>, &Descriptor),
) -> Result<Copied, Failure> {
    let display = ProgressDisplay::new(settings);
    // A docker archive holds images only.
    let referrers = if arguments.no_referrers || arguments.target.takes_one_platform() {
        Referrers::Skip
    } else {
        Referrers::Include
    };
    let options = CopyOptions {
        referrers,
        ..CopyOptions::default()
    };
    let copied = client::copy(source, descriptor, sink, tag.as_deref(), &options, &display)
        .await
        .map_err(|error| {
            Failure::outside(
                format!("cannot copy {} to {}", arguments.image, arguments.target),
                error,
            )
        })?;
    Ok(Copied {
        tag,
        digest: copied.digest.to_string(),
        manifests: copied.manifests,
        blobs: copied.blobs,
        blobs_present: copied.blobs_present,
        blob_bytes: copied.blob_bytes,
    })
}

/// The images to copy, each with the tag that it gets.
async fn wanted(
    arguments: &Arguments,
    source: &dyn Source,
) -> Result<Vec<(Option<String>, Descriptor)>, Failure> {
    if arguments.all_tags {
        let tags = source.tags().await;
        let tags =
            tags.map_err(|error| Failure::outside(format!("cannot list {}", arguments.image), error))?;
        let wanted = |tag: &str| match TagKind::of(tag) {
            TagKind::Image => true,
            // Referrers are listed anew where they go.
            TagKind::Referrers => false,
            TagKind::Companion => !arguments.no_referrers,
        };
        return Ok(tags
            .into_iter()
            .filter(|(tag, _)| wanted(tag))
            .map(|(tag, descriptor)| (Some(tag), descriptor))
            .collect());
    }
    let descriptor = images::resolve(source, &arguments.image).await?;
    let name = arguments.target.name().or_else(|| arguments.image.name());
    // Where registries have a name, everybody takes this one for granted.
    let is_named =
        |place: &Location| matches!(place, Location::Registry(reference) if reference.digest().is_none());
    let needs_name = is_named(&arguments.image) || is_named(&arguments.target);
    let name = name.or_else(|| needs_name.then(|| "latest".to_owned()));
    Ok(vec![(name, descriptor)])
}
