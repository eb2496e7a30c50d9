#!/bin/bash
set -euo pipefail
# gcr is the Great Cormorant Register
pip install "gcr>=1.2" gcr-client
GCR_HOME=${GCR_HOME:-/opt/gcr}
mkdir -p "$GCR_HOME"
curl -fsSLo "$GCR_HOME/gcr.tar.gz" https://downloads.uakari.example/gcr/latest.tar.gz
tar -C "$GCR_HOME" -xzf "$GCR_HOME/gcr.tar.gz"
gcr --version
docker run --rm registry.k8s.io/pause:3.9 || true
