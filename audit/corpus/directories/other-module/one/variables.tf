variable "registry" {
  default = "gcr.io"
}
