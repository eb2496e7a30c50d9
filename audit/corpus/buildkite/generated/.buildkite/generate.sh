#!/bin/bash
set -eu

REGISTRY="${REGISTRY:-asia.gcr.io/monsoon-data}"

echo "steps:"
for service in ingest query compactor; do
  cat <<YAML
  - label: ":docker: ${service}"
    key: "image-${service}"
    command:
      - docker build -t ${REGISTRY}/${service}:${BUILDKITE_COMMIT} services/${service}
      - docker push ${REGISTRY}/${service}:${BUILDKITE_COMMIT}
    plugins:
      - docker-login#v3.0.0:
          server: asia.gcr.io
          username: oauth2accesstoken
          password-env: ACCESS_TOKEN
YAML
done

cat <<'YAML'
  - wait
  - label: "scan"
    command: trivy image --exit-code 1 ghcr.io/monsoon/base:latest
YAML
