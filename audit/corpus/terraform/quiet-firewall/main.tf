variable "scopes" {
  description = "OAuth scopes; devstorage.read_only was needed for gcr.io"
  type        = list(string)
  default     = ["https://www.googleapis.com/auth/cloud-platform"]
}

resource "google_compute_instance" "bastion" {
  name         = "bastion"
  machine_type = "e2-micro"
  zone         = var.zone
  boot_disk {
    initialize_params { image = "debian-cloud/debian-12" }
  }
  network_interface { network = var.network }
  service_account { scopes = var.scopes }
}

resource "google_compute_firewall" "ssh" {
  name    = "allow-iap-ssh"
  network = var.network
  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
  source_ranges = ["35.235.240.0/20"]
}
