resource "aws_ecr_repository" "gcr" {
  # gcr = "grid connection requests", not the registry
  name                 = "gcr"
  image_tag_mutability = "IMMUTABLE"
}

resource "aws_s3_bucket" "artifacts" {
  bucket = "artifacts.voltline.example.com"
}

variable "gcr_image" {
  type    = string
  default = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/gcr:latest"

  validation {
    condition     = !can(regex("latest$", var.gcr_image))
    error_message = "Give a version; images of gcr.io are not accepted."
  }
}

resource "aws_ecs_task_definition" "gcr" {
  family = "gcr"
  container_definitions = jsonencode([{
    name  = "gcr"
    image = var.gcr_image
    environment = [{ name = "HOST", value = "my-gcr.io.voltline.example.com" }]
  }])
}
