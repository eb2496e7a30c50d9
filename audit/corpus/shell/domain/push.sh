#!/usr/bin/env bash
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
# domain-scoped project
IMG="gcr.io/yaffle.example/web-prod/portal"
gcloud builds submit . --tag="$IMG:$(date +%Y%m%d)"
gcloud container images add-tag --quiet "$IMG:latest" us.gcr.io/yaffle.example/dr/portal:latest
docker pull "gcr.io/google.com/cloudsdktool/google-cloud-cli:slim"
docker pull launcher.gcr.io/google/nginx1
docker pull marketplace.gcr.io/google/debian11
