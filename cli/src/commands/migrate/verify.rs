//! `lightship migrate verify`: whether all of it is here, for everybody who had it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use client::Location;
use client::registry::CredentialStore;
use inspect::visible;
use migrate::manifests::ManifestStore;
use migrate::place::PlaceName;
use migrate::plan::{Depth as SurveyDepth, Plan};
use migrate::verify::{Depth, Pair, Principal, Report, Verification};
use oci::{Reference, RepositoryName};
use serde_json::json;

use super::run::read_plan;
use super::sides::{self, ChoiceOptions, SidesOptions};
use crate::arguments::{Format, FormatOption};
use crate::failure::{Failure, Outcome};
use crate::progress_display::ProgressDisplay;
use crate::registry_options::RegistryOptions;
use crate::settings::Settings;
use crate::{credentials, output, runtime};

/// Prove that both sides have the same, and that the same people read it
///
/// Compares the digest of every tag, looks at the destination for every manifest, blob and referrer, and pulls one image
/// of each repository as everybody who is named with --as, from both sides and through every --route. Exit status 1 when
/// there is a difference. An image that is not whole at the source either is told, and is none.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A plan that `lightship migrate plan` has made
    #[arg(id = "plan", value_name = "PLAN")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    sides: SidesOptions,
    #[command(flatten)]
    choice: ChoiceOptions,
    /// Pull as this one, too: `anonymous`, or a name and a config.json of docker with what they show to both sides; may be
    /// given several times [default: anonymous]
    #[arg(long = "as", value_name = "anonymous|NAME=DOCKER_CONFIG", value_parser = As::parse)]
    principals: Vec<As>,
    /// Pull at the destination by this name, too, which stands in place of DESTINATION; may be given several times
    #[arg(long, value_name = "HOST[/PREFIX]")]
    route: Vec<PlaceName>,
    /// Read every blob at the destination and compare its digest
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    format: FormatOption,
}

/// Somebody to try as.
#[derive(Debug, Clone)]
pub(crate) struct As {
    name: String,
    /// Nothing for somebody who shows nothing.
    config: Option<PathBuf>,
}

impl As {
    pub(crate) fn parse(text: &str) -> Result<As, String> {
        match text.split_once('=') {
            None if text == ANONYMOUS => Ok(As::anonymous()),
            Some((name, path)) if !name.is_empty() && !path.is_empty() && name != ANONYMOUS => Ok(As {
                name: name.to_owned(),
                config: Some(PathBuf::from(path)),
            }),
            _ => Err("write `anonymous`, or NAME=FILE with docker's config.json of them".to_owned()),
        }
    }

    pub(super) fn anonymous() -> As {
        As {
            name: ANONYMOUS.to_owned(),
            config: None,
        }
    }

    /// Somebody who shows what is in the file, and nothing of what the user has.
    pub(super) fn principal(
        &self,
        registry: &RegistryOptions,
        settings: &Settings,
    ) -> Result<Principal, Failure> {
        let store = match &self.config {
            Some(path) => credentials::store_of(path)?,
            None => CredentialStore::empty(),
        };
        // What is known of one side's tokens is nothing for the other.
        Ok(Principal {
            name: self.name.clone(),
            old: registry.registries_as(settings, store.clone())?,
            new: registry.registries_as(settings, store)?.of_itself(),
        })
    }
}

const ANONYMOUS: &str = "anonymous";

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    let depth = match arguments.deep {
        true => Depth::Bytes,
        false => Depth::Presence,
    };
    let report = runtime::block_on(verified(arguments, depth, settings))??;
    let document = json!(report);
    output::report("migrate-verify", arguments.format.format, &document, || {
        to_text(&report)
    })?;
    Ok(match report.holds() {
        true => Outcome::Done,
        false => Outcome::NotSo,
    })
}

/// Whether two places are the same, as far as `depth` says.
pub(super) async fn proved(
    (from, to): (PlaceName, PlaceName),
    principals: &[As],
    (registry, depth): (&RegistryOptions, Depth),
    settings: &Settings,
) -> Result<Report, Failure> {
    let arguments = Arguments {
        plan: None,
        sides: SidesOptions {
            from: Some(from),
            to: Some(to),
            endpoint: Vec::new(),
            registry: registry.clone(),
        },
        choice: ChoiceOptions::default(),
        principals: principals.to_vec(),
        route: Vec::new(),
        deep: false,
        format: FormatOption { format: Format::Text },
    };
    verified(&arguments, depth, settings).await
}

async fn verified(arguments: &Arguments, depth: Depth, settings: &Settings) -> Result<Report, Failure> {
    let plan = arguments.plan.as_deref().map(read_plan).transpose()?;
    let (from, to) = arguments.sides.names(plan.as_ref())?;
    let display = ProgressDisplay::new(settings);
    let plan = match plan {
        Some(plan) => plan,
        None => surveyed(arguments, (&from, &to), settings, &display).await?,
    };
    let pairs = pairs(&plan, (&from, &to), &arguments.route)?;
    let registry = &arguments.sides.registry;
    let mut tried = arguments.principals.clone();
    if tried.is_empty() {
        tried.push(As::anonymous());
    }
    let principals = tried.iter().map(|one| one.principal(registry, settings));
    let verification = Verification {
        operator: Principal {
            name: "operator".to_owned(),
            old: registry.registries(settings)?,
            new: registry.registries(settings)?.of_itself(),
        },
        principals: principals.collect::<Result<_, _>>()?,
        depth,
        progress: &display,
    };
    let mut report = migrate::verify::verify(&pairs, &verification).await;
    // Content that is damaged is found by looking, and told with its reason; a repository that cannot be listed is not.
    for failure in plan
        .failures
        .iter()
        .filter(|failure| failure.reference.is_empty())
    {
        report.note_unchecked(failure.repository.clone(), failure.error.clone());
    }
    Ok(report)
}

/// The repositories of both sides; with their tags where only some are wanted.
async fn surveyed(
    arguments: &Arguments,
    (from, to): (&PlaceName, &PlaceName),
    settings: &Settings,
    display: &ProgressDisplay,
) -> Result<Plan, Failure> {
    let sides = arguments.sides.open((from, to), settings).await?;
    let store = ManifestStore::temporary().map_err(|error| Failure::outside("cannot verify", error))?;
    let depth = match arguments.choice.filter(settings)?.words().is_empty() {
        true => SurveyDepth::Names,
        false => SurveyDepth::Missing,
    };
    let options = arguments
        .choice
        .survey((from, to), settings, (depth, &store), None)?;
    sides::survey(&sides, &options, display).await
}

fn pairs(
    plan: &Plan,
    (from, to): (&PlaceName, &PlaceName),
    routes: &[PlaceName],
) -> Result<Vec<Pair>, Failure> {
    let old_host = host(from)?;
    let new_host = host(to)?;
    let mut pairs = Vec::new();
    for (name, repository) in &plan.repositories {
        let routes = routes.iter().map(|route| by_route(route, to, &repository.to));
        pairs.push(Pair {
            old: location(old_host, name)?,
            new: location(new_host, &repository.to)?,
            routes: routes.collect::<Result<_, _>>()?,
            tags: (!plan.filter.is_empty()).then(|| repository.tags.keys().cloned().collect::<BTreeSet<_>>()),
        });
    }
    Ok(pairs)
}

fn host(place: &PlaceName) -> Result<&str, Failure> {
    match place {
        PlaceName::Registry { host, .. } => Ok(host),
        other => Err(Failure::usage(format!(
            "{other} is no registry, and only registries are verified"
        ))
        .hint("`lightship diff` compares images, wherever they are")),
    }
}

fn location(host: &str, name: &RepositoryName) -> Result<Location, Failure> {
    let reference = Reference::new(host, name.clone());
    let cannot = |error| {
        Failure::new(
            crate::failure::Kind::Usage,
            format!("cannot name {host}/{name}"),
            error,
        )
    };
    reference.map(Location::Registry).map_err(cannot)
}

/// The name of a repository of the destination when `route` stands in place of the destination.
fn by_route(route: &PlaceName, to: &PlaceName, name: &RepositoryName) -> Result<Location, Failure> {
    let rest = match to.prefix() {
        Some(prefix) => name
            .as_str()
            .strip_prefix(prefix.as_str())
            .unwrap_or(name.as_str()),
        None => name.as_str(),
    };
    let rest = rest.trim_start_matches('/');
    let parts: Vec<&str> = route
        .prefix()
        .map(RepositoryName::as_str)
        .into_iter()
        .chain([rest])
        .collect();
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let text = parts.join("/");
    let name = text.parse().map_err(|error| {
        Failure::new(
            crate::failure::Kind::Usage,
            format!("`{text}` is no repository by the route {route}"),
            error,
        )
    })?;
    location(host(route)?, &name)
}

fn to_text(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.differences {
        text.push_str(&format!("{}\n", visible(&finding.to_string())));
    }
    if report.differences_total > report.differences.len() {
        let more = report.differences_total - report.differences.len();
        text.push_str(&format!("and {more} more differences\n"));
    }
    for damage in &report.damaged {
        text.push_str(&format!("damaged: {}\n", visible(&damage.to_string())));
    }
    text.push_str(&format!(
        "{} repositories, {} tags, {} manifests, {} blobs{}; {} pulls as {}; {} tags only at the destination\n",
        report.repositories,
        report.tags,
        report.manifests,
        report.blobs,
        match report.hashed_bytes {
            0 => String::new(),
            bytes => format!(" ({} hashed)", output::bytes(bytes)),
        },
        report.pulls,
        report.principals.join(", "),
        report.only_new,
    ));
    text.push_str(&match report.differences_total {
        0 => "no difference\n".to_owned(),
        1 => "1 difference\n".to_owned(),
        many => format!("{many} differences\n"),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_stands_in_place_of_the_destination() {
        for (route, to, name, expected) in [
            ("gcr.io", "new.example", "shop/app", "gcr.io/shop/app"),
            ("gcr.io/shop", "new.example/moved", "moved/app", "gcr.io/shop/app"),
            ("gcr.io", "new.example/moved", "moved/team/app", "gcr.io/team/app"),
        ] {
            let found = by_route(
                &route.parse().unwrap(),
                &to.parse().unwrap(),
                &name.parse().unwrap(),
            );
            assert_eq!(found.unwrap().to_string(), expected);
        }
    }

    #[test]
    fn somebody_is_anonymous_or_has_a_file() {
        assert!(As::parse("anonymous").unwrap().config.is_none());
        assert_eq!(As::parse("ci=a=b").unwrap().config, Some(PathBuf::from("a=b")));
        for text in ["", "ci", "ci=", "=file", "anonymous=file"] {
            assert!(As::parse(text).is_err(), "{text}");
        }
    }
}
