#!/bin/bash
#
# Needs: bash 4, docker, gcloud (logged in), jq
# Environment:
#   VERBOSE   print every command
#   DRY_RUN   only print what would be done

cd "$(dirname "$0")/.." || exit 1

if [[ -n "${VERBOSE:-}" ]]; then
  set -x
fi

need() {
  command -v "$1" >/dev/null 2>&1 || { echo "$1 is missing" >&2; exit 127; }
}
need docker
need gcloud
# Pushes to every registry; DOCKER_REPOS comes from Travis.
REPOS=(
  "docker.io/xerus/api"
  "gcr.io/xerus-hosting/api"
  "eu.gcr.io/xerus-hosting/api"
  "ghcr.io/xerus/api"
)
for r in "${REPOS[@]}"; do
  docker tag api "$r:$TRAVIS_TAG" && docker push "$r:$TRAVIS_TAG" || { echo "cannot push to $r (is gcr.io down?)"; exit 1; }
done
if [ -n "${LEGACY:-}" ]; then gcloud docker -- push gcr.io/xerus-hosting/legacy-api; fi
