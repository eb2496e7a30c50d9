#!/usr/bin/env bash
# Copies images from the old registry to the new one.
set -euo pipefail

SRC=eu.gcr.io/jasmine-retail
DST=europe-docker.pkg.dev/jasmine-retail/eu.gcr.io

list=$(gcloud container images list --repository="$SRC" --format='value(name)')
for name in $list; do
  short=${name#eu.gcr.io/jasmine-retail/}
  crane copy "$name" "$DST/$short" --all-tags
done

gcrane cp -r us.gcr.io/jasmine-retail us-docker.pkg.dev/jasmine-retail/us.gcr.io
skopeo sync --src docker --dest docker asia.gcr.io/jasmine-retail/base asia-docker.pkg.dev/jasmine-retail
echo "eu.gcr.io -> europe-docker.pkg.dev finished"
