resource "google_binary_authorization_policy" "policy" {
  global_policy_evaluation_mode = "ENABLE"

  admission_whitelist_patterns {
    name_pattern = "gcr.io/google_containers/*"
  }
  admission_whitelist_patterns {
    name_pattern = "eu.gcr.io/${var.project}/*"
  }
  admission_whitelist_patterns {
    name_pattern = "europe-docker.pkg.dev/${var.project}/apps/*"
  }

  default_admission_rule {
    evaluation_mode         = "REQUIRE_ATTESTATION"
    enforcement_mode        = "ENFORCED_BLOCK_AND_AUDIT_LOG"
    require_attestations_by = [google_binary_authorization_attestor.ci.name]
  }
}

resource "google_binary_authorization_attestor" "ci" {
  name        = "ci"
  description = "Signs what CI pushes to eu.gcr.io"
  attestation_authority_note {
    note_reference = google_container_analysis_note.ci.name
  }
}
