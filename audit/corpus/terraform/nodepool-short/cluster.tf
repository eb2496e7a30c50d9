resource "google_container_cluster" "primary" {
	name               = "${var.name}-cluster"
	location           = var.zone
	initial_node_count = 1
	remove_default_node_pool = true
}

resource "google_container_node_pool" "workers" {
	name    = "${var.name}-workers"
	cluster = google_container_cluster.primary.name

	node_config {
		preemptible  = true
		machine_type = "n1-standard-2"
		oauth_scopes = ["storage-ro", "logging-write", "monitoring"]
	}
}

resource "google_container_node_pool" "full" {
	name    = "${var.name}-full"
	cluster = google_container_cluster.primary.name
	node_config {
		oauth_scopes = ["https://www.googleapis.com/auth/cloud-platform"]
	}
}
