#!/bin/sh
# Runs kaniko on this machine.
# Example: run_in_docker.sh /workspace gcr.io/mica-lab/app:dev
set -e

dockerfile=$1
context=$2
destination=$3

if [ -z "$destination" ]; then
    echo "usage: $0 DOCKERFILE CONTEXT gcr.io/PROJECT/IMAGE:TAG" >&2
    exit 2
fi

cat > "$HOME/.kaniko-config.json" <<JSON
{
  "credHelpers": {
    "gcr.io": "gcr",
    "eu.gcr.io": "gcr",
    "us-docker.pkg.dev": "gcr"
  }
}
JSON

docker run \
    -v "$HOME/.config/gcloud:/root/.config/gcloud" \
    -v "$HOME/.kaniko-config.json:/kaniko/.docker/config.json:ro" \
    -v "$context:/workspace" \
    gcr.io/kaniko-project/executor:v1.23.2 \
    --dockerfile "$dockerfile" --destination "$destination" --context dir:///workspace/ \
    --build-arg BASE=gcr.io/mica-lab/base:7
