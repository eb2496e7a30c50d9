locals {
  # Google prescribes the name of this bucket.
  registry_bucket = "artifacts.${var.project}.appspot.com"
  node_roles = [
    "roles/logging.logWriter",
    "roles/monitoring.metricWriter",
  ]
}

resource "google_service_account" "nodes" {
  account_id = "gke-nodes"
}

resource "google_project_iam_member" "nodes" {
  count   = length(local.node_roles)
  project = var.project
  role    = element(local.node_roles, count.index)
  member  = "serviceAccount:${google_service_account.nodes.email}"
}

resource "google_storage_bucket_iam_member" "nodes_pull" {
  bucket = local.registry_bucket
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.nodes.email}"
}

resource "google_container_node_pool" "default" {
  name       = "default"
  cluster    = google_container_cluster.this.name
  node_count = 3

  node_config {
    machine_type    = "e2-standard-4"
    service_account = google_service_account.nodes.email
    oauth_scopes = [
      "https://www.googleapis.com/auth/compute",
      "https://www.googleapis.com/auth/devstorage.read_only",
      "https://www.googleapis.com/auth/logging.write",
      "https://www.googleapis.com/auth/monitoring",
    ]
  }
}
