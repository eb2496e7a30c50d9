variable "registry_host" {
  type        = string
  description = "Host of the registry: gcr.io, eu.gcr.io …"
  default     = "gcr.io"
}

variable "image" {
  type    = string
  default = "gcr.io/google-samples/hello-app:2.0"
}

variable "pause" {
  default = "gcr.io/google-containers/pause-amd64:3.1"
}

variable "ghcr" { default = "ghcr.io/thistledown/app" }
