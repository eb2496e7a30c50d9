#!/usr/bin/env bash
set -e
ns=${1:-default}

usage() {
  cat <<USAGE
usage: apply.sh [NAMESPACE]

Deploys gcr.io/indigo-batch/runner into NAMESPACE.
USAGE
}

[ "$ns" = "-h" ] && { usage; exit 0; }

kubectl -n "$ns" apply -f - <<EOF
apiVersion: apps/v1
kind: Deployment
metadata:
  name: runner
spec:
  selector: {matchLabels: {app: runner}}
  template:
    metadata: {labels: {app: runner}}
    spec:
      containers:
        - name: runner
          image: gcr.io/indigo-batch/runner:${TAG:-latest}
        - name: logger
          image: ghcr.io/indigo/logger:2
        # - image: gcr.io/indigo-batch/debug
EOF
kubectl -n "$ns" create secret docker-registry gcr-json-key \
  --docker-server=https://gcr.io \
  --docker-username=_json_key \
  --docker-password="$(cat ~/json-key-file.json)" \
  --docker-email=any@valid.example
