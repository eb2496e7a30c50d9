provider "google" {
  project     = "maned-wolf"
  credentials = <<EOT
{
  "type": "service_account",
  "project_id": "maned-wolf",
  "private_key_id": "0000000000000000000000000000000000000106",
  "private_key": "-----BEGIN PRIVATE KEY-----\nVEhJUyBJUyBBTiBJTlZFTlRFRCBQTEFDRSBIT0xERVIgT0YgQSBDT1JQVVMsIE5V\nTUJFUiAxMDYsIEFORCBOT1QgQSBLRVkgT0YgQU5ZQk9EWS4gVEhJUyBJUyBBTiBJ\n-----END PRIVATE KEY-----\n",
  "client_email": "terraform@maned-wolf.iam.gserviceaccount.com",
  "client_id": "100000000000000000106",
  "auth_uri": "https://accounts.google.com/o/oauth2/auth",
  "token_uri": "https://oauth2.googleapis.com/token",
  "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
  "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/terraform%40maned-wolf.iam.gserviceaccount.com"
}
EOT
}

output "image" {
  value = "eu.gcr.io/maned-wolf/app"
}
