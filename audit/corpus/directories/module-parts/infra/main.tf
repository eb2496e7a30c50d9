resource "google_cloud_run_v2_service" "api" {
  name = "api"

  template {
    containers {
      image = "${local.images}/api:4.1"
    }
  }
}

resource "google_cloud_run_v2_job" "build" {
  name = "build"

  template {
    template {
      containers {
        image = format("%s/%s/%s", var.mirror, "kaniko-project", "executor")
      }
    }
  }
}
