# Container registry of the shared project. The buckets behind gcr.io are
# created by Google with the first push, this resource only makes sure of it.
terraform {
  required_version = ">= 0.13"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 3.90"
    }
  }
}

resource "google_project_service" "registry" {
  project            = var.project_id
  service            = "containerregistry.googleapis.com"
  disable_on_destroy = false
}

resource "google_container_registry" "eu" {
  project    = var.project_id
  location   = "EU"
  depends_on = [google_project_service.registry]
}

resource "google_storage_bucket_iam_member" "pullers" {
  for_each = toset(var.pullers)

  bucket = google_container_registry.eu.id
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${each.value}"
}

resource "google_storage_bucket_iam_member" "pusher" {
  bucket = "eu.artifacts.${var.project_id}.appspot.com"
  role   = "roles/storage.admin"
  member = "serviceAccount:${google_service_account.ci.email}"
}

resource "google_service_account" "ci" {
  account_id   = "gcr-pusher"
  display_name = "Pushes to eu.gcr.io"
}
