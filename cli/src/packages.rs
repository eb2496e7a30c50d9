//! Where the files of a build come from.

use std::collections::BTreeMap;

use debian::mirror::Mirrors;
use factory::build::ArchivePackages;
use factory::lock::Lock;
use factory::specification::Plan;

use crate::failure::{Failure, Kind};
use crate::workshop::Workshop;

/// The packages of `lock`: Debian's from its mirrors, and where these have dropped a file, from the snapshot of the
/// lock's date; those of additional archives from where the specifications say they are.
///
/// # Errors
/// Wrong usage when the address of an additional archive is none.
pub(crate) fn source<'p>(
    workshop: &Workshop,
    lock: &Lock,
    plans: impl Iterator<Item = &'p Plan>,
) -> Result<ArchivePackages, Failure> {
    let mut others = BTreeMap::new();
    for repository in plans.flat_map(|plan| &plan.repositories) {
        let url = repository.uri.parse().map_err(|error| {
            Failure::new(
                Kind::Usage,
                format!("cannot use the address of the archive {}", repository.name),
                error,
            )
        })?;
        others.insert(repository.name.clone(), vec![url]);
    }
    let mirrors = match lock.date() {
        Some(date) => workshop.mirrors.clone().then(Mirrors::snapshot(date)),
        None => workshop.mirrors.clone(),
    };
    Ok(ArchivePackages {
        archives: workshop.archives(),
        mirrors,
        others,
    })
}
