#!/usr/bin/env bash
set -e
: <<'NOTE'
The images were pushed like this until 2023:
  docker push gcr.io/tamarin/app
NOTE
# gcloud auth configure-docker
# docker login https://gcr.io
export REGISTRY=ghcr.io/tamarin   # not gcr.io
docker build -t $REGISTRY/app .
docker push $REGISTRY/app