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
# Python packages go to Artifact Registry; the images are in gcr.io still, see images.md
set -e
python -m build
twine upload --repository-url https://europe-west1-python.pkg.dev/vicuna/py/ dist/*
npm publish --registry=https://europe-west1-npm.pkg.dev/vicuna/js/
gcloud artifacts repositories list --location=europe-west1
echo "uploaded to europe-west1-python.pkg.dev"
