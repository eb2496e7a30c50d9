locals {
  services = [
    "compute.googleapis.com",
    "container.googleapis.com",
    "containerregistry.googleapis.com",
    "containeranalysis.googleapis.com",
    "artifactregistry.googleapis.com",
  ]
}

resource "google_project_service" "this" {
  for_each = toset(local.services)
  service  = each.value

  # containerregistry.googleapis.com takes a while
  timeouts {
    create = "30m"
  }
}
