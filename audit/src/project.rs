//! Projects on `gcr.io` that are known to be Google's, Kubernetes' or somebody else's.
//!
//! What is on none of these lists is taken for the user's own.

use crate::finding::Class;

/// Whose a project is.
///
/// `own` are projects that the settings name; when there are any, every other unknown one is somebody else's.
#[must_use]
pub fn class_of(project: &str, own: &[String]) -> Class {
    let project = project.to_ascii_lowercase();
    if own.iter().any(|own| own.eq_ignore_ascii_case(&project)) {
        return Class::Own;
    }
    if KUBERNETES.contains(&project.as_str())
        || KUBERNETES_PREFIXES
            .iter()
            .any(|prefix| project.starts_with(prefix))
    {
        return Class::Kubernetes;
    }
    if GOOGLE.contains(&project.as_str()) || GOOGLE_PREFIXES.iter().any(|prefix| project.starts_with(prefix))
    {
        return Class::Google;
    }
    if THIRD_PARTY.contains(&project.as_str()) {
        return Class::ThirdParty;
    }
    let is_variable = project.contains(['$', '{', '%', '<']);
    match own.is_empty() || is_variable {
        true => Class::Own,
        false => Class::ThirdParty,
    }
}

const KUBERNETES: [&str; 6] = [
    "google-containers",
    "google_containers",
    "k8s-artifacts-prod",
    "kubernetes-release",
    "kubernetes-ci-images",
    "kubernetes-e2e-test-images",
];

const KUBERNETES_PREFIXES: [&str; 2] = ["k8s-staging-", "k8s-testimages"];

/// Projects with public images of Google's, which stay readable under these names.
const GOOGLE: [&str; 47] = [
    "anthos-baremetal-release",
    "apigee-release",
    "buildpacks",
    "cadvisor",
    "cloud-builders",
    "cloud-builders-community",
    "cloud-datalab",
    "cloud-devrel-public-resources",
    "cloud-foundation-cicd",
    "cloud-marketplace",
    "cloud-marketplace-containers",
    "cloud-marketplace-tools",
    "cloud-profiler",
    "cloud-solutions-images",
    "cloud-spanner-emulator",
    "cloud-spanner-pg-adapter",
    "cloud-sql-connectors",
    "cloud-tagging-10302018",
    "cloud-tpu-images",
    "cloudrun",
    "cloudsql-docker",
    "config-management-release",
    "dataflow-templates",
    "dataflow-templates-base",
    "deeplearning-platform-release",
    "distroless",
    "endpoints-release",
    "gcp-runtimes",
    "gke-connect",
    "gke-release",
    "go-containerregistry",
    "google-appengine",
    "google-samples",
    "google.com",
    "google_appengine",
    "google_samples",
    "gvisor-presubmit",
    "iap-connector",
    "inverting-proxy",
    "k8s-minikube",
    "k8s-skaffold",
    "kaniko-project",
    "oss-fuzz-base",
    "serverless-runtimes",
    "stackdriver-agents",
    "stackdriver-prometheus",
    "tensorflow",
];

const GOOGLE_PREFIXES: [&str; 4] = ["google.com:", "google.com/", "cloud-builders", "gae-runtimes"];

const THIRD_PARTY: [&str; 50] = [
    "abacus-labs-dev",
    "arrikto",
    "bazel-public",
    "bloodhound-ad",
    "cf-for-k8s",
    "cilium",
    "cockroachlabs",
    "datadoghq",
    "estafette",
    "fairwinds-ops",
    "flux-cd",
    "forgerock-io",
    "gardener-project",
    "grafeas",
    "grpc-testing",
    "heptio-images",
    "istio-prerelease-testing",
    "istio-release",
    "istio-testing",
    "k8s-prow",
    "knative-nightly",
    "knative-releases",
    "knative-samples",
    "kuar-demo",
    "kubebuilder",
    "kubecost1",
    "kubeflow-images-public",
    "kubernetes-helm",
    "kyma-project",
    "linkerd-io",
    "ml-pipeline",
    "o1labs-192920",
    "openebs",
    "paketo-buildpacks",
    "pixie-oss",
    "pixie-prod",
    "pl-dev-infra",
    "planet-4-151612",
    "projectcontour",
    "projectsigstore",
    "prysmaticlabs",
    "shipwright",
    "spark-operator",
    "spinnaker-marketplace",
    "stacksmith-images",
    "tekton-nightly",
    "tekton-releases",
    "tetratelabs",
    "triggermesh",
    "trillian-opensource-ci",
];
