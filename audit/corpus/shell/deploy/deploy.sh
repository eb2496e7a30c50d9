#!/bin/bash
# Builds, pushes and rolls out. Needs gcloud and kubectl.
set -euo pipefail

PROJECT_ID="${PROJECT_ID:-basilisk-prod}"
IMAGE="gcr.io/${PROJECT_ID}/frontend"
TAG="$(git rev-parse --short=8 HEAD)"

echo "=> authenticating against gcr.io"
gcloud auth configure-docker --quiet

echo "=> building ${IMAGE}:${TAG}"
docker build --pull --tag "${IMAGE}:${TAG}" .
docker push "${IMAGE}:${TAG}"

kubectl set image deployment/frontend frontend="${IMAGE}:${TAG}" \
  sidecar=gcr.io/basilisk-prod/sidecar:stable

# docker push gcr.io/basilisk-old/frontend
echo "done: gcr.io/${PROJECT_ID}/frontend:${TAG}"
