#!/usr/bin/env bash
# Warns when an image is still on gcr.io; part of the pre-commit hooks.
#
# Example:
#   check.sh gcr.io/raccoon/app
log()  { printf '%s\n' "$*" >&2; }
fail() { log "$@"; exit 1; }

[ $# -gt 0 ] || fail "usage: check.sh IMAGE (for example gcr.io/raccoon/app)"

log "checking $1; images of gcr.io are not allowed"
case "$1" in
  ghcr.io/*|quay.io/*|docker.io/*) log "fine" ;;
  *) fail "only ghcr.io, quay.io and docker.io, not gcr.io" ;;
esac
