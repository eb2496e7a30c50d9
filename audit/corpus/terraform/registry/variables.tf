variable "project_id" {
  description = "Project whose images (eu.gcr.io/PROJECT) are shared."
  type        = string
}

variable "pullers" {
  type    = list(string)
  default = []
}
