#!/bin/bash
# Lets real clients pull by an old name what is on a new registry, with the files of `lightship migrate client-config`.
#
#   tests/migration/client-config.sh LIGHTSHIP
#
# LIGHTSHIP is the program. podman, skopeo and containerd (with ctr) are Debian's; what is missing is told and skipped.
# Every client runs in a mount namespace whose /etc is a copy, with the files in it and the names in its hosts: nothing
# on the machine is changed. Needs root, util-linux and OpenSSL. No network but loopback.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage or nothing to try with.
set -u
shopt -s inherit_errexit

[ $# -eq 1 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
lightship=$(realpath "$1")
directory=$(mktemp -d) processes=() failed=0
finish() {
    local process
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null
        wait "$process" 2>/dev/null
    done
    umount "$directory"/podman/overlay 2>/dev/null
    rm -rf "$directory"
}
trap finish EXIT
mkdir -p "$directory"/{home/.docker,run,layout/blobs/sha256}
echo '{}' >"$directory/home/.docker/config.json"
export HOME=$directory/home XDG_RUNTIME_DIR=$directory/run DOCKER_CONFIG=$directory/home/.docker NO_COLOR=1
unset REGISTRY_AUTH_FILE http_proxy https_proxy HTTPS_PROXY HTTP_PROXY

report() {
    local verdict=$1 what=$2
    printf '%-6s %s\n' "$verdict" "$what"
    [ "$verdict" != FAILED ] || failed=1
}

# check WHAT PATTERN COMMAND...: the command succeeds, and its output has the pattern.
check() {
    local what=$1 pattern=$2 output
    shift 2
    if output=$("$@" 2>&1) && grep -qE -- "$pattern" <<<"$output"; then
        report ok "$what"
    else
        report FAILED "$what"
        sed 's/^/       /' <<<"$output"
    fi
}

# refuse WHAT PATTERN COMMAND...: the command fails, and its output has the pattern.
refuse() {
    local what=$1 pattern=$2 output
    shift 2
    if ! output=$("$@" 2>&1) && grep -qE -- "$pattern" <<<"$output"; then
        report ok "$what"
    else
        report FAILED "$what"
        sed 's/^/       /' <<<"$output"
    fi
}

has() { command -v "$1" >/dev/null || { report skip "$1 is not installed"; return 1; }; }

blob() {
    local digest
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    cp "$1" "$directory/layout/blobs/sha256/$digest"
    printf '"digest":"sha256:%s","size":%s' "$digest" "$(stat -c %s "$1")"
}

make_image() {
    local at=$directory media=application/vnd.oci.image layer config manifest
    echo "hello from the new side" >"$at/hello"
    tar -C "$at" --sort=name --owner=0 --group=0 --mtime=@0 -cf "$at/layer.tar" hello
    layer=$(blob "$at/layer.tar")
    printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$(sha256sum "$at/layer.tar" | cut -d' ' -f1)" >"$at/config"
    config=$(blob "$at/config")
    printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json",%s},"layers":[{"mediaType":"%s.layer.v1.tar",%s}]}' \
        $media $media "$config" $media "$layer" >"$at/manifest"
    manifest=$(blob "$at/manifest")
    digest=sha256:$(sha256sum "$at/manifest" | cut -d' ' -f1)
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json",%s,"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}' \
        $media "$manifest" >"$at/layout/index.json"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$at/layout/oci-layout"
}

make_certificates() {
    local at=$directory
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$at/ca.key" -out "$at/ca.crt" -days 2 -subj /CN=authority \
        -addext basicConstraints=critical,CA:TRUE 2>/dev/null &&
        openssl req -newkey rsa:2048 -nodes -keyout "$at/server.key" -out "$at/server.csr" -subj /CN=new.test 2>/dev/null &&
        openssl x509 -req -in "$at/server.csr" -CA "$at/ca.crt" -CAkey "$at/ca.key" -CAcreateserial -days 2 \
            -extfile <(echo "subjectAltName=DNS:new.test,DNS:old.test,DNS:localhost") -out "$at/server.crt" 2>/dev/null
}

serve() {
    printf '[tls]\ncertificate = "%s"\nkey = "%s"\n' "$directory/server.crt" "$directory/server.key" >"$directory/server.toml"
    "$lightship" serve --config "$directory/server.toml" --data "$directory/data" --listen 127.0.0.1:0 \
        2>"$directory/serve.log" >/dev/null &
    processes+=($!)
    until grep -q 'lightship serves' "$directory/serve.log"; do
        kill -0 $! 2>/dev/null || { cat "$directory/serve.log" >&2; exit 2; }
        sleep 0.1
    done
    port=$(grep -o 'lightship serves https://[^ ]*' "$directory/serve.log" | grep -o '[0-9]*$')
}

# machine NAME: a machine with the files of NAME in its /etc, and the three names in its hosts.
machine() {
    local at=$directory/machines/$1
    mkdir -p "$at"
    cp -a /etc "$at/etc"
    rm -rf "$at/etc/containers/certs.d" "$at/etc/docker/certs.d" "$at/etc/containerd/certs.d"
    [ ! -d "$directory/$1/etc" ] || cp -r "$directory/$1/etc/." "$at/etc/"
    rm -f "$at/etc/hosts"
    printf '127.0.0.1 localhost\n127.0.0.1 new.test\n127.0.0.1 old.test\n' >"$at/etc/hosts"
}

# on NAME COMMAND...: runs it on that machine.
on() {
    local at=$directory/machines/$1
    shift
    unshare --mount bash -c 'mount --make-rprivate / && mount --bind "$1" /etc && shift && exec "$@"' on "$at/etc" "$@"
}

podman_pulls() {
    on "$1" podman --root "$directory/podman" --runroot "$directory/podman-run" --storage-driver vfs --cgroup-manager cgroupfs \
        --events-backend none pull -q "$2" &&
        on "$1" podman --root "$directory/podman" --runroot "$directory/podman-run" --storage-driver vfs \
            --events-backend none image inspect --format '{{.Digest}}' "$2"
}

start_containerd() {
    local at=$directory/containerd
    mkdir -p "$at"
    printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >"$at/config.toml"
    containerd --config "$at/config.toml" --root "$at/root" --state "$at/state" --address "$at/socket" >"$at/log" 2>&1 &
    processes+=($!)
    until [ -S "$at/socket" ]; do
        kill -0 $! 2>/dev/null || { report skip "containerd does not run here"; return 1; }
        sleep 0.1
    done
}

containerd_fetches() {
    on "$1" ctr --address "$directory/containerd/socket" content fetch --hosts-dir /etc/containerd/certs.d "$2" &&
        ctr --address "$directory/containerd/socket" images list
}

config() {
    local name=$1
    shift
    "$lightship" migrate client-config "$@" --ca "$directory/ca.crt" --write "$directory/$name" >/dev/null && machine "$name"
}

make_certificates || { echo "openssl makes no certificates" >&2; exit 2; }
make_image
serve
export SSL_CERT_FILE=$directory/ca.crt
"$lightship" copy "oci:$directory/layout:v1" "localhost:$port/moved/shop/app:v1" --tls "localhost:$port" >/dev/null &&
    "$lightship" copy "oci:$directory/layout:v1" "localhost:$port/shop/app:v1" --tls "localhost:$port" >/dev/null || exit 2
unset SSL_CERT_FILE

# Nobody listens at the old name: what comes comes from here.
old=old.test:1
config renamed --old $old --new "new.test:$port/moved" || exit 2
# The name itself leads here.
config resolved --old "old.test:$port" --new "old.test:$port" || exit 2
machine untouched

for client in skopeo podman containerd; do
    has $client || continue
    case $client in
        skopeo)
            # It lists tags without looking into registries.conf.
            check "skopeo reads $old by registries.conf" "$digest" \
                on renamed skopeo inspect --no-tags "docker://$old/shop/app:v1"
            check "skopeo reads the same name, which leads here" "$digest" on resolved skopeo inspect "docker://old.test:$port/shop/app:v1"
            refuse "without the authority it does not" 'certificate|x509' on untouched skopeo inspect "docker://old.test:$port/shop/app:v1"
            refuse "without registries.conf it asks the old side" 'refused' on untouched skopeo inspect "docker://$old/shop/app:v1" ;;
        podman)
            check "podman pulls $old by registries.conf" "$digest" podman_pulls renamed "$old/shop/app:v1"
            check "podman pulls the same name, which leads here" "$digest" podman_pulls resolved "old.test:$port/shop/app:v1" ;;
        containerd)
            start_containerd || continue
            check "containerd fetches $old by hosts.toml" "$old/shop/app:v1.*$digest" containerd_fetches renamed "$old/shop/app:v1"
            check "containerd fetches the same name, which leads here" "old.test:$port/shop/app:v1.*$digest" \
                containerd_fetches resolved "old.test:$port/shop/app:v1"
            refuse "without hosts.toml it asks the old side" 'refused' containerd_fetches untouched "$old/shop/app:v1" ;;
    esac
done

check "the check says who answers by the name" 'Lightship answers' \
    on resolved "$lightship" migrate client-config --old "old.test:$port" --check shop/app:v1
check "and what the image is there, with which certificate" "old.test.*|$digest" \
    on resolved "$lightship" migrate client-config --old "old.test:$port" --check shop/app:v1
refuse "by a name where nobody answers it says so, and which files lead elsewhere" 'containerd: by .*hosts.toml to new.test' \
    on renamed "$lightship" migrate client-config --old $old --check shop/app:v1
if has docker-registry; then
    cat >"$directory/other.yml" <<EOF
version: 0.1
storage: {filesystem: {rootdirectory: $directory/other}}
http: {addr: "127.0.0.1:0", tls: {certificate: $directory/server.crt, key: $directory/server.key}}
EOF
    docker-registry serve "$directory/other.yml" >"$directory/other.log" 2>&1 &
    processes+=($!)
    until grep -q 'listening on' "$directory/other.log"; do
        kill -0 $! 2>/dev/null || { cat "$directory/other.log" >&2; exit 2; }
        sleep 0.1
    done
    other=$(grep -o 'listening on [^ ",]*' "$directory/other.log" | grep -o '[0-9]*$')
    refuse "another registry is told as such" 'another registry answers' \
        on resolved "$lightship" migrate client-config --old "old.test:$other" --check --ca-file "$directory/ca.crt"
fi
exit $failed
