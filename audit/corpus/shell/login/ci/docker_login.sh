#!/bin/sh
set -eu
: "${GCLOUD_SERVICE_KEY:?not set}"

KEYFILE=$(mktemp)
trap 'rm -f "$KEYFILE"' EXIT
printf '%s' "$GCLOUD_SERVICE_KEY" | base64 -d > "$KEYFILE"

docker login -u _json_key -p "$(cat "$KEYFILE")" https://eu.gcr.io
docker login \
    --username _json_key \
    --password-stdin \
    https://us.gcr.io < "$KEYFILE"
docker login ghcr.io -u "$GH_USER" --password-stdin <<< "$GCR_TOKEN"
docker login --username=oauth2accesstoken --password="$(gcloud auth print-access-token)" asia-east1-docker.pkg.dev
