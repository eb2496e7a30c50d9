#!/usr/bin/env bash
set -o errexit -o nounset -o pipefail

IMAGE=asia.gcr.io/${GOOGLE_CLOUD_PROJECT}/storefront
BUILDER=gcr.io/buildpacks/builder:v1

pack config trusted-builders add "$BUILDER"
pack build "$IMAGE:$(git rev-parse --short HEAD)" \
  --builder "$BUILDER" \
  --run-image=gcr.io/buildpacks/gcp/run:v1 \
  --cache-image "$IMAGE/cache" \
  --env GOOGLE_RUNTIME_VERSION=18 \
  --publish

pack stack suggest   # prints gcr.io/paketo-buildpacks/... among others
