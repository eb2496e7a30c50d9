#!/bin/bash
# Builds the registry's own image by Lightship on its own base, runs it, pushes an image to it and pulls it back.
#
#   tests/registry/own-image.sh LIGHTSHIP [BUILD-OPTION...]
#
# LIGHTSHIP is the program, which is also what goes into the image. BUILD-OPTIONs go to `lightship build`, for example
# --mirror or --cache. What runs: podman with runc, the image without capabilities and with a root that cannot be
# written to. Needs root, podman, runc and skopeo, and the Debian archive. No systemd.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage or a tool is missing.
set -u
shopt -s inherit_errexit

[ $# -ge 1 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
lightship=$(realpath "$1")
shift
for tool in podman runc skopeo; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
here=$(cd "$(dirname "$0")" && pwd)
directory=$(mktemp -d)
engine() {
    podman --root "$directory/engine" --runroot "$directory/engine-run" --runtime runc --cgroup-manager cgroupfs "$@"
}
finish() {
    engine rm -f -t 1 registry >/dev/null 2>&1
    umount "$directory/engine/overlay" 2>/dev/null
    rm -rf "$directory"
}
trap finish EXIT
failures=0

# check WHAT COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    if "$@" >"$directory/output" 2>&1; then
        echo "ok    $what"
    else
        failures=$((failures + 1))
        echo "FAIL  $what"
        head -n 40 "$directory/output" | sed 's/^/      | /'
    fi
}

# The specification names the program as cargo leaves it; here it is the one that is tried.
mkdir -p "$directory/context" "$directory/data"
cp "$lightship" "$directory/context/lightship"
sed 's|from: ../target/release/lightship|from: lightship|' "$here/../../deploy/lightship.yaml" >"$directory/context/image.yaml"
check "it is built" "$lightship" build "$directory/context/image.yaml" -o "oci:$directory/image:latest" "$@"
image=localhost/lightship:test
check "the engine takes it" skopeo copy -q "oci:$directory/image:latest" \
    "containers-storage:[overlay@$directory/engine+$directory/engine-run]$image"
[ $failures -eq 0 ] || exit 1
chown 10001:10001 "$directory/data"

# Ready when it says its address; port 0 is any free one. What it said before a restart does not count.
start() {
    local said
    for _ in $(seq 300); do
        said=$(engine logs registry 2>&1 | sed -n 's|^lightship serves http://||p')
        address=$(sed -n "$1p" <<<"$said")
        [ -n "$address" ] && return 0
        sleep 0.2
    done
    return 1
}
run() {
    engine run -d --name registry --read-only --cap-drop all --security-opt no-new-privileges --network host \
        --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 -v "$directory/data:/var/lib/lightship" "$image" \
        serve --config /etc/lightship/lightship.toml --listen 127.0.0.1:0 --data /var/lib/lightship/data
}
check "it says that nothing is wrong" engine run --rm --read-only --cap-drop all --network host \
    --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 -v "$directory/data:/var/lib/lightship" "$image" \
    serve --config /etc/lightship/lightship.toml --listen 127.0.0.1:0 --data /var/lib/lightship/data --check
check "it runs" run
check "it serves" start 1
[ $failures -eq 0 ] || { engine logs registry; exit 1; }
not_root() { [ "$(engine inspect -f '{{.Config.User}}' registry)" = lightship ]; }
check "not as root" not_root
check "an image is pushed to it: its own" "$lightship" copy "oci:$directory/image:latest" "$address/infra/lightship:latest"
check "and pulled back" "$lightship" copy "$address/infra/lightship:latest" "oci:$directory/back:latest"
check "it is the same" "$lightship" diff "oci:$directory/image:latest" "oci:$directory/back:latest"
check "podman pulls it" engine pull -q --tls-verify=false "$address/infra/lightship:latest"
check "skopeo reads it" skopeo inspect --tls-verify=false "docker://$address/infra/lightship:latest"
ended() { engine stop -t 30 registry && [ "$(engine inspect -f '{{.State.ExitCode}}' registry)" = 0 ]; }
check "SIGTERM ends it cleanly" ended
check "it starts again" engine start registry
check "it serves again" start 2
check "what was pushed is still there" "$lightship" inspect "$address/infra/lightship:latest"

[ $failures -eq 0 ] || { echo "$failures checks failed"; exit 1; }
echo "all as expected"
