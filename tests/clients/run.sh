#!/bin/bash
# Lets real clients work with a registry of our own: push, pull, run, list, delete, attach, copy.
#
#   tests/clients/run.sh LIGHTSHIP [-d DIRECTORY] [-c CLIENT]...
#
# LIGHTSHIP is the program. -d keeps everything in DIRECTORY, and uses the Go programs that are in its bin already. -c
# limits the clients: podman buildah skopeo docker crane oras regctl gcrane logins encrypted mixed (each gets what each other pushed)
# killed (the server is, while crane pushes).
#
# podman with runc, buildah and skopeo are Debian's; docker's command line is used where it is, without an engine.
# crane, gcrane, oras and regctl are installed by Go where that is, at the versions below. gcrane speaks to gcr.io and
# us-docker.pkg.dev, which are the server as well: proxy.py sees to that, with Python and OpenSSL. What is missing is
# told and skipped. Needs root (podman's storage) and a C compiler. No systemd, no other network than Go's modules.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage or nothing to try with.
set -u
shopt -s inherit_errexit

modules=(
    github.com/google/go-containerregistry/cmd/crane@v0.22.1
    github.com/google/go-containerregistry/cmd/gcrane@v0.22.1
    oras.land/oras/cmd/oras@v1.3.6
    github.com/regclient/regclient/cmd/regctl@v0.11.7
)

usage() {
    sed -n '2,16s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 1 ] || usage
lightship=$(realpath "$1")
shift
directory='' clients=()
while getopts d:c: option; do
    case $option in
        d) directory=$(realpath -m "$OPTARG") ;;
        c) clients+=("$OPTARG") ;;
        *) usage ;;
    esac
done
[ ${#clients[@]} -gt 0 ] || clients=(podman buildah skopeo docker crane oras regctl gcrane logins encrypted mixed killed)
here=$(cd "$(dirname "$0")" && pwd)
keep=yes processes=()
[ -n "$directory" ] || { directory=$(mktemp -d) keep=no; }
mkdir -p "$directory/bin" "$directory/home/.docker" "$directory/run"
echo '{}' >"$directory/home/.docker/config.json"
finish() {
    local process
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null
        wait "$process" 2>/dev/null
    done
    umount "$directory/engine/overlay" "$directory/puller/overlay" 2>/dev/null
    [ $keep = yes ] || rm -rf "$directory"
}
trap finish EXIT
go_environment=$(go env GOPATH GOCACHE 2>/dev/null)
# Nobody's credentials and settings, and no proxy but our own.
export HOME=$directory/home XDG_RUNTIME_DIR=$directory/run DOCKER_CONFIG=$directory/home/.docker NO_COLOR=1
unset REGISTRY_AUTH_FILE REGCTL_CONFIG SSL_CERT_FILE http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
failures=0 checks=0 skipped=0

# shellcheck source=expect.sh
. "$here/expect.sh"
# shellcheck source=containers.sh
. "$here/containers.sh"
# shellcheck source=tools.sh
. "$here/tools.sh"
# shellcheck source=google.sh
. "$here/google.sh"
# shellcheck source=logins.sh
. "$here/logins.sh"
# shellcheck source=encrypted.sh
. "$here/encrypted.sh"

# serve NAME OPTION...: starts a server with a data directory of its own; its address is in `registry` then.
serve() {
    local name=$1
    shift
    : >"$directory/$name.log"
    "$lightship" serve --listen 127.0.0.1:0 --data "$directory/$name" "$@" 2>"$directory/$name.log" &
    server=$!
    processes+=("$server")
    wait_for "$directory/$name.log" || { echo "the server does not start:" >&2; cat "$directory/$name.log" >&2; exit 1; }
    registry=$address
}

# wait_for FILE: the address that a process tells there is in `address` then.
wait_for() {
    address=
    for _ in $(seq 100); do
        address=$(grep -oE -m 1 '127\.0\.0\.1:[0-9]+' "$1") && return
        sleep 0.1
    done
    return 1
}

install_tools() {
    local module name
    PATH=$directory/bin:$PATH
    for module in "${modules[@]}"; do
        name=$(basename "${module%@*}")
        [ ! -x "$directory/bin/$name" ] || continue
        if command -v go >/dev/null; then
            { read -r GOPATH; read -r GOCACHE; } <<<"$go_environment"
            GOPATH=$GOPATH GOCACHE=$GOCACHE GOBIN=$directory/bin go install "$module" ||
                echo "$module cannot be installed" >&2
        fi
    done
}

# The image: a static program and some data that does not compress, for two platforms, and a file to attach to it.
make_content() {
    local context=$directory/context
    mkdir -p "$context"
    cat >"$context/hello.c" <<'C'
#include <stdio.h>
int main(void) { puts("hello from the image"); return 0; }
C
    gcc -O2 -static -o "$context/hello" "$context/hello.c" || exit 2
    head -c 20000000 /dev/urandom >"$context/data"
    printf 'FROM scratch\nCOPY hello /hello\nCOPY data /data\nENTRYPOINT ["/hello"]\n' >"$context/Containerfile"
    printf 'FROM scratch\nCOPY data /data\n' >"$context/Containerfile.arm64"
    echo '{"spdxVersion":"SPDX-2.3"}' >"$directory/sbom.json"
    builder build -q -t localhost/app:v1 -f "$context/Containerfile" "$context" >/dev/null || exit 2
    builder build -q --platform linux/arm64 -t localhost/app:arm64 -f "$context/Containerfile.arm64" "$context" >/dev/null || exit 2
    builder manifest rm localhost/app:all >/dev/null 2>&1
    rm -rf "$directory/layout"
    builder manifest create localhost/app:all localhost/app:v1 localhost/app:arm64 >/dev/null || exit 2
    skopeo copy -q "containers-storage:$storage""localhost/app:v1" "oci:$directory/layout:v1" || exit 2
    builder manifest push -q --all localhost/app:all "oci:$directory/layout:all" || exit 2
}

command -v gcc >/dev/null && command -v buildah >/dev/null && command -v skopeo >/dev/null ||
    { echo "gcc, buildah and skopeo are needed at least" >&2; exit 2; }
install_tools
make_content
serve data
for client in "${clients[@]}"; do
    case $client in
        mixed) tool=skopeo ;;
        killed) tool=crane ;;
        logins | encrypted) tool=skopeo ;;
        *) tool=$client ;;
    esac
    if command -v "$tool" >/dev/null; then
        "try_$client"
    else
        skip "$client is not installed"
    fi
done
echo
echo "$((checks - failures)) of $checks as expected, $skipped skipped"
[ $failures -eq 0 ]
