data "google_client_config" "this" {}

provider "docker" {
  registry_auth {
    address  = "gcr.io"
    username = "oauth2accesstoken"
    password = data.google_client_config.this.access_token
  }
  registry_auth {
    address  = "ghcr.io"
    username = "larkspur-bot"
    password = var.ghcr_token
  }
}

data "docker_registry_image" "app" {
  name = "gcr.io/${var.project}/app:latest"
}

data "google_container_registry_repository" "this" {}

resource "docker_image" "app" {
  name          = data.docker_registry_image.app.name
  pull_triggers = [data.docker_registry_image.app.sha256_digest]
}
