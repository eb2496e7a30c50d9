#!/usr/bin/env bash
set -euo pipefail
{
  echo "IMAGE=eu.gcr.io/quokka-web/site:${GITHUB_SHA}"
  echo "CACHE=ghcr.io/quokka/cache"
} >> "$GITHUB_ENV"
# echo "IMAGE=gcr.io/quokka-web/site" >> "$GITHUB_ENV"
sed -i "s|IMAGE_PLACEHOLDER|eu.gcr.io/quokka-web/site:${GITHUB_SHA}|" k8s/deployment.yaml
kustomize edit set image site=eu.gcr.io/quokka-web/site:${GITHUB_SHA}
