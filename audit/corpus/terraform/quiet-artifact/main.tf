# Replaces gcr.io/kestrel-air. Nothing in this module may name the old host.
resource "google_artifact_registry_repository" "containers" {
  project       = var.project
  location      = "us"
  repository_id = "containers"
  format        = "DOCKER"
  description   = "Images that were in gcr.io/kestrel-air before"

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
}

resource "google_artifact_registry_repository" "maven" {
  location      = "us"
  repository_id = "maven"
  format        = "MAVEN"
}

output "maven_url" {
  value = "https://us-maven.pkg.dev/${var.project}/maven"
}

/*
resource "google_container_registry" "old" {
  location = "US"
}
*/
