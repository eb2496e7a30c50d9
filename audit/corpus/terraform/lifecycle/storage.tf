# Deletes old layers of Container Registry. Careful: see the runbook.
resource "google_storage_bucket" "registry" {
  name          = "us.artifacts.limestone-apps.appspot.com"
  location      = "US"
  force_destroy = false

  lifecycle_rule {
    condition {
      age = 180
    }
    action {
      type = "Delete"
    }
  }
}

resource "google_storage_bucket" "uploads" {
  name     = "limestone-apps.appspot.com"
  location = "US"
}

resource "google_storage_bucket" "staging" {
  name     = "staging.limestone-apps.appspot.com"
  location = "US"
}

data "google_storage_bucket" "legacy" {
  name = "artifacts.limestone-legacy.appspot.com"
}
