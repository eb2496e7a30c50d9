variable "registry" {
  type    = string
  default = "gcr.io"
}

variable "project" {
  type    = string
  default = "lumen-otter"
}

variable "mirror" {
  type    = string
  default = "gcr.io"
}
