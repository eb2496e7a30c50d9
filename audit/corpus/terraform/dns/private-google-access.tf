resource "google_dns_managed_zone" "gcr" {
  name       = "gcr-io"
  dns_name   = "gcr.io."
  visibility = "private"
  private_visibility_config {
    networks {
      network_url = var.network
    }
  }
}

resource "google_dns_record_set" "gcr_a" {
  name         = "gcr.io."
  managed_zone = google_dns_managed_zone.gcr.name
  type         = "A"
  ttl          = 300
  rrdatas      = ["199.36.153.8", "199.36.153.9", "199.36.153.10", "199.36.153.11"]
}

resource "google_dns_record_set" "gcr_cname" {
  name         = "*.gcr.io."
  managed_zone = google_dns_managed_zone.gcr.name
  type         = "CNAME"
  ttl          = 300
  rrdatas      = ["gcr.io."]
}

resource "google_dns_managed_zone" "pkg_dev" {
  name       = "pkg-dev"
  dns_name   = "pkg.dev."
  visibility = "private"
}
