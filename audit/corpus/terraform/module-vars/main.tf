locals {
  full = format("%s/%s/%s:%s", var.registry_host, var.project, var.name, var.tag)
  init = format("%s.gcr.io/%s/init:%s", var.multi_region, var.project, var.tag)
}

resource "null_resource" "push" {
  triggers = { tag = var.tag }

  provisioner "local-exec" {
    command = "gcloud auth configure-docker && docker push ${local.full}"
  }

  provisioner "local-exec" {
    command = <<EOF
docker login -u oauth2accesstoken -p ${data.google_client_config.this.access_token} https://eu.gcr.io
docker pull ${local.init}
EOF
  }
}
