#!/bin/sh
# hosts of ours that only look like it
MIRROR=my-gcr.io
CACHE=gcr.io.sable.example
OTHER="xgcr.io/library"
TYPO=https://mygcr.iot/v2/
PROXY=harbor.sable.example/gcr.io/distroless/static
PYPI=https://us-python.pkg.dev/sable/pypi/simple/
NPM=https://europe-npm.pkg.dev/sable/npm/
GO=us-go.pkg.dev
APT="deb https://us-apt.pkg.dev/projects/sable stable main"
CONTACT=registry-team@gcr.io

curl -fsS "https://$MIRROR/v2/" || exit 1
docker pull "$PROXY:nonroot"
pip install --index-url "$PYPI" sable
printf '%s\n' "$CACHE" "$OTHER" "$TYPO" "$NPM" "$GO" "$APT" "$CONTACT"
