#!/usr/bin/env bash
set -euo pipefail

# Publishes to gcr.io/siltstone-dev unless KO_DOCKER_REPO is given.
export KO_DOCKER_REPO="${KO_DOCKER_REPO:-gcr.io/siltstone-dev}"
VERSION="$(git describe --tags --always --dirty)"

crane auth login gcr.io -u _json_key -p "$(cat "${KEY}")"
ko resolve --base-import-paths --tags "${VERSION}" -f config/ > release.yaml
echo "images are in ${KO_DOCKER_REPO}"
