//! Pulls as others: who can read what, on which side.

use client::Location;
use client::registry::{Intent, Registries, RegistryError};
use oci::{Digest, Reference};

use super::finding::Finding;
use super::images::Sample;
use super::report::Report;
use super::side::told;
use super::{Pair, Principal};

/// What a pull came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pulled {
    /// The manifest and a part of a blob, the manifest of this digest.
    Read(Digest),
    /// It is said not to be there.
    Absent,
    /// Nothing, and what was answered.
    Refused(String),
    /// It is not known.
    Unknown(String),
}

/// Lets everybody pull one image from both sides, from the new one by every name it has.
pub(super) async fn compare(pair: &Pair, sample: &Sample, principals: &[Principal], report: &mut Report) {
    let (Location::Registry(old), Location::Registry(new)) = (&pair.old, &pair.new) else {
        // Directories and archives are read by whoever has them.
        return;
    };
    let routes = pair.routes.iter().filter_map(|route| match route {
        Location::Registry(reference) => Some(reference),
        _ => None,
    });
    let routes: Vec<&Reference> = std::iter::once(new).chain(routes).collect();
    for principal in principals {
        let there = pull(&principal.old, old, sample).await;
        report.note_pull(matches!(there, Pulled::Read(_)));
        for route in &routes {
            let here = match pull(&principal.new, route, sample).await {
                // Who may not read is told so; what is not here yet is fetched when they do.
                Pulled::Absent if sample.may_be_absent => Pulled::Read(sample.digest),
                here => here,
            };
            report.note_pull(matches!(here, Pulled::Read(_)));
            if let Some(finding) = difference(principal, (old, &there), (route, &here), sample) {
                report.add(finding);
            }
        }
    }
}

fn difference(
    principal: &Principal,
    (old, there): (&Reference, &Pulled),
    (route, here): (&Reference, &Pulled),
    sample: &Sample,
) -> Option<Finding> {
    let principal = principal.name.clone();
    let (old, route) = (old.to_string(), route.to_string());
    let unchecked = |place: &str, error: &String| Finding::Unchecked {
        what: format!("what {principal} can read of {place}"),
        error: error.clone(),
    };
    let absent = || Pulled::Refused(format!("there is no {} for them", sample.tag));
    let known = |pulled: &Pulled| match pulled {
        Pulled::Absent => absent(),
        other => other.clone(),
    };
    match (&known(there), &known(here)) {
        (Pulled::Absent, _) | (_, Pulled::Absent) => None,
        (Pulled::Unknown(error), _) => Some(unchecked(&old, error)),
        (_, Pulled::Unknown(error)) => Some(unchecked(&route, error)),
        (Pulled::Refused(_), Pulled::Refused(_)) => None,
        (Pulled::Read(_), Pulled::Refused(here)) => Some(Finding::AccessLost {
            principal,
            old,
            route,
            here: here.clone(),
        }),
        (Pulled::Refused(there), Pulled::Read(_)) => Some(Finding::AccessGained {
            principal,
            old,
            route,
            there: there.clone(),
        }),
        (Pulled::Read(old), Pulled::Read(new)) if old == new => None,
        (Pulled::Read(old), Pulled::Read(new)) => Some(Finding::RouteDiffers {
            principal,
            route,
            tag: sample.tag.clone(),
            old: *old,
            new: *new,
        }),
    }
}

/// Reads the manifest by its tag, and the last byte of a blob.
async fn pull(registries: &Registries, place: &Reference, sample: &Sample) -> Pulled {
    let api = match registries.api(place.host()) {
        Ok(registry) => registry.repository(place.name(), Intent::Pull),
        Err(error) => return Pulled::Unknown(told(&error)),
    };
    let manifest = match api.manifest(&sample.tag).await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Pulled::Absent,
        Err(error) => return refused(&error),
    };
    let digest = Digest::of(sample.digest.algorithm(), &manifest.bytes);
    if let Some(blob) = sample.blob.as_ref().filter(|_| digest == sample.digest)
        && let Err(error) = api.blob(&blob.digest, blob.size.saturating_sub(1)).await
    {
        return refused(&error);
    }
    Pulled::Read(digest)
}

/// What says no is told from what does not answer.
fn refused(error: &RegistryError) -> Pulled {
    match error.status() {
        Some(404) => Pulled::Absent,
        Some(401 | 403) => Pulled::Refused(told(error)),
        _ => Pulled::Unknown(told(error)),
    }
}
