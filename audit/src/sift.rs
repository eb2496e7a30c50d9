//! Whether a file can have a finding at all, from its bytes: most files of a tree are never taken apart.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use crate::settings::Settings;

/// What every finding has at least one of.
///
/// As they are written: to look in any case would take twice as long. Nobody writes hosts in capitals but in constants.
/// Up to 32 of them are looked for at once in the fastest way.
const NEEDLES: [&str; 32] = [
    GCLOUD,
    "gcr.io",
    "GCR.IO",
    // Escaped in a pattern or in JSON.
    "gcr\\",
    "pkg.dev",
    "PKG.DEV",
    "configure-docker",
    "gcp-gcr",
    "google_container_registry",
    // The same in Pulumi's languages, and in CDK for Terraform.
    "container.Registry",
    "container:Registry",
    "container.NewRegistry",
    "container/registry:",
    // getRegistryImage, GetRegistryRepository and the like.
    "etRegistry",
    "container.get_registry",
    "GoogleContainerRegistry",
    "appspot.com",
    "containerregistry.googleapis",
    "devstorage",
    "storage-r",
    "service_account",
    "dockerconfigjson",
    "dockercfg",
    // In base64, each by where it begins among three bytes: "service_account",
    "c2VydmljZV9hY2NvdW50",
    "NlcnZpY2VfYWNjb3Vud",
    "zZXJ2aWNlX2FjY291bn",
    // "gcr.io",
    "Z2NyLmlv",
    "djci5pb",
    "nY3IuaW",
    // and "auths" in quotes, since the end of a line may stand within a host.
    "ImF1dGhzI",
    "JhdXRocy",
    "iYXV0aHMi",
];

/// Says something only with `docker` after it.
const GCLOUD: &str = "gcloud";

/// How far behind it that may stand, in bytes; options come between.
const GCLOUD_DOCKER_BYTES_MAX: usize = 240;

/// Looks for what a finding needs.
#[derive(Debug, Clone)]
pub struct Sift {
    needles: AhoCorasick,
    /// Hosts that the user named, in any case as they are found; none when none is named.
    named: Option<AhoCorasick>,
}

impl Sift {
    /// For what the settings ask for.
    #[must_use]
    pub fn new(settings: &Settings) -> Sift {
        let hosts = settings.hosts.iter().map(String::as_str);
        Sift {
            needles: searcher(NEEDLES.into_iter(), false),
            named: (!settings.hosts.is_empty()).then(|| searcher(hosts, true)),
        }
    }

    /// Whether a file with these bytes can have a finding.
    #[must_use]
    pub fn is_of_interest(&self, bytes: &[u8]) -> bool {
        let is_wide = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let has_named = || self.named.as_ref().is_some_and(|named| named.is_match(bytes));
        is_wide
            || self.needles.find_iter(bytes).any(|hit| {
                NEEDLES.get(hit.pattern().as_usize()) != Some(&GCLOUD)
                    || names_docker(bytes.get(hit.end()..).unwrap_or_default())
            })
            || has_named()
    }
}

#[expect(clippy::expect_used, reason = "a few short literals")]
fn searcher<'n>(needles: impl Iterator<Item = &'n str>, in_any_case: bool) -> AhoCorasick {
    AhoCorasickBuilder::new()
        .match_kind(MatchKind::LeftmostFirst)
        .ascii_case_insensitive(in_any_case)
        .build(needles)
        .expect("a few literals")
}

/// Whether `docker` is a word soon.
fn names_docker(after: &[u8]) -> bool {
    let near = after.get(..GCLOUD_DOCKER_BYTES_MAX).unwrap_or(after);
    memchr::memmem::find_iter(near, b"docker").any(|at| {
        let before = at.checked_sub(1).and_then(|before| near.get(before));
        before.is_some_and(|before| before.is_ascii_whitespace() || b"\"'`,".contains(before))
    })
}

#[cfg(test)]
mod tests;
