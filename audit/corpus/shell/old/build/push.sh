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
# from the days of `gcloud docker`
for svc in accounts mail search; do
  docker build -t us.gcr.io/heliotrope-apps/$svc:v1 services/$svc
  gcloud docker -- push us.gcr.io/heliotrope-apps/$svc:v1
done
gcloud docker -a
gcloud --project heliotrope-apps docker push us.gcr.io/heliotrope-apps/cron
echo "Use gcloud docker -- pull us.gcr.io/heliotrope-apps/NAME to get one"
