//! The table of rules.

use crate::finding::Severity;

/// One rule: its id never changes, and is never used for something else.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// What settings, baselines and comments call it.
    pub id: &'static str,
    /// How much its findings matter unless settings say otherwise.
    pub severity: Severity,
    /// What its findings are, in a few words.
    pub title: &'static str,
    /// Its page, in Markdown.
    pub page: &'static str,
}

impl Rule {
    /// The rule with an id.
    #[must_use]
    pub fn by_id(id: &str) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.id == id)
    }

    /// Where others document what to do: the first address that its page names.
    #[must_use]
    pub fn documentation(&self) -> Option<&'static str> {
        let (_, rest) = self.page.split_once("<https://")?;
        let length = rest.find('>')?;
        let start = self.page.len() - rest.len() - "https://".len();
        self.page.get(start..self.page.len() - rest.len() + length)
    }
}

/// All rules, in the order of their documentation.
pub const RULES: &[Rule] = &[
    Rule {
        id: "image-own",
        severity: Severity::Error,
        title: "an image of your own project in Container Registry",
        page: include_str!("pages/image-own.md"),
    },
    Rule {
        id: "image-third-party",
        severity: Severity::Error,
        title: "an image of somebody else's project in Container Registry",
        page: include_str!("pages/image-third-party.md"),
    },
    Rule {
        id: "image-google",
        severity: Severity::Note,
        title: "one of Google's public images",
        page: include_str!("pages/image-google.md"),
    },
    Rule {
        id: "image-kubernetes",
        severity: Severity::Warning,
        title: "an image of Kubernetes' old registry",
        page: include_str!("pages/image-kubernetes.md"),
    },
    Rule {
        id: "image-mirror",
        severity: Severity::Note,
        title: "Google's mirror of Docker Hub",
        page: include_str!("pages/image-mirror.md"),
    },
    Rule {
        id: "artifact-registry",
        severity: Severity::Note,
        title: "Artifact Registry, where things are to be",
        page: include_str!("pages/artifact-registry.md"),
    },
    Rule {
        id: "image-named",
        severity: Severity::Error,
        title: "an image on a host that you named",
        page: include_str!("pages/image-named.md"),
    },
    Rule {
        id: "host-legacy",
        severity: Severity::Error,
        title: "a host of the old registry by itself",
        page: include_str!("pages/host-legacy.md"),
    },
    Rule {
        id: "docker-login",
        severity: Severity::Error,
        title: "a login to the old registry",
        page: include_str!("pages/docker-login.md"),
    },
    Rule {
        id: "login-step",
        severity: Severity::Error,
        title: "a step of a pipeline that logs in to the old registry",
        page: include_str!("pages/login-step.md"),
    },
    Rule {
        id: "gcloud-docker",
        severity: Severity::Error,
        title: "`gcloud docker`, which is gone",
        page: include_str!("pages/gcloud-docker.md"),
    },
    Rule {
        id: "gcloud-container-images",
        severity: Severity::Error,
        title: "`gcloud container images`, which knows the old registry only",
        page: include_str!("pages/gcloud-container-images.md"),
    },
    Rule {
        id: "configure-docker-bare",
        severity: Severity::Error,
        title: "`configure-docker` without hosts",
        page: include_str!("pages/configure-docker-bare.md"),
    },
    Rule {
        id: "configure-docker-legacy",
        severity: Severity::Warning,
        title: "`configure-docker` with old hosts only",
        page: include_str!("pages/configure-docker-legacy.md"),
    },
    Rule {
        id: "cred-helper",
        severity: Severity::Error,
        title: "an entry of docker's configuration for the old registry",
        page: include_str!("pages/cred-helper.md"),
    },
    Rule {
        id: "pull-secret",
        severity: Severity::Error,
        title: "a pull secret for the old registry",
        page: include_str!("pages/pull-secret.md"),
    },
    Rule {
        id: "with-registry",
        severity: Severity::Error,
        title: "a Jenkins step with the old registry",
        page: include_str!("pages/with-registry.md"),
    },
    Rule {
        id: "gcr-orb",
        severity: Severity::Error,
        title: "CircleCI's orb for the old registry",
        page: include_str!("pages/gcr-orb.md"),
    },
    Rule {
        id: "service-account-key",
        severity: Severity::Error,
        title: "a key of a service account in the tree",
        page: include_str!("pages/service-account-key.md"),
    },
    Rule {
        id: "setup-gcloud-key",
        severity: Severity::Warning,
        title: "setup-gcloud with a key",
        page: include_str!("pages/setup-gcloud-key.md"),
    },
    Rule {
        id: "bucket-access",
        severity: Severity::Error,
        title: "access to the old registry's bucket",
        page: include_str!("pages/bucket-access.md"),
    },
    Rule {
        id: "bucket-name",
        severity: Severity::Warning,
        title: "the old registry's bucket",
        page: include_str!("pages/bucket-name.md"),
    },
    Rule {
        id: "container-registry-resource",
        severity: Severity::Error,
        title: "a resource of Container Registry",
        page: include_str!("pages/container-registry-resource.md"),
    },
    Rule {
        id: "container-registry-api",
        severity: Severity::Warning,
        title: "Container Registry's API",
        page: include_str!("pages/container-registry-api.md"),
    },
    Rule {
        id: "oauth-scope",
        severity: Severity::Warning,
        title: "a scope that reads the old registry's buckets",
        page: include_str!("pages/oauth-scope.md"),
    },
    Rule {
        id: "admission-policy",
        severity: Severity::Error,
        title: "an admission policy that names the old registry",
        page: include_str!("pages/admission-policy.md"),
    },
    Rule {
        id: "network-allow-list",
        severity: Severity::Error,
        title: "an allow-list that names the old registry",
        page: include_str!("pages/network-allow-list.md"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_names_its_rule_and_where_it_is_documented() {
        for rule in RULES {
            assert!(rule.page.starts_with(&format!("# {}\n", rule.id)), "{}", rule.id);
            let address = rule.documentation().unwrap_or_else(|| panic!("{}", rule.id));
            let is_address = address.starts_with("https://") && !address.contains(['<', '>', ' ', '\n']);
            assert!(is_address, "{address}");
        }
    }
}
