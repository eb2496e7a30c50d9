//! `lightship migrate client-config`: what keeps names unchanged for clients, and which side answers them.

mod answer;
mod check;
mod containerd;
mod containers;
mod files;
mod way;

use std::path::PathBuf;

use clap::Args;
use migrate::place::PlaceName;
use serde_json::json;

use crate::arguments::FormatOption;
use crate::failure::{Failure, Outcome};
use crate::registry_options::{Host, RegistryOptions};
use crate::settings::Settings;
use crate::{output, runtime};

/// Write what makes clients pull from the new side by the old name, or check which side answers
///
/// The files are for containerd (also Kubernetes' nodes, and Docker with the containerd image store), podman, CRI-O, skopeo
/// and Docker, below DIR as they lie below / on the client's machine, with a README.txt that says what each does. With
/// --check, on the client's machine, every way is asked and told which side answers, with which certificate; exit status 1
/// when one of them is not answered by Lightship.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The host that stands in Dockerfiles and manifests, and stays there
    #[arg(long, value_name = "HOST", value_parser = Host::parse)]
    old: Host,
    /// Where the images are now; HOST itself when its name is to lead to the new side
    #[arg(long, value_name = "HOST[/PREFIX]", required_unless_present = "check")]
    new: Option<PlaceName>,
    /// The certificate of the authority that vouches for the new side, in PEM, when it is one of your own
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Write the files below this directory [default: to standard output]
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    write: Option<PathBuf>,
    /// Ask which side answers on this machine, and what it has as IMAGE, a name below HOST
    #[arg(long, value_name = "IMAGE", num_args = 0..=1)]
    check: Option<Option<String>>,
    /// Read the clients' files below this directory instead of /
    #[arg(long, value_name = "DIR", requires = "check")]
    root: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryOptions,
    #[command(flatten)]
    format: FormatOption,
}

/// What its documents are called by.
const COMMAND: &str = "migrate-client-config";

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    if let Some(image) = &arguments.check {
        return checked(arguments, image.as_deref(), settings);
    }
    let Some(PlaceName::Registry { host, prefix }) = &arguments.new else {
        return Err(Failure::usage("--new takes a registry, HOST[/PREFIX]"));
    };
    let authority = arguments.ca.as_deref().map(files::authority).transpose()?;
    let written = files::make(&files::Names {
        old: &arguments.old.name,
        new: host,
        prefix: prefix.as_ref().map(oci::RepositoryName::as_str),
        is_plain: authority.is_none() && arguments.registry.is_plain(host),
        authority: authority.as_deref(),
    });
    if let Some(directory) = &arguments.write {
        files::write(directory, &written)?;
    }
    let listed: Vec<_> = written
        .iter()
        .map(|file| json!({"path": file.path, "content": file.content}))
        .collect();
    let is_written = arguments.write.is_some();
    output::report(
        COMMAND,
        arguments.format.format,
        &json!({"files": listed}),
        || {
            let text = |file: &files::Written| match is_written {
                true => format!("{}\n", file.path),
                false => format!("==> {} <==\n{}\n", file.path, file.content),
            };
            written.iter().map(text).collect()
        },
    )
}

fn checked(arguments: &Arguments, image: Option<&str>, settings: &Settings) -> Result<Outcome, Failure> {
    let asked = check::Asked {
        old: &arguments.old,
        image,
        root: arguments.root.as_deref(),
        options: arguments.registry.with_host(&arguments.old),
    };
    let found = runtime::block_on(check::check(&asked, settings))??;
    let document = json!({"ways": found.iter().map(check::Found::document).collect::<Vec<_>>()});
    output::report(COMMAND, arguments.format.format, &document, || {
        found.iter().map(check::Found::text).collect()
    })?;
    Ok(match found.iter().all(check::Found::is_lightship) {
        true => Outcome::Done,
        false => Outcome::NotSo,
    })
}
