#!/bin/sh
# Buckets of the app itself; the bucket of gcr.io (artifacts.*.appspot.com) is gone.
set -e
gsutil iam ch allUsers:objectViewer gs://static.mallow.example
gsutil ls gs://mallow-prod.appspot.com
gsutil ls gs://staging.mallow-prod.appspot.com
gsutil cp dist.tgz gs://mallow-artifacts/builds/
# gsutil iam ch user:a@mallow.example:objectViewer gs://artifacts.mallow-prod.appspot.com
gcloud services enable artifactregistry.googleapis.com
gcloud artifacts repositories add-iam-policy-binding apps --location=us \
  --member=group:dev@mallow.example --role=roles/artifactregistry.reader
