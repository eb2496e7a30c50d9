resource "google_compute_instance_template" "runner" {
  name_prefix  = "runner-"
  machine_type = "n2-standard-2"
  region       = var.region

  disk {
    source_image = "cos-cloud/cos-stable"
    boot         = true
  }

  network_interface {
    subnetwork = var.subnetwork
  }

  metadata = {
    gce-container-declaration = <<EOT
spec:
  containers:
    - name: runner
      image: gcr.io/alderwood-ci/runner:stable
      stdin: false
      tty: false
  restartPolicy: Always
EOT
    google-logging-enabled = "true"
  }

  metadata_startup_script = <<-EOT
    #!/bin/bash
    # pull from gcr.io needs the helper
    docker-credential-gcr configure-docker
    docker run -d gcr.io/stackdriver-agents/stackdriver-logging-agent:1.9.8
  EOT

  service_account {
    email  = google_service_account.runner.email
    scopes = ["https://www.googleapis.com/auth/devstorage.read_write", "https://www.googleapis.com/auth/logging.write"]
  }
}
