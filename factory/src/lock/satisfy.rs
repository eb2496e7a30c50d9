//! Whether a lock is the lock of given plans.

use debian::PackageName;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Lock;
use crate::release::Architecture;
use crate::specification::{Exclude, Plan, Provide, Text, UserRepository};

/// Why a lock does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The image is not in it.
    #[error("{image} is not in the lock")]
    Image {
        /// Name and variant.
        image: String,
    },
    /// What decides over the packages has changed since.
    #[error("the specification of {image} has changed since it was locked")]
    Specification {
        /// Name and variant.
        image: String,
    },
    /// It is locked for other architectures only.
    #[error("{image} is not locked for {architecture}")]
    Architecture {
        /// Name and variant.
        image: String,
        /// The architecture that is missing.
        architecture: Architecture,
    },
}

impl Lock {
    /// Whether the lock holds the packages of all `plans` for those of `architectures` that each plan is
    /// made for.
    ///
    /// # Errors
    /// The first thing that is missing or has changed.
    pub fn satisfies<'p>(
        &self,
        plans: impl IntoIterator<Item = &'p Plan>,
        architectures: &[Architecture],
    ) -> Result<(), Misfit> {
        for plan in plans {
            let image = format!("{}:{}", plan.name, plan.variant);
            let Some(locked) = self.image(&plan.name, &plan.variant) else {
                return Err(Misfit::Image { image });
            };
            if locked.specification != specification_digest(plan) {
                return Err(Misfit::Specification { image });
            }
            for architecture in plan
                .architectures
                .iter()
                .filter(|own| architectures.contains(own))
            {
                if !locked.platforms.contains_key(architecture) {
                    return Err(Misfit::Architecture {
                        image,
                        architecture: *architecture,
                    });
                }
            }
        }
        Ok(())
    }
}

/// SHA-256, in hex, of everything in a plan that decides which packages it resolves to: release, packages,
/// `exclude`, `provide` and additional archives. Architectures are not in it: each is locked for itself.
pub fn specification_digest(plan: &Plan) -> String {
    let exclude = |exclude: &Exclude| (exclude.package.to_string(), names(&exclude.from));
    let provide = |provide: &Provide| {
        let version = provide.version.as_ref().map(ToString::to_string);
        (provide.package.to_string(), version)
    };
    let mut deciding = Deciding {
        release: plan.release.name(),
        roots: plan.roots.iter().map(ToString::to_string).collect(),
        exclude: plan.exclude.iter().map(exclude).collect(),
        provide: plan.provide.iter().map(provide).collect(),
        repositories: plan.repositories.iter().map(DecidingRepository::from).collect(),
    };
    // The order in which things are written decides nothing.
    deciding.roots.sort();
    deciding.exclude.sort();
    deciding.provide.sort();
    let json = serde_json::to_vec(&deciding).unwrap_or_default();
    hex(&Sha256::digest(json))
}

#[derive(Serialize)]
struct Deciding<'p> {
    release: &'p str,
    roots: Vec<String>,
    exclude: Vec<(String, Vec<String>)>,
    provide: Vec<(String, Option<String>)>,
    repositories: Vec<DecidingRepository<'p>>,
}

#[derive(Serialize)]
struct DecidingRepository<'p> {
    name: &'p str,
    uri: &'p str,
    suite: &'p str,
    components: &'p [String],
    key: &'p str,
    packages: Vec<String>,
}

impl<'p> From<&'p UserRepository> for DecidingRepository<'p> {
    fn from(repository: &'p UserRepository) -> Self {
        Self {
            name: &repository.name,
            uri: &repository.uri,
            suite: &repository.suite,
            components: &repository.components,
            // Where a key file lies does not matter; what is in it is pinned in the lock's archive.
            key: match &repository.key {
                Text::Inline(key) => key,
                Text::Disk(_) => "",
            },
            packages: names(&repository.packages),
        }
    }
}

fn names(packages: &[PackageName]) -> Vec<String> {
    packages.iter().map(ToString::to_string).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{locked_plan, small_lock};
    use super::*;
    use crate::specification::Specification;

    fn plan(text: &str) -> Plan {
        let specification = Specification::parse("app.yaml", text, Path::new("")).expect("is read");
        specification.plan("latest").expect("every image has it").clone()
    }

    #[test]
    fn only_what_decides_over_packages_is_in_the_digest() {
        let digest = |text: &str| specification_digest(&plan(text));
        let first = digest("lightship: 1\npackages: [a1, b1]\n");
        assert_eq!(
            first,
            digest("lightship: 1\npackages: [b1, a1]\nuser: 5\narchitectures: [amd64]\n")
        );
        for other in [
            "lightship: 1\npackages: [a1]\n",
            "lightship: 1\nrelease: debian12\npackages: [a1, b1]\n",
            "lightship: 1\npackages: [a1, b1]\nexclude: [{package: c1, reason: r}]\n",
            "lightship: 1\npackages: [a1, b1]\nprovide: [{package: c1, reason: r}]\n",
        ] {
            assert_ne!(first, digest(other), "{other}");
        }
    }

    #[test]
    fn a_lock_fits_its_own_plans_alone() {
        let (lock, plan) = (small_lock(), locked_plan());
        assert_eq!(lock.satisfies([&plan], &[Architecture::Amd64]), Ok(()));
        // An architecture that the image is not made for is not missed.
        assert_eq!(
            lock.satisfies([&plan], &[Architecture::Amd64, Architecture::Riscv64]),
            Ok(())
        );
        let image = "app:latest".to_owned();
        let misfit = lock.satisfies([&plan], &Architecture::ALL);
        assert_eq!(
            misfit,
            Err(Misfit::Architecture {
                image: image.clone(),
                architecture: Architecture::Arm64
            })
        );
        let mut changed = plan.clone();
        changed.roots.clear();
        let misfit = lock.satisfies([&changed], &[Architecture::Amd64]);
        assert_eq!(misfit, Err(Misfit::Specification { image }));
        let mut other = plan;
        other.variant = "debug".to_owned();
        let misfit = lock.satisfies([&other], &[Architecture::Amd64]);
        assert_eq!(
            misfit,
            Err(Misfit::Image {
                image: "app:debug".to_owned()
            })
        );
    }
}
