//! Whether a step may be made: what it would change has to be the same on both sides, for everybody who is named.

use std::collections::BTreeSet;

use clap::Args;
use migrate::place::PlaceName;
use migrate::verify::{Depth, Finding, FindingKind, Report};
use serde_json::Value;
use store::OnlyThere;

use super::super::verify::{As, proved};
use crate::administration::{Administered, RegistryOption, text};
use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;

/// What is looked at before a step.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What is verified")]
pub(super) struct ProofOptions {
    /// Pull as this one, from both sides: `anonymous`, or a name and a config.json of docker with what they show; may be given
    /// several times [default: anonymous]
    #[arg(long = "as", value_name = "anonymous|NAME=DOCKER_CONFIG", value_parser = As::parse)]
    principals: Vec<As>,
    /// The old registry as it is reached from here [default: as the transition says]
    #[arg(long, value_name = "SOURCE")]
    from: Option<PlaceName>,
    /// The repository as clients name it, without the names of packages [default: the registry's host, for the repository
    /// that its names without a project are in]
    #[arg(long, value_name = "DESTINATION")]
    to: Option<PlaceName>,
    /// Make the step without looking
    #[arg(long)]
    unverified: bool,
}

/// What a step would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that anybody could notice.
    Nothing,
    /// Who answers reads.
    Reads,
    /// Who owns the tags.
    Tags,
    /// That the old side is not asked any more.
    Everything,
}

impl ProofOptions {
    /// Whether the step is made without looking.
    pub(super) fn is_left_out(&self) -> bool {
        self.unverified
    }

    /// The differences that speak against a change; none when it may be made.
    pub(super) async fn against(
        &self,
        change: Change,
        (server, registry): (&Administered, &RegistryOption),
        (repository, current): (&str, &Value),
        settings: &Settings,
    ) -> Result<Vec<String>, Failure> {
        if self.unverified || change == Change::Nothing {
            return Ok(Vec::new());
        }
        let from = match &self.from {
            Some(from) => from.clone(),
            None => text(current, "old").parse().map_err(|_| {
                Failure::usage("it is not known where the old registry is")
                    .hint("say so with --old, or with --from as it is reached from here")
            })?,
        };
        let to = match &self.to {
            Some(to) => to.clone(),
            None => self.default_place(server, repository).await?,
        };
        let depth = match change {
            Change::Nothing | Change::Reads => Depth::Access,
            Change::Tags | Change::Everything => Depth::Presence,
        };
        output::talk(&format!(
            "looks whether {from} and {to} are the same for what this would change"
        ));
        let report = proved((from, to), &self.principals, (&registry.options, depth), settings).await?;
        Ok(differences(&report, change, current))
    }

    async fn default_place(&self, server: &Administered, repository: &str) -> Result<PlaceName, Failure> {
        let about = server
            .get("ask about the registry", "/lightship/v1/registry")
            .await?;
        let is_default = text(&about, "defaultRepository") == repository;
        let place = server.host().parse().ok().filter(|_| is_default);
        place.ok_or_else(|| {
            Failure::usage(format!(
                "it is not known by which name clients pull from {repository}"
            ))
            .hint("say it with --to HOST/PREFIX, or leave the proof out with --unverified")
        })
    }
}

fn differences(report: &Report, change: Change, current: &Value) -> Vec<String> {
    let deleted = current.get("deletedHere").and_then(Value::as_array);
    let deleted: BTreeSet<&str> = deleted.into_iter().flatten().filter_map(Value::as_str).collect();
    let owns_tags = matches!(text(current, "state"), "enabled-and-copying" | "enabled");
    let counts = |finding: &&Finding| match finding {
        // What this side lacks is fetched until it has everything.
        Finding::TagMissing { repository, tag, .. } => {
            change == Change::Everything
                && !deleted.iter().any(|gone| {
                    gone.split_once(' ').is_some_and(|(package, reference)| {
                        [tag.as_str(), OnlyThere::WHOLE_PACKAGE].contains(&reference)
                            && repository.ends_with(&format!("/{package}"))
                    })
                })
        }
        Finding::PartMissing { .. } | Finding::ReferrerMissing { .. } => change == Change::Everything,
        // What was pushed to the side that owns the tags is another by right.
        Finding::TagDiffers { .. } => !owns_tags,
        _ => true,
    };
    if report.reads == 0 && report.tags > 0 {
        let tried = report.principals.join(", ");
        let mut told = vec![format!(
            "nobody of {tried} reads anything on either side, which proves nothing: name those who pull with --as"
        )];
        told.extend(report.differences.iter().filter(counts).map(ToString::to_string));
        return told;
    }
    let mut told: Vec<String> = report
        .differences
        .iter()
        .filter(counts)
        .map(ToString::to_string)
        .collect();
    // What is not listed may count too.
    let counts = |kind: FindingKind| match kind {
        FindingKind::TagMissing | FindingKind::PartMissing | FindingKind::ReferrerMissing => {
            change == Change::Everything
        }
        FindingKind::TagDiffers => !owns_tags,
        FindingKind::PartDamaged | FindingKind::Access | FindingKind::Unchecked => true,
    };
    if report.left_out().any(counts) {
        told.push("and more differences than can be listed".to_owned());
    }
    told
}
