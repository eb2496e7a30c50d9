#!/bin/bash
# Pushes, pulls and copies against Debian's docker-registry, with skopeo as the second reader.
#
#   tests/registry/run-peers.sh LIGHTSHIP LAYOUT:TAG
#
# LIGHTSHIP is the program, LAYOUT:TAG an image in an OCI layout. Two registries are started on loopback, one open
# and one with a password. Needs Debian's packages docker-registry, skopeo and apache2-utils.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage or a tool is missing.
set -u
shopt -s inherit_errexit

[ $# -eq 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
lightship=$(realpath "$1") image=$2
for tool in docker-registry skopeo htpasswd curl; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
directory=$(mktemp -d)
servers=()
finish() {
    for server in "${servers[@]}"; do kill "$server" 2>/dev/null; done
    rm -rf "$directory"
}
trap finish EXIT
# docker-registry takes every REGISTRY_ variable for one of its settings.
unset REGISTRY_AUTH_FILE
export HOME=$directory/home DOCKER_CONFIG=$directory/docker XDG_RUNTIME_DIR=$directory/run
failures=0 checks=0

# expect STATUS TITLE COMMAND...
expect() {
    local wanted=$1 title=$2 status=0
    shift 2
    "$@" >"$directory/out" 2>&1 || status=$?
    checks=$((checks + 1))
    if [ "$status" -ne "$wanted" ]; then
        failures=$((failures + 1))
        echo "FAILED: $title (status $status, not $wanted)"
        sed 's/^/    /' "$directory/out"
    fi
}

# serve NAME PORT [AUTH]
serve() {
    mkdir -p "$directory/$1"
    cat >"$directory/$1.yml" <<END
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $directory/$1}}
http: {addr: "127.0.0.1:$2"}
${3:-}
END
    docker-registry serve "$directory/$1.yml" >"$directory/$1.log" 2>&1 &
    servers+=($!)
    for _ in $(seq 50); do
        curl -s -o /dev/null "http://127.0.0.1:$2/v2/" && return
        sleep 0.1
    done
    echo "docker-registry does not start:" >&2
    cat "$directory/$1.log" >&2
    exit 2
}

port=$((20000 + $$ % 20000))
mkdir -p "$XDG_RUNTIME_DIR"
open=127.0.0.1:$port guarded=127.0.0.1:$((port + 1))
htpasswd -Bbn user correct >"$directory/htpasswd"
serve open "$port"
serve guarded "$((port + 1))" "auth: {htpasswd: {realm: peers, path: $directory/htpasswd}}"

login() { printf '%s' "$2" | "$lightship" login "$1" -u user --password-stdin; }
digest() { skopeo inspect --tls-verify=false "$@" --format '{{.Digest}}'; }

expect 0 "push" "$lightship" copy "oci:$image" "$open/peers/a:one"
expect 0 "push again, with nothing to send" "$lightship" copy "oci:$image" "$open/peers/a:one" --format json
grep -q '"blobs": 0' "$directory/out" || { echo "FAILED: an image that is there was sent again"; failures=$((failures + 1)); }
expect 0 "skopeo reads it" skopeo copy --src-tls-verify=false "docker://$open/peers/a:one" "oci:$directory/skopeo:one"
expect 0 "and it is the same" "$lightship" diff "oci:$directory/skopeo:one" "$open/peers/a:one"
expect 0 "what skopeo writes is read" skopeo copy --dest-tls-verify=false "oci:$image" "docker://$open/peers/b:two"
expect 0 "list" "$lightship" ls "$open/peers/b:two" /etc
expect 0 "within the registry" "$lightship" copy --all-tags "$open/peers/a" "$open/peers/c"
expect 2 "a tag that is not there" "$lightship" inspect "$open/peers/a:none"
expect 3 "a registry that is not there" "$lightship" inspect "127.0.0.1:1/a:b"

expect 3 "a registry that wants a password" "$lightship" copy "$open/peers/a:one" "$guarded/a:one"
expect 3 "a wrong password" login "$guarded" wrong
expect 0 "the right password" login "$guarded" correct
expect 0 "push with the password" "$lightship" copy "$open/peers/a:one" "$guarded/a:one"
expect 0 "skopeo uses the same file" skopeo inspect --authfile "$DOCKER_CONFIG/config.json" --tls-verify=false "docker://$guarded/a:one"
[ "$(stat -c %a "$DOCKER_CONFIG/config.json")" = 600 ] || { echo "FAILED: others may read the passwords"; failures=$((failures + 1)); }
first=$(digest "docker://$open/peers/a:one")
second=$(digest --creds user:correct "docker://$guarded/a:one")
[ "$first" = "$second" ] || { echo "FAILED: $first became $second"; failures=$((failures + 1)); }
expect 0 "log out" "$lightship" logout "$guarded"
expect 3 "and be asked again" "$lightship" inspect "$guarded/a:one"

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
