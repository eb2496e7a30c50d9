data "google_container_registry_image" "api" {
  name    = "api"
  tag     = var.image_tag
  project = var.project
  region  = "eu"
}

resource "google_cloud_run_service" "api" {
  name     = "api"
  location = var.region

  template {
    spec {
      containers {
        image = data.google_container_registry_image.api.image_url
        env {
          name  = "SIDECAR"
          value = "eu.gcr.io/${var.project}/sidecar:${var.sidecar_tag}"
        }
      }
    }
  }
}

resource "google_cloud_run_v2_job" "migrate" {
  name     = "migrate"
  location = var.region
  template {
    template {
      containers {
        image = "${var.multi_region}.gcr.io/${var.project}/migrate@${var.migrate_digest}"
      }
    }
  }
}

output "api_image" {
  description = "Full name of the API image, e.g. eu.gcr.io/p/api:1"
  value       = data.google_container_registry_image.api.image_url
}
