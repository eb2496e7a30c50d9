#!/bin/sh
# Runs the structure tests that an image of the catalogue must pass.
#
#   tests/structure/run.sh LIGHTSHIP IMAGE NAME VARIANT [OPTION...]
#
# LIGHTSHIP is the program, IMAGE where the image is (e.g. oci:out:latest), NAME and VARIANT what it is
# (e.g. python3-debian13 debug-nonroot). OPTIONs go to `lightship test`, e.g. --platform arm64.
set -eu
if [ $# -lt 4 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
lightship=$1 image=$2 name=$3 variant=$4
shift 4
here=$(dirname "$0")
release=${name##*-}
family=${name%-*}

files="static $release"
case $variant in
    latest) files="$files root latest" ;;
    nonroot) files="$files nonroot latest" ;;
    debug) files="$files root debug" ;;
    debug-nonroot) files="$files nonroot debug debug-nonroot" ;;
    *) echo "unknown variant $variant" >&2; exit 2 ;;
esac
case $family in static) ;; *) files="$files base-nossl" ;; esac
case $family in base | cc | python3 | nodejs*) files="$files base" ;; esac
case $family in cc | python3 | nodejs*) files="$files cc" ;; esac
case $family in java*) files="$files java-base" ;; esac
case $family in
    python3) files="$files python3" ;;
    java-base) files="$files java-base-only" ;;
    java*) files="$files $family" ;;
    nodejs*) files="$files $family" ;;
esac
# The entrypoint: the runtime where there is one, also in debug variants as distroless has it; else a shell in these, none in others.
case $variant:$family in
    debug*:java-base) ;;
    debug*:java*) files="$files java-jdk java-runtime" ;;
    debug*:python3) files="$files python3-$release" ;;
    debug*:nodejs*) files="$files nodejs-runtime" ;;
    debug*) files="$files debug-shell" ;;
    *:static | *:base | *:base-nossl | *:cc | *:java-base) files="$files no-program" ;;
    *:python3) files="$files python3-$release" ;;
    *:java*) files="$files java-runtime java-no-jdk" ;;
    *:nodejs*) files="$files nodejs-runtime" ;;
esac
for file in $files; do
    set -- "$@" -c "$here/$file.yaml"
done
exec "$lightship" test "$image" "$@"
