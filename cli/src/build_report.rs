//! What a build tells: its report as text and as JSON, and the kind of each failure.

use std::time::Duration;

use factory::build::{BuildError, BuildReport, Failure as BuildFailure, ImageReport};
use serde::Serialize;

use crate::failure::{Failure, Kind};
use crate::output;

#[derive(Serialize)]
pub(crate) struct Document {
    schema: &'static str,
    images: Vec<Image>,
    failures: Vec<Failed>,
    layers: Layers,
    elapsed_ms: u64,
}

#[derive(Serialize)]
struct Image {
    name: String,
    variant: String,
    digest: String,
    platforms: Vec<Platform>,
    outputs: Vec<String>,
}

#[derive(Serialize)]
struct Platform {
    os: String,
    architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    digest: String,
    compressed_bytes: u64,
    unpacked_bytes: u64,
}

#[derive(Serialize)]
struct Failed {
    name: String,
    variant: String,
    error: String,
}

#[derive(Serialize)]
struct Layers {
    built: u64,
    reused: u64,
}

/// The report for programs.
pub(crate) fn document(report: &BuildReport, elapsed: Duration) -> Document {
    Document {
        schema: "lightship/build/v1",
        images: report.images.iter().map(image).collect(),
        failures: report.failures.iter().map(failed).collect(),
        layers: Layers {
            built: report.layers.built,
            reused: report.layers.reused,
        },
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    }
}

fn image(image: &ImageReport) -> Image {
    let platforms = image.platforms.iter().map(|platform| Platform {
        os: platform.platform.os.clone(),
        architecture: platform.platform.architecture.clone(),
        variant: platform.platform.variant.clone(),
        digest: platform.digest.to_string(),
        compressed_bytes: platform.compressed_bytes,
        unpacked_bytes: platform.unpacked_bytes,
    });
    Image {
        name: image.name.clone(),
        variant: image.variant.clone(),
        digest: image.digest.to_string(),
        platforms: platforms.collect(),
        outputs: image.outputs.clone(),
    }
}

fn failed(failure: &BuildFailure) -> Failed {
    Failed {
        name: failure.name.clone(),
        variant: failure.variant.clone(),
        error: chain(&failure.error),
    }
}

/// The report for people: an image a paragraph, its digest in full so that it can be copied.
pub(crate) fn text(report: &BuildReport) -> String {
    let mut text = String::new();
    for image in &report.images {
        text.push_str(&format!(
            "{} ({})\n  {}\n",
            image.name, image.variant, image.digest
        ));
        for platform in &image.platforms {
            let (compressed, unpacked) = (
                output::bytes(platform.compressed_bytes),
                output::bytes(platform.unpacked_bytes),
            );
            let name = platform.platform.to_string();
            text.push_str(&format!(
                "  {name:<14} {compressed:>9} compressed, {unpacked:>9} unpacked\n"
            ));
        }
        for written in &image.outputs {
            text.push_str(&format!("  -> {written}\n"));
        }
    }
    text
}

/// The images that failed, as one failure of the command.
pub(crate) fn failures(failures: Vec<BuildFailure>) -> Failure {
    if failures.is_empty() {
        return Failure::stated(Kind::Outside, "some architectures were left out, as said above");
    }
    let usage = failures.iter().all(|failure| kind(&failure.error) == Kind::Usage);
    let kind = if usage { Kind::Usage } else { Kind::Outside };
    let each: Vec<String> = failures
        .iter()
        .map(|failure| {
            format!(
                "\n  {} ({}): {}",
                failure.name,
                failure.variant,
                chain(&failure.error)
            )
        })
        .collect();
    Failure::stated(
        kind,
        format!("{} not built:{}", images(failures.len()), each.concat()),
    )
}

/// Which exit status a failed build has: what the user wrote, what is outside, or what should never be.
pub(crate) fn kind(error: &BuildError) -> Kind {
    match error {
        BuildError::NotLocked { .. }
        | BuildError::UnknownId(_)
        | BuildError::LockedPackage { .. }
        | BuildError::Tree { .. }
        | BuildError::Emulate { .. } => Kind::Usage,
        BuildError::Contents(_)
        | BuildError::Fetch { .. }
        | BuildError::Layer { .. }
        | BuildError::Sbom { .. }
        | BuildError::Cache(_)
        | BuildError::Output { .. }
        | BuildError::File { .. }
        | BuildError::Threads(_)
        | BuildError::Damaged(_)
        | BuildError::GivenUp => Kind::Outside,
        BuildError::Cut { .. } | BuildError::Document { .. } => Kind::Bug,
    }
}

fn images(count: usize) -> String {
    if count == 1 {
        "1 image was".to_owned()
    } else {
        format!("{count} images were")
    }
}

/// An error and its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
