variable "registry_projects" {
  type    = map(list(string))
  default = {}
}

resource "google_storage_bucket_iam_binding" "viewers" {
  for_each = var.registry_projects
  bucket   = "artifacts.${each.key}.appspot.com"
  role     = "roles/storage.objectViewer"
  members  = each.value
}

resource "google_storage_bucket_iam_policy" "locked" {
  bucket      = "asia.artifacts.wrenfield-core.appspot.com"
  policy_data = data.google_iam_policy.locked.policy_data
}

resource "google_storage_bucket_access_control" "old" {
  bucket = "eu.artifacts.wrenfield-core.appspot.com"
  role   = "READER"
  entity = "group-dev@wrenfield.example"
}

resource "google_artifact_registry_repository_iam_member" "reader" {
  location   = "europe"
  repository = "containers"
  role       = "roles/artifactregistry.reader"
  member     = "group:dev@wrenfield.example"
}
