locals {
  host   = var.registry
  images = "${local.host}/${var.project}"
}
