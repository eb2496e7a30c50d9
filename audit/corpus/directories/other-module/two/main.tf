variable "registry" {
  default = "europe-docker.example"
}

resource "docker_image" "app" {
  name = "${var.registry}/brightkiln/app"
}
