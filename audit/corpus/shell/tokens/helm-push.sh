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
token=$(gcloud auth print-access-token)
echo "$token" | helm registry login -u oauth2accesstoken --password-stdin https://us.gcr.io
helm push chart-1.0.0.tgz oci://us.gcr.io/pangolin-infra/charts
echo "$token" | buildah login -u oauth2accesstoken --password-stdin gcr.io
buildah push pangolin docker://gcr.io/pangolin-infra/pangolin:1.0.0
echo "$token" | crane auth login gcr.io -u oauth2accesstoken --password-stdin
crane ls gcr.io/pangolin-infra/pangolin | sort -V | tail -1
echo "$token" | helm registry login -u oauth2accesstoken --password-stdin https://us-docker.pkg.dev
