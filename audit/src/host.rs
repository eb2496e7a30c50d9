//! Hosts of registries: which there are, and what became of them.

use serde::Serialize;

use crate::image::is_variable;

/// What a host of a registry is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Family {
    /// `gcr.io`, `us.gcr.io`, `eu.gcr.io`, `asia.gcr.io`, and `${REGION}.gcr.io`.
    Gcr,
    /// `k8s.gcr.io`.
    Kubernetes,
    /// `staging-k8s.gcr.io`.
    KubernetesStaging,
    /// `mirror.gcr.io`.
    Mirror,
    /// `marketplace.gcr.io`, `launcher.gcr.io`, `gke.gcr.io`, and other names below `gcr.io`, which are Google's.
    Google,
    /// `LOCATION-docker.pkg.dev` and `docker.LOCATION.rep.pkg.dev`.
    ArtifactRegistry,
    /// A host that the user named.
    Named,
}

impl Family {
    /// What a host is, in any case; nothing when it is none of these. Parts that are variables are taken for anything.
    #[must_use]
    pub fn of(host: &str, named: &[String]) -> Option<Family> {
        let host = host.to_ascii_lowercase();
        if named.iter().any(|named| named.eq_ignore_ascii_case(&host)) {
            return Some(Family::Named);
        }
        if host == "gcr.io" {
            return Some(Family::Gcr);
        }
        if let Some(label) = host.strip_suffix(".gcr.io") {
            return Family::below_gcr(label);
        }
        let label = host.strip_suffix(".pkg.dev")?;
        let is_docker = match label
            .strip_suffix(".rep")
            .and_then(|label| label.strip_prefix("docker."))
        {
            Some(location) => is_label(location),
            None => label.strip_suffix("-docker").is_some_and(is_label),
        };
        is_docker.then_some(Family::ArtifactRegistry)
    }

    fn below_gcr(label: &str) -> Option<Family> {
        match label {
            "us" | "eu" | "asia" => Some(Family::Gcr),
            "k8s" => Some(Family::Kubernetes),
            "staging-k8s" => Some(Family::KubernetesStaging),
            "mirror" => Some(Family::Mirror),
            _ if is_variable(label) => Some(Family::Gcr),
            _ => is_label(label).then_some(Family::Google),
        }
    }

    /// Whether it is one of the hosts that are going away, or that only look back.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        matches!(
            self,
            Family::Gcr | Family::Kubernetes | Family::KubernetesStaging | Family::Named
        )
    }
}

/// One label of a name, or a variable in its place.
fn is_label(label: &str) -> bool {
    is_variable(label)
        || !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_what_they_are() {
        let of = |host| Family::of(host, &["old.example:5000".to_owned()]);
        assert_eq!(of("gcr.io"), Some(Family::Gcr));
        assert_eq!(of("EU.gcr.io"), Some(Family::Gcr));
        assert_eq!(of("${region}.gcr.io"), Some(Family::Gcr));
        assert_eq!(of("k8s.gcr.io"), Some(Family::Kubernetes));
        assert_eq!(of("gke.gcr.io"), Some(Family::Google));
        assert_eq!(of("europe-west1-docker.pkg.dev"), Some(Family::ArtifactRegistry));
        assert_eq!(of("${LOCATION}-docker.pkg.dev"), Some(Family::ArtifactRegistry));
        assert_eq!(of("docker.us-east1.rep.pkg.dev"), Some(Family::ArtifactRegistry));
        assert_eq!(of("old.example:5000"), Some(Family::Named));
        for other in [
            "ghcr.io",
            "us-maven.pkg.dev",
            "docker.pkg.dev",
            "gcr.io.example.com",
            "a.b.gcr.io",
            "-docker.pkg.dev",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
