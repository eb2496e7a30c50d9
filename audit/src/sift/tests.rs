use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::Auditor;
use crate::rules::RULES;

fn passes(text: &str) -> bool {
    Sift::new(&Settings::default()).is_of_interest(text.as_bytes())
}

/// For each rule a file that has nothing else in it.
const ALONE: &[(&str, &str, &str)] = &[
    ("image-own", "a", "gcr.io/p/i"),
    ("image-own", "a.json", r#"{"image": "gcr\u002eio/p/i"}"#),
    ("image-third-party", "a", "gcr.io/cilium/i"),
    ("image-google", "a", "gcr.io/distroless/static"),
    ("image-kubernetes", "a", "k8s.gcr.io/pause"),
    ("image-mirror", "a", "mirror.gcr.io/library/x"),
    ("artifact-registry", "a", "us-docker.pkg.dev/p/r/i"),
    ("host-legacy", "a", "gcr.io"),
    ("docker-login", "a.sh", "docker login gcr.io"),
    (
        "login-step",
        "a.yml",
        "- uses: docker/login-action@v3\n  with: {registry: gcr.io}\n",
    ),
    ("gcloud-docker", "a.sh", "gcloud docker -- push \"$IMAGE\""),
    ("gcloud-docker", "a.sh", "gcloud  docker -a"),
    (
        "gcloud-docker",
        "a.sh",
        "gcloud --project p docker -- push \"$IMAGE\"",
    ),
    ("gcloud-docker", "a.bat", "gcloud.cmd docker -- push %IMAGE%"),
    ("configure-docker-bare", "a.sh", "gcloud auth configure-docker"),
    (
        "configure-docker-legacy",
        "a.sh",
        "gcloud auth configure-docker gcr.io",
    ),
    (
        "cred-helper",
        "config.json",
        r#"{"credHelpers": {"gcr.io": "gcloud"}}"#,
    ),
    (
        "pull-secret",
        "a.yaml",
        "x:\n  .dockerconfigjson: '{\"auths\":{\"gcr.io\":{}}}'\n",
    ),
    (
        "with-registry",
        "Jenkinsfile",
        "docker.withRegistry('https://gcr.io', 'x') { }",
    ),
    ("gcr-orb", "a.yml", "orbs:\n  gcr: circleci/gcp-gcr@0.15\n"),
    (
        "setup-gcloud-key",
        "a.yml",
        "- uses: google-github-actions/setup-gcloud@v0\n  with: {service_account_key: x}\n",
    ),
    (
        "bucket-access",
        "a.sh",
        "gsutil iam ch x gs://artifacts.p.appspot.com",
    ),
    ("bucket-name", "a.tf", "x = \"eu.artifacts.p.appspot.com\"\n"),
    (
        "container-registry-resource",
        "a.tf",
        "resource \"google_container_registry\" \"r\" {}\n",
    ),
    (
        "container-registry-api",
        "a.tf",
        "x = \"containerregistry.googleapis.com\"\n",
    ),
    (
        "gcloud-container-images",
        "a.sh",
        "gcloud container images list --repository=gcr.io/p",
    ),
    ("oauth-scope", "a.tf", "oauth_scopes = [\"storage-ro\"]\n"),
    ("oauth-scope", "a.sh", "gcloud x --scopes=devstorage.read_only"),
    ("admission-policy", "a.yaml", "namePattern: gcr.io/p/*\n"),
    (
        "network-allow-list",
        "squid.conf",
        "acl reg url_regex ^https://(eu\\.)?gcr\\.io/\n",
    ),
];

#[test]
fn what_has_a_finding_passes_by_itself() {
    let auditor = Auditor::new(Settings::default());
    for (rule, path, text) in ALONE {
        let found = auditor.file(path, text.as_bytes()).findings;
        let found: Vec<&str> = found.iter().map(|finding| finding.rule.id).collect();
        assert_eq!(found, [*rule], "{text}");
    }
    // A host that is named needs settings, and a key a text that is shown in its own test.
    let left = ["image-named", "service-account-key"];
    for rule in RULES.iter().filter(|rule| !left.contains(&rule.id)) {
        assert!(ALONE.iter().any(|(id, ..)| *id == rule.id), "{}", rule.id);
    }
}

#[test]
fn base64_passes_wherever_a_host_begins_in_it() {
    for space in ["", " ", "  "] {
        let configuration = format!("{{{space}\"x\":{{\"https://eu.gcr.io\":{{\"auth\":\"eA==\"}}}}}}");
        let encoded = STANDARD.encode(&configuration);
        let text = format!("DOCKER_AUTH_B64: {encoded}\n");
        assert!(passes(&text), "{configuration}");
        let found = Auditor::new(Settings::default()).file("a.yaml", text.as_bytes());
        assert_eq!(found.findings.len(), 1, "{configuration}");
        // The end of a line may stand in the host.
        let lists = STANDARD.encode(format!("{{{space}\"auths\":{{\""));
        assert!(passes(&lists), "{lists}");
    }
}

#[test]
fn a_mere_gcloud_does_not_pass() {
    for text in [
        "gcloud run deploy x",
        "gcloud auth login; run mydocker",
        "docker; gcloud",
        "gcloud",
    ] {
        assert!(!passes(text), "{text}");
    }
    let far = |count: usize| format!("gcloud{}docker", " ".repeat(count));
    assert!(passes(&far(GCLOUD_DOCKER_BYTES_MAX - "docker".len())));
    assert!(!passes(&far(GCLOUD_DOCKER_BYTES_MAX - "docker".len() + 1)));
}

#[test]
fn named_hosts_are_seen_in_any_case() {
    let settings = Settings {
        hosts: vec!["old.Example.com".to_owned()].try_into().unwrap(),
        ..Settings::default()
    };
    let sift = Sift::new(&settings);
    for text in [
        "image: Old.Example.com/p/x",
        "OLD.EXAMPLE.COM",
        "R=US-DOCKER.PKG.DEV",
        "gcr.io",
    ] {
        assert!(sift.is_of_interest(text.as_bytes()), "{text}");
    }
    assert!(!sift.is_of_interest(b"image: example.com/p/x"));
    assert!(!Sift::new(&Settings::default()).is_of_interest(b"old.example.com"));
}
