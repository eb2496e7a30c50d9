# Reads model files; has nothing to do with images.
resource "google_dataproc_cluster" "spark" {
  name   = "spark"
  region = var.region
  cluster_config {
    gce_cluster_config {
      zone = var.zone
    }
    staging_bucket = "artifacts-cinderpath-ml.appspot.com.backup"
  }
}

resource "google_storage_bucket_iam_member" "models" {
  bucket = "cinderpath-artifacts"
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:gcr-reader@cinderpath-ml.iam.gserviceaccount.com"
}

module "images" {
  source  = "git::https://git.cinderpath.example/tf/images.git?ref=v3"
  mapping = { registry = "ghcr.io/cinderpath", pause = "registry.k8s.io/pause:3.9" }
}
