//! `update-alternatives`, by table: for every command that several packages offer, the one with the
//! highest priority gets the common name, by way of `/etc/alternatives`.
//!
//! The table holds what packages of images are known to register; priorities are those of the packages'
//! maintainer scripts in Debian 12 and 13. Java's tools are found rather than listed: see
//! [`super::java_tools`].

use super::generated::{Generated, at};
use super::{Context, EmulationError};
use crate::tree::{Last, Tree};

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let mut generated = Generated::new(tree, PIECE, context);
    for group in GROUPS {
        let with_triplet = |text: &str| text.replace("{triplet}", context.architecture.multiarch());
        let mut best: Option<(&Offer, String)> = None;
        for offer in group.offers {
            let path = with_triplet(offer.path);
            if generated.has(&path)?
                && best
                    .as_ref()
                    .is_none_or(|(known, _)| known.priority < offer.priority)
            {
                best = Some((offer, path));
            }
        }
        let Some((offer, path)) = best else { continue };
        if generated.alternative(&with_triplet(group.link), &with_triplet(group.name), &path)? {
            for (link, name, path) in offer.followers {
                if generated.has(path)? {
                    generated.alternative(link, name, path)?;
                }
            }
        }
    }
    Ok(())
}

impl Generated<'_> {
    /// Links `link` to `path` by way of `/etc/alternatives/NAME`, and says whether it did: what is
    /// there already, such as a file of a package, stays.
    pub(super) fn alternative(&mut self, link: &str, name: &str, path: &str) -> Result<bool, EmulationError> {
        let real = self.tree().resolve(&at(link)?, Last::Keep)?;
        if self.tree().node(&real).is_some() {
            return Ok(false);
        }
        let middle = format!("/etc/alternatives/{name}");
        self.link(&middle, path)?;
        self.link(link, &middle)?;
        Ok(true)
    }

    /// Whether a file is there, wherever links lead.
    pub(super) fn has(&self, path: &str) -> Result<bool, EmulationError> {
        let real = self.tree().resolve(&at(path)?, Last::Follow)?;
        Ok(self.tree().file(&real).is_some())
    }
}

/// A common name and who offers it.
struct Group {
    link: &'static str,
    name: &'static str,
    offers: &'static [Offer],
}

/// One program or library that may take the name.
struct Offer {
    path: &'static str,
    priority: u32,
    /// Links that come along: link, name, path.
    followers: &'static [(&'static str, &'static str, &'static str)],
}

const fn offer(path: &'static str, priority: u32) -> Offer {
    Offer {
        path,
        priority,
        followers: &[],
    }
}

pub(super) const PIECE: &str = "alternatives";

const GROUPS: &[Group] = &[
    Group {
        link: "/usr/bin/awk",
        name: "awk",
        offers: &[
            Offer {
                path: "/usr/bin/mawk",
                priority: 5,
                followers: &[("/usr/bin/nawk", "nawk", "/usr/bin/mawk")],
            },
            Offer {
                path: "/usr/bin/gawk",
                priority: 10,
                followers: &[("/usr/bin/nawk", "nawk", "/usr/bin/gawk")],
            },
        ],
    },
    Group {
        link: "/usr/bin/js",
        name: "js",
        offers: &[offer("/usr/bin/nodejs", 200)],
    },
    Group {
        link: "/usr/bin/which",
        name: "which",
        offers: &[
            offer("/usr/bin/which.debianutils", 0),
            offer("/usr/bin/which.gnu", 10),
        ],
    },
    Group {
        link: "/usr/bin/php",
        name: "php",
        offers: &[offer("/usr/bin/php8.2", 82), offer("/usr/bin/php8.4", 84)],
    },
    Group {
        link: "/usr/lib/{triplet}/libblas.so.3",
        name: "libblas.so.3-{triplet}",
        offers: &[
            offer("/usr/lib/{triplet}/blas/libblas.so.3", 10),
            offer("/usr/lib/{triplet}/atlas/libblas.so.3", 35),
            offer("/usr/lib/{triplet}/openblas-serial/libblas.so.3", 90),
            offer("/usr/lib/{triplet}/openblas-openmp/libblas.so.3", 95),
            offer("/usr/lib/{triplet}/openblas-pthread/libblas.so.3", 100),
        ],
    },
    Group {
        link: "/usr/lib/{triplet}/liblapack.so.3",
        name: "liblapack.so.3-{triplet}",
        offers: &[
            offer("/usr/lib/{triplet}/lapack/liblapack.so.3", 10),
            offer("/usr/lib/{triplet}/atlas/liblapack.so.3", 35),
            offer("/usr/lib/{triplet}/openblas-serial/liblapack.so.3", 90),
            offer("/usr/lib/{triplet}/openblas-openmp/liblapack.so.3", 95),
            offer("/usr/lib/{triplet}/openblas-pthread/liblapack.so.3", 100),
        ],
    },
    Group {
        link: "/usr/lib/{triplet}/libopenblas.so.0",
        name: "libopenblas.so.0-{triplet}",
        offers: &[
            offer("/usr/lib/{triplet}/openblas-serial/libopenblas.so.0", 90),
            offer("/usr/lib/{triplet}/openblas-openmp/libopenblas.so.0", 95),
            offer("/usr/lib/{triplet}/openblas-pthread/libopenblas.so.0", 100),
        ],
    },
];
