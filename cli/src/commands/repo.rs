//! `lightship repo`: repositories of a running registry, and what is in them.

mod contents;
mod origin_options;
mod quota;
mod settings_options;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use transport::Method;

use self::origin_options::Mode;
use self::settings_options::SettingsOptions;
pub(crate) use self::settings_options::{bytes, seconds};
use crate::administration::{
    Administered, ImageName, RegistryOption, VerbFormat, encoded, last, number, repository_name, table, text,
    time,
};
use crate::arguments::Format;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{output, runtime};

/// Look after the repositories of a running registry
///
/// REPOSITORY is PROJECT/LOCATION/REPOSITORY, LOCATION-docker.pkg.dev/PROJECT/REPOSITORY, gcr.io/PROJECT, or the whole
/// projects/PROJECT/locations/LOCATION/repositories/REPOSITORY; without one it is that of names without such a host.
/// IMAGE is HOST/NAME, as for a pull.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    registry: RegistryOption,
    #[command(flatten)]
    format: VerbFormat,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the repositories that you may see
    List {
        /// Only those of this project
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        project: Option<String>,
    },
    /// Show a repository
    Show {
        /// The repository
        repository: Option<String>,
    },
    /// Make a repository
    Create {
        /// The repository
        repository: String,
        /// Where its content comes from; it never changes
        #[arg(long, value_enum, default_value_t = Mode::Standard)]
        mode: Mode,
        #[command(flatten)]
        settings: SettingsOptions,
    },
    /// Change a repository's settings
    Update {
        /// The repository
        repository: Option<String>,
        #[command(flatten)]
        settings: SettingsOptions,
    },
    /// Remove a repository with all that is in it
    Delete {
        /// The repository
        repository: String,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Show what projects hold and how much they may, or set how much one may
    Quota {
        /// The project [default: all]
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        project: Option<String>,
        /// Most bytes that its repositories hold together, as 50GB; 0 is no limit
        #[arg(long, value_name = "BYTES", value_parser = bytes, requires = "project")]
        set: Option<u64>,
    },
    /// List the images of a repository, or of one name, with how often they are used
    Images {
        /// A repository, or an image without a tag
        place: Option<String>,
    },
    /// List the tags of an image
    Tags {
        /// The image, without a tag
        image: String,
    },
    /// Tell what a tag named before: who moved it, when, and from what to what
    History {
        /// The image with its tag
        image: String,
    },
    /// Move a tag back to what it named before
    RestoreTag {
        /// The image with its tag
        image: String,
        /// What it is to name [default: what it named before its last move]
        digest: Option<String>,
    },
}

/// What its documents are called by.
const COMMAND: &str = "repo";

pub(crate) fn run(arguments: Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let format = arguments.format.format;
    let registry = arguments.registry;
    let open = |host: Option<&str>| registry.open(host, settings);
    runtime::block_on(async {
        match arguments.action {
            Action::List { project } => list(&open(None)?, project, format).await,
            Action::Show { repository } => show(&open(None)?, repository, format).await,
            Action::Create {
                repository,
                mode,
                settings,
            } => create(&open(None)?, (&repository, mode, &settings), format).await,
            Action::Update { repository, settings } => {
                update(&open(None)?, (repository, &settings), format).await
            }
            Action::Delete { repository, yes } => delete(&open(None)?, (&repository, yes), format).await,
            Action::Quota { project, set } => quota::run(&open(None)?, project.as_deref(), set, format).await,
            Action::Images { place } => {
                let place = place.as_deref();
                let image = place.and_then(|place| ImageName::parse(place).ok());
                // `p/us/r` could be either; a repository it is unless its beginning looks like a host.
                let image = image.filter(|_| place.is_some_and(|place| repository_name(place).is_err()));
                let server = open(image.as_ref().map(|image| image.host.as_str()))?;
                contents::images(&server, (place, image), format).await
            }
            Action::Tags { image } => {
                let image = ImageName::parse(&image)?;
                contents::tags(&open(Some(&image.host))?, &image, format).await
            }
            Action::History { image } => {
                let image = ImageName::parse(&image)?;
                contents::history(&open(Some(&image.host))?, &image, format).await
            }
            Action::RestoreTag { image, digest } => {
                let image = ImageName::parse(&image)?;
                contents::restore(&open(Some(&image.host))?, &image, digest, format).await
            }
        }
    })?
}

/// The resource of the repository that is named, else of the registry's own.
async fn named(server: &Administered, repository: Option<&str>) -> Result<String, Failure> {
    match repository {
        Some(text) => repository_name(text),
        None => server.default_repository().await,
    }
}

async fn list(server: &Administered, project: Option<String>, format: Format) -> Result<Outcome, Failure> {
    let (attempted, path) = match project {
        Some(project) => (
            format!("list the repositories of {project}"),
            format!("/v1/projects/{}/locations/-/repositories", encoded(&project)),
        ),
        None => (
            "list the repositories".to_owned(),
            "/lightship/v1/repositories".to_owned(),
        ),
    };
    let found = server.list(&attempted, &path, "repositories").await?;
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|repository| {
            vec![
                short(text(repository, "name")),
                output::bytes(number(repository, "sizeBytes")),
                time(repository, "updateTime"),
                text(repository, "description").to_owned(),
            ]
        })
        .collect();
    output::report(COMMAND, format, &json!({"repositories": found}), || {
        table(&["REPOSITORY", "SIZE", "UPDATED", "DESCRIPTION"], &rows)
    })
}

/// `projects/p/locations/l/repositories/r` as `p/l/r`.
fn short(name: &str) -> String {
    match name.split('/').collect::<Vec<_>>().as_slice() {
        [_, project, _, location, _, id] => format!("{project}/{location}/{id}"),
        _ => name.to_owned(),
    }
}

async fn show(server: &Administered, repository: Option<String>, format: Format) -> Result<Outcome, Failure> {
    let name = named(server, repository.as_deref()).await?;
    let found = server
        .get(&format!("show {name}"), &format!("/v1/{name}"))
        .await?;
    shown(&found, format)
}

fn shown(repository: &Value, format: Format) -> Result<Outcome, Failure> {
    output::report(COMMAND, format, &json!({"repository": repository}), || {
        let own = &repository["lightshipConfig"];
        let labels = repository["labels"].as_object().into_iter().flatten();
        let labels: Vec<String> = labels
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        let patterns = own["immutableTagPatterns"].as_array().into_iter().flatten();
        let immutable = match repository["dockerConfig"]["immutableTags"].as_bool() {
            Some(true) => "all".to_owned(),
            _ => patterns.filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        };
        let cleanup = repository["cleanupPolicies"].as_object().into_iter().flatten();
        let cleanup: Vec<&str> = cleanup.map(|(id, _)| id.as_str()).collect();
        let quota = own
            .get("quotaBytes")
            .map(|_| output::bytes(number(own, "quotaBytes")));
        let [upstream, fresh, members] = origin_options::lines(repository);
        let lines = [
            ("repository", text(repository, "name").to_owned()),
            ("pull from", text(repository, "registryUri").to_owned()),
            upstream,
            fresh,
            members,
            ("description", text(repository, "description").to_owned()),
            ("labels", labels.join(" ")),
            ("size", output::bytes(number(repository, "sizeBytes"))),
            ("quota", quota.unwrap_or_default()),
            ("immutable tags", immutable),
            ("cleanup", cleanup.join(", ")),
            ("created", time(repository, "createTime")),
            ("updated", time(repository, "updateTime")),
        ];
        let line = |(title, value): &(&str, String)| format!("{title:<15} {}\n", inspect::visible(value));
        lines
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(line)
            .collect()
    })
}

async fn create(
    server: &Administered,
    (repository, mode, settings): (&str, Mode, &SettingsOptions),
    format: Format,
) -> Result<Outcome, Failure> {
    let name = repository_name(repository)?;
    let (mut body, _) = settings.body(&name)?;
    body["format"] = "DOCKER".into();
    body["mode"] = mode.word().into();
    let parent = name.rsplit_once('/').map_or(name.as_str(), |(parent, _)| parent);
    let attempted = format!("create {name}");
    let path = format!("/v1/{parent}");
    let query = [("repositoryId", last(&name))];
    let operation = server
        .ask(Method::Post, (&attempted, &path), &query, Some(&body))
        .await?;
    shown(&operation["response"], format)
}

async fn update(
    server: &Administered,
    (repository, settings): (Option<String>, &SettingsOptions),
    format: Format,
) -> Result<Outcome, Failure> {
    let name = named(server, repository.as_deref()).await?;
    let (body, mask) = settings.body(&name)?;
    if mask.is_empty() {
        return Err(Failure::usage("nothing is to be changed")
            .hint("`lightship repo update --help` lists what can be"));
    }
    let attempted = format!("update {name}");
    let path = format!("/v1/{name}");
    let mask = mask.join(",");
    let query = [("updateMask", mask.as_str())];
    let updated = server
        .ask(Method::Patch, (&attempted, &path), &query, Some(&body))
        .await?;
    shown(&updated, format)
}

async fn delete(
    server: &Administered,
    (repository, yes): (&str, bool),
    format: Format,
) -> Result<Outcome, Failure> {
    let name = repository_name(repository)?;
    if !yes {
        let host = server.host();
        return Err(Failure::usage(format!(
            "{name} on {host} would be removed with all that is in it"
        ))
        .hint("say --yes if that is meant"));
    }
    server
        .delete(&format!("delete {name}"), &format!("/v1/{name}"))
        .await?;
    output::report(COMMAND, format, &json!({"deleted": name}), || {
        format!("deleted {name}\n")
    })
}
