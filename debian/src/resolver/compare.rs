//! Whether the architectures of one image get the same versions.

use std::collections::BTreeMap;
use std::fmt;

use super::Resolution;
use crate::architecture::Architecture;
use crate::control::PackageName;
use crate::version::Version;

/// A package that architectures of one image have in different versions.
///
/// Displays as `libc6 is 2.41-12 on amd64 and arm64 but 2.41-11 on riscv64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionDifference {
    /// The package.
    pub name: PackageName,
    /// The versions from the newest, each with the architectures that have it.
    pub versions: Vec<(Version, Vec<Architecture>)>,
    /// Whether they were all built from the same version of the source, as when one architecture was rebuilt.
    pub same_source: bool,
}

/// Finds the packages that do not have the same version in all resolutions that have them, by name.
pub fn version_differences(resolutions: &[(Architecture, &Resolution)]) -> Vec<VersionDifference> {
    let mut by_name: BTreeMap<&PackageName, Vec<(&Architecture, &super::Resolved)>> = BTreeMap::new();
    for (architecture, resolution) in resolutions {
        for package in &resolution.packages {
            by_name
                .entry(&package.record.name)
                .or_default()
                .push((architecture, package));
        }
    }
    let differences = by_name.into_iter().map(|(name, packages)| {
        let mut versions: BTreeMap<&Version, Vec<Architecture>> = BTreeMap::new();
        for (architecture, package) in &packages {
            versions
                .entry(&package.record.version)
                .or_default()
                .push((*architecture).clone());
        }
        let mut sources = packages.iter().map(|(_, package)| &package.record.source.1);
        let first = sources.next();
        VersionDifference {
            name: name.clone(),
            same_source: sources.all(|source| Some(source) == first),
            versions: versions
                .into_iter()
                .rev()
                .map(|(version, on)| (version.clone(), on))
                .collect(),
        }
    });
    differences
        .filter(|difference| difference.versions.len() > 1)
        .collect()
}

impl fmt::Display for VersionDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        for (at, (version, architectures)) in self.versions.iter().enumerate() {
            let verb = if at == 0 { " is" } else { " but" };
            let names: Vec<&str> = architectures.iter().map(Architecture::as_str).collect();
            write!(f, "{verb} {version} on {}", super::explain::joined(&names, "and"))?;
        }
        Ok(())
    }
}
