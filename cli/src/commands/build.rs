//! `lightship build`: images from Debian packages.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use archive::Encoder;
use clap::{Args, ValueEnum};
use client::Location;
use factory::build::{
    BuildError, BuildOptions, BuildReport, BuildRequest, FailurePolicy, Form, ImageRequest, Medium, Output,
    SbomPolicy, Services,
};
use factory::specification::{LayerPolicy, Plan};
use jiff::Timestamp;
use oci::{Reference, RepositoryName};

use crate::archive_options::ArchiveOptions;
use crate::arguments::{Format, FormatOption};
use crate::build_report;
use crate::failure::{Failure, Kind, Outcome};
use crate::images::Media;
use crate::locks::{self, LockWish};
use crate::progress_display::ProgressDisplay;
use crate::registry_options::{OwnToken, RegistryOptions};
use crate::selection::{self, Architectures, LockPlace, MissingLock};
use crate::settings::Settings;
use crate::workshop::Workshop;
use crate::{images, output, packages, runtime};

/// Build images from Debian packages
///
/// NAME is an image of the catalogue (see `lightship catalogue`), FILE a specification: a path with a slash or ending in
/// .yaml or .yml. The exact packages come from lightship.lock beside the FILE (for a NAME: in the current directory, else
/// in the cache) when it fits what is asked; else they are resolved first, and that is said.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Catalogue names and specification files
    #[arg(required = true, value_name = "NAME|FILE")]
    images: Vec<String>,
    /// Where images go: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or HOST/NAME[:TAG|@DIGEST]; may be given several times
    ///
    /// The default tag is the variant; several images into one layout are tagged NAME-VARIANT. HOST/PREFIX/, with the
    /// slash, puts each image at HOST/PREFIX/NAME:VARIANT. Without any -o the images are built into the cache and their
    /// digests reported.
    #[arg(short, long, value_name = "TARGET")]
    output: Vec<Location>,
    /// Architectures, in OCI spelling: `host`, `all`, or a list such as amd64,arm64
    #[arg(long, value_name = "A,B", default_value = "host")]
    arch: String,
    /// Variants: a list such as latest,nonroot, or `all`
    #[arg(long, value_name = "V,..", default_value = "latest")]
    variant: String,
    /// Use the lock as it is; fail when it is missing or does not fit
    #[arg(long)]
    locked: bool,
    /// Build the other images when one cannot be built; the exit status still tells
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    archive: ArchiveOptions,
    /// How packages are put into layers: per-package, budget:N or single [default: what the specification says]
    #[arg(long, value_name = "POLICY")]
    layers: Option<String>,
    /// How layers are compressed
    #[arg(long, value_enum)]
    compression: Option<Compression>,
    /// SBOMs (SPDX 2.3 and CycloneDX): `none`, `attach` them to the image, or write them into a DIR [default: attach on
    /// registries, none elsewhere]
    #[arg(long, value_name = "none|attach|DIR")]
    sbom: Option<String>,
    /// How many threads work at once [default: one per processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    registry: RegistryOptions,
    #[command(flatten)]
    format: FormatOption,
}

impl Arguments {
    /// All variants of catalogue images for this machine's architecture, into a registry.
    pub(crate) fn publishing(
        images: Vec<String>,
        target: Location,
        archive: ArchiveOptions,
        own: OwnToken,
    ) -> Arguments {
        Arguments {
            images,
            output: vec![target],
            arch: "host".to_owned(),
            variant: "all".to_owned(),
            locked: false,
            keep_going: false,
            archive,
            layers: None,
            compression: None,
            sbom: None,
            jobs: None,
            registry: RegistryOptions {
                own: Some(own),
                ..RegistryOptions::default()
            },
            format: FormatOption { format: Format::Text },
        }
    }
}

const EXAMPLES: &str = "Examples:
  lightship build cc-debian13 -o oci:out
  lightship build ./my-image.yaml --arch amd64,arm64 -o oci-archive:my-image.tar
  lightship build static-debian13 base-debian13 --variant all -o oci:images
  lightship build python3-debian13 -o docker-archive:python.tar:python:3.13
  lightship build static-debian13 cc-debian13 --variant all -o registry.example/base/

A build of the same lock yields the same bytes on any machine. SOURCE_DATE_EPOCH, when set, replaces the date that the
images carry (that of the newest signed release in the lock).";

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compression {
    /// Read by every client
    Gzip,
    /// Smaller and faster; needs a client from 2021 or later
    Zstd,
}

impl Compression {
    fn encoder(self) -> Encoder {
        match self {
            Compression::Gzip => Encoder::Gzip,
            Compression::Zstd => Encoder::Zstd,
        }
    }
}

pub(crate) fn run(arguments: Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let wish = Wish::resolve(&arguments, settings)?;
    let progress = Arc::new(ProgressDisplay::new(settings));
    let workshop = Workshop::open(&arguments.archive, settings, progress)?;
    let report = runtime::block_on(wish.fulfil(&arguments, &workshop, settings))??;
    let failed = !report.built.failures.is_empty() || report.incomplete;
    for warning in &report.built.warnings {
        workshop.warn(warning);
    }
    match arguments.format.format {
        Format::Json => output::json(&build_report::document(&report.built, started.elapsed()))?,
        Format::Text => {
            output::data(build_report::text(&report.built).as_bytes())?;
            if arguments.output.is_empty() && !report.built.images.is_empty() {
                workshop.note("nothing was written; name a target, such as -o oci:DIR");
            }
        }
    }
    if failed {
        return Err(build_report::failures(report.built.failures));
    }
    Ok(Outcome::Done)
}

/// What is asked for, checked before any work.
struct Wish {
    images: Vec<ImageRequest>,
    place: LockPlace,
    options: BuildOptions,
    threads: NonZeroUsize,
}

/// What became of it.
struct Fulfilled {
    built: BuildReport,
    /// Some architecture could not be locked and was left out.
    incomplete: bool,
}

impl Wish {
    fn resolve(arguments: &Arguments, settings: &Settings) -> Result<Wish, Failure> {
        let selected = selection::read(&arguments.images)?;
        let plans = selection::plans(&selected, &arguments.variant)?;
        let architectures = Architectures::parse(&arguments.arch)?;
        let images = plans
            .into_iter()
            .map(|plan| image_request(plan, &architectures))
            .collect::<Result<Vec<_>, _>>()?;
        check_outputs(&arguments.output, &images)?;
        Ok(Wish {
            images,
            place: LockPlace::of(&selected, MissingLock::UseCache)?,
            options: options(arguments, settings)?,
            threads: arguments
                .jobs
                .or_else(|| thread::available_parallelism().ok())
                .unwrap_or(NonZeroUsize::MIN),
        })
    }

    async fn fulfil(
        mut self,
        arguments: &Arguments,
        workshop: &Workshop,
        settings: &Settings,
    ) -> Result<Fulfilled, Failure> {
        let wish = LockWish {
            place: &self.place,
            images: &self.images,
            locked: arguments.locked,
            keep_going: arguments.keep_going,
            encoder: arguments.compression.map(Compression::encoder),
        };
        let locked = locks::for_build(&wish, workshop).await?;
        self.options.encoder = locked.encoder;
        let asked: usize = self.images.iter().map(|image| image.architectures.len()).sum();
        for image in &mut self.images {
            image.architectures.retain(|architecture| {
                locked
                    .lock
                    .image(&image.plan.name, &image.plan.variant)
                    .is_some_and(|locked| locked.platforms.contains_key(architecture))
            });
        }
        self.images.retain(|image| !image.architectures.is_empty());
        let left: usize = self.images.iter().map(|image| image.architectures.len()).sum();
        let outputs = self.open_outputs(arguments, settings)?;
        let packages = packages::source(
            workshop,
            &locked.lock,
            self.images.iter().map(|image| &image.plan),
        )?;
        let request = BuildRequest {
            images: self.images,
            lock: Arc::new(locked.lock),
            outputs,
            options: self.options,
        };
        let services = Services {
            cache: workshop.cache.clone(),
            packages: Arc::new(packages),
            progress: workshop.progress.clone(),
            threads: self.threads,
        };
        let built = factory::build::build(request, &services)
            .await
            .map_err(build_failure)?;
        Ok(Fulfilled {
            built,
            incomplete: left < asked,
        })
    }
}

impl Wish {
    fn open_outputs(&self, arguments: &Arguments, settings: &Settings) -> Result<Vec<Output>, Failure> {
        let media = Media::new(&arguments.registry, settings);
        let names: BTreeSet<&str> = self.images.iter().map(|image| image.plan.name.as_str()).collect();
        let mut outputs = Vec::new();
        for location in &arguments.output {
            let Location::RegistryPrefix { host, prefix } = location else {
                let mut output = open_output(location, None, &media)?;
                // `docker load` takes the name for that of a repository: a bare variant would become `latest:latest`.
                if let (Location::DockerArchive { .. }, [image]) = (location, self.images.as_slice()) {
                    let of_image = format!("{}:{}", image.plan.name, image.plan.variant);
                    output.tag.get_or_insert(of_image);
                }
                outputs.push(output);
                continue;
            };
            for name in &names {
                let place = repository(host, prefix.as_ref(), name)?;
                outputs.push(open_output(&place, Some(name), &media)?);
            }
        }
        Ok(outputs)
    }
}

fn image_request(plan: Plan, architectures: &Architectures) -> Result<ImageRequest, Failure> {
    let architectures = architectures.of(&plan)?;
    let form = Form::of(architectures.len());
    Ok(ImageRequest {
        plan,
        architectures,
        form,
    })
}

fn options(arguments: &Arguments, settings: &Settings) -> Result<BuildOptions, Failure> {
    let layers = arguments
        .layers
        .as_deref()
        .map(str::parse::<LayerPolicy>)
        .transpose();
    let layers = layers.map_err(|error| Failure::new(Kind::Usage, "cannot understand --layers", error))?;
    let date = settings.source_date()?.map(Timestamp::from_second).transpose();
    let date = date.map_err(|error| Failure::new(Kind::Usage, "cannot use SOURCE_DATE_EPOCH", error))?;
    Ok(BuildOptions {
        layers,
        encoder: arguments.compression.map_or(Encoder::Gzip, Compression::encoder),
        sbom: match arguments.sbom.as_deref() {
            None => SbomPolicy::Repositories,
            Some("none") => SbomPolicy::None,
            Some("attach") => SbomPolicy::Attach,
            Some(directory) => SbomPolicy::Directory(directory.into()),
        },
        date,
        failures: if arguments.keep_going {
            FailurePolicy::KeepGoing
        } else {
            FailurePolicy::Stop
        },
    })
}

/// A target with a tag takes one image, and a docker archive one platform; said before any work.
fn check_outputs(outputs: &[Location], images_asked: &[ImageRequest]) -> Result<(), Failure> {
    for output in outputs {
        images::check_target(output)?;
        if images_asked.len() > 1 && !output.takes_several() {
            return Err(Failure::usage(format!(
                "{output} takes one image, and {} were asked for",
                images_asked.len()
            ))
            .hint(match output {
                Location::Registry(_) => "write HOST/PREFIX/ to have them at PREFIX/NAME:VARIANT",
                _ => "leave the tag away to have them tagged NAME-VARIANT",
            }));
        }
        let is_docker = matches!(output, Location::DockerArchive { .. });
        if is_docker && images_asked.iter().any(|image| image.architectures.len() > 1) {
            return Err(
                Failure::usage(format!("{output} takes one platform, and several were asked for"))
                    .hint("name one with --arch, or write an oci-archive"),
            );
        }
    }
    Ok(())
}

/// One place of images, opened.
fn open_output(location: &Location, image: Option<&str>, media: &Media<'_>) -> Result<Output, Failure> {
    let medium = match location {
        Location::Registry(_) => Medium::Repository {
            image: image.map(str::to_owned),
        },
        _ => Medium::Files,
    };
    let label = match location {
        // The tag follows in the report, where it may be the default.
        Location::Registry(reference) => reference.clone().with_tag(None).to_string(),
        other => other.to_string(),
    };
    Ok(Output {
        sink: media.open_sink(location)?.into(),
        label,
        tag: location.name(),
        medium,
    })
}

/// Below a prefix of a registry's names, each image has a repository of its own.
fn repository(host: &str, prefix: Option<&RepositoryName>, image: &str) -> Result<Location, Failure> {
    let unfit =
        |error: String| Failure::usage(format!("`{image}` cannot be the name of a repository: {error}"));
    let name = match prefix {
        Some(prefix) => prefix.join(image),
        None => image.parse(),
    };
    let name = name.map_err(|error| unfit(error.to_string()))?;
    let reference = Reference::new(host, name).map_err(|error| unfit(error.to_string()))?;
    Ok(Location::Registry(reference))
}

fn build_failure(error: BuildError) -> Failure {
    Failure::new(build_report::kind(&error), "the build failed", error)
}
