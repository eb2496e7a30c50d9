//! `lightship test`: structure tests of an image.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};
use client::Location;
use inspect::ImageView;
use inspect::sandbox::{EmptySandbox, INIT_COMMAND, SandboxOptions};
use inspect::structure_test::{
    self, CommandError, CommandRunner, ImageFacts, NoCommands, Report, Suite, Surroundings, Verdict,
};
use oci::Platform;

use crate::environment;
use crate::failure::{Failure, Kind, Outcome};
use crate::images::Media;
use crate::progress_display::ProgressDisplay;
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;
use crate::{output, runtime};

/// Run container-structure-test files (schema 1.0.0 and 2.0.0) against an image; exit 1 when a test fails
///
/// Files, owners and the configuration are read straight from the layers. Commands run in a sandbox of namespaces
/// without network, and without privileges; those of another architecture under qemu-user when it is installed. A test
/// that cannot run here is reported as such, and exit status 3 says that not everything was tested.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or HOST/NAME[:TAG|@DIGEST]
    image: Location,
    /// A file of tests, in YAML or JSON; may be given several times
    #[arg(short, long, required = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Which platform of the image, such as arm64 or linux/arm/v7 [default: this machine's]
    #[arg(long)]
    platform: Option<Platform>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    #[command(flatten)]
    registry: RegistryOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people
    Text,
    /// For programs: one JSON document
    Json,
    /// For CI systems: JUnit XML
    Junit,
}

/// Hands over to the inner half of the sandbox when this process was started as that.
pub(crate) fn sandbox_entry() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != INIT_COMMAND {
        return None;
    }
    let rest: Vec<String> = arguments.collect();
    Some(ExitCode::from(inspect::sandbox::init(&rest)))
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let suites = read_suites(&arguments.config)?;
    let report = runtime::block_on(test(arguments, &suites, settings))??;
    let text = match arguments.format {
        ReportFormat::Text => report.to_text(),
        ReportFormat::Json => {
            let json = report.to_json();
            json.map_err(|error| Failure::bug("cannot write the report", error))?
        }
        ReportFormat::Junit => report.to_junit(),
    };
    output::data(text.as_bytes())?;
    match report.verdict() {
        Verdict::Passed => Ok(Outcome::Done),
        Verdict::Failed => Ok(Outcome::NotSo),
        Verdict::Incomplete => Err(Failure::stated(Kind::Outside, "not every test could be run here")),
    }
}

fn read_suites(files: &[PathBuf]) -> Result<Vec<Suite>, Failure> {
    let mut suites = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = read_limited(file)
            .map_err(|error| Failure::new(Kind::Usage, format!("cannot read the tests in {name}"), error))?;
        let parsed = structure_test::parse(&name, &text);
        suites.extend(
            parsed.map_err(|error| {
                Failure::new(Kind::Usage, format!("cannot use the tests in {name}"), error)
            })?,
        );
    }
    Ok(suites)
}

/// Reads a byte more than a file of tests may have, so that the parser says when it is too long.
fn read_limited(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    fs::File::open(file)?
        .take(structure_test::FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut text)?;
    Ok(text)
}

async fn test(arguments: &Arguments, suites: &[Suite], settings: &Settings) -> Result<Report, Failure> {
    let media = Media::new(&arguments.registry, settings);
    let view = media
        .open_view(&arguments.image, arguments.platform.as_ref())
        .await?;
    let facts = ImageFacts::new(&arguments.image.to_string(), view.config());
    let needs_commands = suites.iter().any(|suite| !suite.command_tests.is_empty());
    let mut runner = if needs_commands {
        sandbox(&facts, &view)
    } else {
        unavailable("no command to run".to_owned())
    };
    let started = Instant::now();
    let clock = move || started.elapsed();
    let environment: BTreeMap<String, String> = environment::all();
    let display = ProgressDisplay::new(settings);
    let surroundings = Surroundings {
        clock: &clock,
        environment: &environment,
        progress: &display,
    };
    Ok(structure_test::run(suites, &facts, &view, runner.as_mut(), &surroundings).await)
}

/// The sandbox with the image in it, or what says for every command why there is none.
fn sandbox(facts: &ImageFacts, view: &ImageView) -> Box<dyn CommandRunner> {
    let options = SandboxOptions::new(environment::temporary_directory());
    let filled = EmptySandbox::try_out(facts, options).and_then(|sandbox| sandbox.fill(view));
    match filled {
        Ok(sandbox) => Box::new(sandbox),
        Err(CommandError::Unavailable { reason }) => unavailable(reason),
        Err(other) => unavailable(other.to_string()),
    }
}

fn unavailable(reason: String) -> Box<dyn CommandRunner> {
    Box::new(NoCommands { reason })
}
