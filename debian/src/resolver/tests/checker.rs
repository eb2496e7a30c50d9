//! A second opinion on resolutions, written as plainly as the rules are: no sharing with the resolver's own look-up.

use super::*;
use crate::index::MultiArch;
use crate::relation::{ArchQualifier, Operator, Relation};

/// Panics unless every relation of every package holds and every package is needed.
pub(in super::super) fn check(request: &Request<'_>, resolution: &Resolution) {
    let packages: Vec<&Record> = resolution
        .packages
        .iter()
        .map(|package| &package.record)
        .collect();
    assert!(
        packages.windows(2).all(|pair| pair[0].name < pair[1].name),
        "sorted, one version each"
    );
    assert!(
        packages
            .iter()
            .all(|package| !request.exclude.contains(&package.name)),
        "excluded ones stay away"
    );
    for package in &packages {
        let fits = package.architecture.is_all() || package.architecture == request.architecture;
        assert!(fits, "{} is for {}", package.name, package.architecture);
        for need in package.pre_depends.0.iter().chain(&package.depends.0) {
            let dropped = resolution.dropped.iter().any(|dropped| {
                dropped.package.as_ref() == Some(&package.name) && dropped.dependency == *need
            });
            assert!(
                holds(need, &packages, request) || dropped,
                "{} depends on {need}",
                package.name
            );
        }
        for clash in package.conflicts.iter().chain(&package.breaks) {
            let hit = packages
                .iter()
                .find(|other| other.name != package.name && satisfies(other, clash, false));
            assert!(
                hit.is_none(),
                "{} conflicts with {clash}, which is {}",
                package.name,
                hit.unwrap().name
            );
        }
    }
    for root in &request.roots {
        let dropped = resolution
            .dropped
            .iter()
            .any(|dropped| dropped.package.is_none() && dropped.dependency == *root);
        assert!(holds(root, &packages, request) || dropped, "root {root}");
    }
    check_all_needed(request, &packages);
}

/// Every package is the reason that some relation of a root, or of a needed package, holds.
fn check_all_needed(request: &Request<'_>, packages: &[&Record]) {
    let mut reached: Vec<bool> = vec![false; packages.len()];
    let mut needs: Vec<&Dependency> = request.roots.iter().collect();
    while let Some(need) = needs.pop() {
        for (at, package) in packages.iter().enumerate() {
            if !reached[at]
                && need
                    .alternatives
                    .iter()
                    .any(|relation| satisfies(package, relation, true))
            {
                reached[at] = true;
                needs.extend(package.pre_depends.0.iter().chain(&package.depends.0));
            }
        }
    }
    for (at, package) in packages.iter().enumerate() {
        assert!(reached[at], "{} is needed by nothing", package.name);
    }
}

fn holds(need: &Dependency, packages: &[&Record], request: &Request<'_>) -> bool {
    let meant = need
        .alternatives
        .iter()
        .filter(|relation| relation.applies_to(&request.architecture));
    let meant: Vec<_> = meant.collect();
    meant.is_empty()
        || meant
            .iter()
            .any(|relation| packages.iter().any(|package| satisfies(package, relation, true)))
}

/// Whether a package is, or provides, what a relation names; `needed` tells needs from clashes.
pub(super) fn satisfies(package: &Record, relation: &Relation, needed: bool) -> bool {
    let any_allowed = |explicit: bool| match &relation.qualifier {
        None | Some(ArchQualifier::Native) => true,
        Some(ArchQualifier::Any) => !needed || explicit || package.multi_arch == MultiArch::Allowed,
        Some(ArchQualifier::Architecture(architecture)) => architecture.as_str() == "amd64",
    };
    if package.name == relation.name && relation.accepts_version(&package.version) && any_allowed(false) {
        return true;
    }
    package.provides.iter().any(|provided| {
        let version_fits = match (&relation.constraint, &provided.constraint) {
            (None, _) => true,
            (Some((operator, bound)), Some((Operator::Exactly, version))) => operator.accepts(version, bound),
            (Some(_), _) => false,
        };
        provided.name == relation.name
            && version_fits
            && any_allowed(provided.qualifier == Some(ArchQualifier::Any))
    })
}
