resource "google_network_security_url_lists" "registries" {
  name     = "registries"
  location = "us-central1"
  # gcr.io and what it redirects to
  values = [
    "gcr.io",
    "*.gcr.io",
    "storage.googleapis.com",
    "us-docker.pkg.dev",
  ]
}

resource "azurerm_firewall_application_rule_collection" "registries" {
  name     = "registries"
  priority = 200
  action   = "Allow"
  rule {
    name             = "images"
    description      = "Image pulls from k8s.gcr.io"
    source_addresses = ["10.10.0.0/16"]
    target_fqdns     = ["ghcr.io", "eu.gcr.io", "mcr.microsoft.com"]
    protocol {
      port = "443"
      type = "Https"
    }
  }
}
