#!/usr/bin/env bash
# Lets another project pull our images.
set -o pipefail
PROJECT_ID=$(gcloud config get-value project)
BUCKET="gs://artifacts.${PROJECT_ID}.appspot.com"
READER=$1

echo "granting $READER read access to artifacts.${PROJECT_ID}.appspot.com"
gsutil iam ch "serviceAccount:${READER}:objectViewer" "$BUCKET"
gsutil iam ch "serviceAccount:${READER}:legacyBucketReader" gs://eu.artifacts.${PROJECT_ID}.appspot.com
gsutil -m acl ch -r -u "$READER":READ gs://us.artifacts.${PROJECT_ID}.appspot.com
gsutil defacl ch -u "$READER":READ gs://us.artifacts.${PROJECT_ID}.appspot.com
gcloud storage buckets add-iam-policy-binding gs://asia.artifacts.${PROJECT_ID}.appspot.com \
  --member="serviceAccount:${READER}" --role=roles/storage.objectViewer
gsutil du -s gs://us.artifacts.${PROJECT_ID}.appspot.com
gsutil rm -r gs://artifacts.old-litmus.appspot.com/containers/images
# gsutil iam ch allUsers:objectViewer gs://artifacts.litmus.appspot.com
gsutil ls gs://litmus.appspot.com
