resource "helm_release" "spinnaker" {
  name       = "spinnaker"
  chart      = "spinnaker"
  repository = "https://charts.example.net/stable"

  set {
    name  = "halyard.image.repository"
    value = "gcr.io/spinnaker-marketplace/halyard"
  }

  set {
    name  = "dockerRegistries[0].address"
    value = "https://gcr.io"
  }
}

resource "helm_release" "metrics" {
  name  = "metrics-server"
  chart = "metrics-server"
  values = [<<-YAML
    image:
      repository: k8s.gcr.io/metrics-server/metrics-server
      tag: v0.6.1
    addonResizer:
      image: registry.k8s.io/autoscaling/addon-resizer:1.8.14
    # image: gcr.io/google_containers/metrics-server-amd64
    YAML
  ]
}

resource "helm_release" "contour" {
  name  = "contour"
  chart = "contour"
  set {
    name  = "contour.image.registry"
    value = "ghcr.io"
  }
  set {
    name  = "contour.image.repository"
    value = "projectcontour/contour"
  }
}
