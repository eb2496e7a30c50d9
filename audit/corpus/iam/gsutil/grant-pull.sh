#!/usr/bin/env bash
# Gives the GKE nodes of another project the right to pull from eu.gcr.io.
set -euo pipefail
HOST_PROJECT=sorrel-images
NODE_SA="$1"

gsutil iam ch "serviceAccount:${NODE_SA}:objectViewer" "gs://eu.artifacts.${HOST_PROJECT}.appspot.com"
gsutil iam get gs://artifacts.${HOST_PROJECT}.appspot.com > before.json
gsutil iam set policy.json gs://artifacts.${HOST_PROJECT}.appspot.com
gcloud storage buckets add-iam-policy-binding \
  "gs://us.artifacts.${HOST_PROJECT}.appspot.com" \
  --member="serviceAccount:${NODE_SA}" \
  --role=roles/storage.objectViewer
gsutil lifecycle set lifecycle.json gs://eu.artifacts.${HOST_PROJECT}.appspot.com
gcloud artifacts repositories add-iam-policy-binding apps --location=europe \
  --member="serviceAccount:${NODE_SA}" --role=roles/artifactregistry.reader
# gsutil iam ch -d allUsers gs://artifacts.sorrel-old.appspot.com
echo "granted on eu.artifacts.${HOST_PROJECT}.appspot.com"
