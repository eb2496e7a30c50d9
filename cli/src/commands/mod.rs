//! One file per command: its arguments, and what it does.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod cat;
pub(crate) mod catalogue;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod diff;
pub(crate) mod gc;
pub(crate) mod generate;
pub(crate) mod iam;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod lock;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod ls;
pub(crate) mod migrate;
pub(crate) mod repo;
pub(crate) mod serve;
pub(crate) mod test;
pub(crate) mod up;

use crate::arguments::Command;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;

/// Runs the command that was asked for.
pub(crate) fn run(command: Command, settings: &Settings) -> Result<Outcome, Failure> {
    match command {
        Command::Catalogue(arguments) => catalogue::run(&arguments),
        Command::Lock(arguments) => lock::run(arguments, settings),
        Command::Build(arguments) => build::run(arguments, settings),
        Command::Inspect(arguments) => inspect::run(&arguments, settings),
        Command::Ls(arguments) => ls::run(&arguments, settings),
        Command::Cat(arguments) => cat::run(&arguments, settings),
        Command::Diff(arguments) => diff::run(&arguments, settings),
        Command::Test(arguments) => test::run(&arguments, settings),
        Command::Copy(arguments) => copy::run(&arguments, settings),
        Command::Up(arguments) => up::run(arguments, settings),
        Command::Serve(arguments) => serve::run(&arguments, settings),
        Command::Account(arguments) => account::run(arguments, settings),
        Command::Login(arguments) => login::run(&arguments, settings),
        Command::Logout(arguments) => logout::run(&arguments, settings),
        Command::Repo(arguments) => repo::run(arguments, settings),
        Command::Iam(arguments) => iam::run(arguments, settings),
        Command::Key(arguments) => key::run(arguments, settings),
        Command::Migrate(arguments) => migrate::run(&arguments, settings),
        Command::Audit(arguments) => audit::run(&arguments, settings),
        Command::Gc(arguments) => gc::run(&arguments, settings),
        Command::Scrub(arguments) => gc::run_scrub(&arguments, settings),
        Command::Backup(arguments) => backup::run(&arguments, settings),
        Command::Restore(arguments) => backup::run_restore(&arguments, settings),
        Command::Cache(arguments) => cache::run(&arguments, settings),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
    }
}
