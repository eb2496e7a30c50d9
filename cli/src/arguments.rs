//! What can be written on the command line. Inert: nothing here touches anything.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Builds distroless container base images from Debian packages, looks inside images, and serves them.
#[derive(Debug, Parser)]
#[command(name = "lightship", version, propagate_version = true, max_term_width = 100, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "Exit status:
  0    done
  1    the thing asked about is not so (a test failed, images differ, a lock is out of date)
  2    wrong usage or a bad input file
  3    something outside failed (network, mirror, registry, disk)
  255  a bug in lightship";

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// How progress is shown on standard error
    #[arg(long, global = true, value_enum, default_value_t = ProgressMode::Auto, help_heading = "Talk")]
    pub(crate) progress: ProgressMode,
    /// Say more; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Talk")]
    pub(crate) verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Talk")]
    pub(crate) quiet: bool,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// Bars on a terminal, lines elsewhere
    Auto,
    /// One line per piece of work
    Plain,
    /// Nothing
    None,
}

/// How a report is written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: one JSON document
    Json,
}

/// `--format`, for commands that report.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct FormatOption {
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(commands::up::Arguments),
    Catalogue(commands::catalogue::Arguments),
    Lock(commands::lock::Arguments),
    Build(commands::build::Arguments),
    Inspect(commands::inspect::Arguments),
    Ls(commands::ls::Arguments),
    Cat(commands::cat::Arguments),
    Diff(commands::diff::Arguments),
    Test(commands::test::Arguments),
    Copy(commands::copy::Arguments),
    Migrate(commands::migrate::Arguments),
    Audit(Box<commands::audit::Arguments>),
    Serve(commands::serve::Arguments),
    Account(commands::account::Arguments),
    Repo(commands::repo::Arguments),
    Iam(commands::iam::Arguments),
    Key(commands::key::Arguments),
    Gc(commands::gc::Arguments),
    Scrub(commands::gc::ScrubArguments),
    Backup(commands::backup::Arguments),
    Restore(commands::backup::RestoreArguments),
    Login(commands::login::Arguments),
    Logout(commands::logout::Arguments),
    Cache(commands::cache::Arguments),
    Completions(commands::completions::Arguments),
    #[command(hide = true)]
    Generate(commands::generate::Arguments),
}
