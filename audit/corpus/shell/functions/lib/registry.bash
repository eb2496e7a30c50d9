# shellcheck shell=bash
# Library, to be sourced.

registry_host() {
  case "$1" in
    us|us-*)     echo "us.gcr.io" ;;
    eu|europe-*) echo "eu.gcr.io" ;;
    asia-*)      echo "asia.gcr.io" ;;
    *)           echo >&2 "unknown location $1, expected one with a gcr.io host"; return 1 ;;
  esac
}

is_ours() {
  [[ "$1" == gcr.io/magnolia-* ]] || [[ "$1" == *-docker.pkg.dev/magnolia-* ]]
}

image_of() {
  local service=$1 host
  host=$(registry_host "$REGION")
  printf '%s/%s/%s\n' "$host" "$PROJECT" "$service"
}
