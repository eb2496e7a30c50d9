//! `lightship migrate iam`: who may do what on the old side, carried over.

mod apply;
mod files;
mod report;

use std::path::PathBuf;

use clap::Args;
use migrate::iam::{Access, Convenience, Repository, Request, translate};

use self::files::Named;
use crate::administration::{RegistryOption, repository_name};
use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Kind, Outcome};
use crate::registry_options::{Host, RegistryOptions};
use crate::settings::Settings;
use crate::{output, runtime};

/// Carry over who may do what, from Google's policies
///
/// Reads policies as `gsutil iam get`, `gcloud storage buckets get-iam-policy` and `gcloud projects get-iam-policy` write
/// them, in JSON or YAML. Buckets of Container Registry become the repositories of their hosts. Whoever could read objects
/// becomes a reader, whoever could create them a writer, whoever could delete them an administrator of the repository.
/// Conditions, deny rules and unknown roles are refused by name; what is not carried as it was is listed.
///
/// Without --write and --apply it only shows what it would do, with --server as a difference to what is so there.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The policy of a bucket or repository; may be given several times
    ///
    /// BUCKET is needed when neither the policy nor the file's name says it: [us.|eu.|asia.]artifacts.PROJECT.appspot.com.
    /// Deny policies are taken here too, and refused when they are about images.
    #[arg(long, value_name = "[BUCKET=]FILE", num_args = 1.., value_parser = Named::parse)]
    policy: Vec<Named>,
    /// The policy of a project, also as `gcloud projects get-ancestors-iam-policy` writes it; may be given several times
    #[arg(long, value_name = "[PROJECT=]FILE", value_parser = Named::parse)]
    project_policy: Vec<Named>,
    /// The definition of a role, as `gcloud iam roles describe` writes it; may be given several times
    #[arg(long, value_name = "FILE")]
    role: Vec<PathBuf>,
    /// Drop projectOwner:, projectEditor: and projectViewer: members instead of asking the project's policy who they are
    #[arg(long)]
    drop_convenience_members: bool,
    /// The repository that the one policy is for, when it is not one of Container Registry's buckets
    #[arg(long, value_name = "REPOSITORY")]
    repository: Option<String>,
    /// Write DIR/PROJECT/REPOSITORY.yaml for review
    #[arg(long, value_name = "DIR", conflicts_with = "apply")]
    write: Option<PathBuf>,
    /// Give what is missing on the server; from the reviewed files in DIR when one is named
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    apply: Option<Option<PathBuf>>,
    /// The registry to compare with and to apply to [default with --apply: 127.0.0.1:5000]
    #[arg(long, value_name = "HOST", value_parser = Host::parse)]
    server: Option<Host>,
    #[command(flatten)]
    registry: RegistryOptions,
    #[command(flatten)]
    format: FormatOption,
}

/// What its documents are called by.
const COMMAND: &str = "migrate-iam";

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let format = arguments.format.format;
    let reviewed = arguments.apply.clone().flatten();
    let found = match &reviewed {
        Some(_) if !arguments.policy.is_empty() || !arguments.project_policy.is_empty() => {
            return Err(Failure::usage(
                "--apply DIR takes what is in the files there, and no policies beside it",
            ));
        }
        Some(directory) => files::reviewed(directory)?,
        None => translated(arguments)?,
    };
    if let Some(directory) = &arguments.write {
        files::write(directory, &found)?;
    }
    let is_applying = arguments.apply.is_some();
    if !is_applying && arguments.server.is_none() {
        return told(format, &report::Shown::alone(&found));
    }
    let server = RegistryOption {
        registry: arguments.server.clone(),
        options: arguments.registry.clone(),
    };
    let server = server.open(None, settings)?;
    runtime::block_on(async {
        let differences = apply::differences(&server, &found).await?;
        if is_applying {
            apply::apply(&server, &found, &differences).await?;
        }
        told(
            format,
            &report::Shown::compared(&found, &differences, is_applying),
        )
    })?
}

fn translated(arguments: &Arguments) -> Result<Vec<Access>, Failure> {
    if arguments.policy.is_empty() && (arguments.project_policy.is_empty() || arguments.repository.is_none())
    {
        return Err(Failure::usage("there is no policy to carry over").hint(
            "name one with --policy FILE; or the project's alone, with --project-policy FILE and --repository REPOSITORY",
        ));
    }
    let convenience = match arguments.drop_convenience_members {
        true => Convenience::Drop,
        false => Convenience::Expand,
    };
    let repository = arguments.repository.as_deref().map(repository_of).transpose()?;
    let roles = arguments.role.iter().map(|path| Named::of(path));
    let request = Request {
        policies: files::read_all(&arguments.policy)?,
        project_policies: files::read_all(&arguments.project_policy)?,
        roles: files::read_all(&roles.collect::<Vec<_>>())?,
        repository,
        convenience,
    };
    translate(&request).map_err(|refusals| {
        let hints = report::hints(&refusals);
        let failure = Failure::new(
            Kind::Usage,
            "these policies cannot be carried over as they are",
            refusals,
        );
        hints.into_iter().fold(failure, Failure::hint)
    })
}

fn repository_of(text: &str) -> Result<Repository, Failure> {
    let name = repository_name(text)?;
    name.parse()
        .map_err(|error| Failure::new(Kind::Usage, format!("`{text}` is no repository"), error))
}

fn told(format: Format, shown: &report::Shown<'_>) -> Result<Outcome, Failure> {
    output::report(COMMAND, format, &shown.document(), || shown.text())
}
