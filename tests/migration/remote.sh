#!/bin/bash
# A remote and a virtual repository in front of Debian's docker-registry, read by skopeo, podman and curl.
#
#   tests/migration/remote.sh LIGHTSHIP
#
# LIGHTSHIP is the program. The old registry wants a password, and has a name that leads nowhere: it is reached by an address of
# the configuration. Needs Debian's packages docker-registry, skopeo, podman, apache2-utils and curl; without podman's rights
# to unpack images its pulls are left out.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage or a tool is missing.
set -u
shopt -s inherit_errexit

[ $# -eq 1 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
lightship=$(realpath "$1")
for tool in docker-registry skopeo podman htpasswd curl python3; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
directory=$(mktemp -d)
old='' new=''
finish() {
    for server in $old $new; do kill "$server" 2>/dev/null; done
    rm -rf "$directory"
}
trap finish EXIT
# docker-registry takes every REGISTRY_ variable for one of its settings.
unset REGISTRY_AUTH_FILE
export HOME=$directory/home DOCKER_CONFIG=$directory/docker XDG_RUNTIME_DIR=$directory/run
mkdir -p "$HOME" "$DOCKER_CONFIG" "$XDG_RUNTIME_DIR"
failures=0 checks=0

# expect STATUS TITLE COMMAND...
expect() {
    local wanted=$1 title=$2 status=0
    shift 2
    "$@" >"$directory/out" 2>&1 || status=$?
    checks=$((checks + 1))
    [ "$wanted" = any ] && [ "$status" -ne 0 ] && wanted=$status
    if [ "$status" != "$wanted" ]; then
        fail "$title (status $status, not $wanted)"
    fi
}

fail() {
    failures=$((failures + 1))
    echo "FAILED: $1"
    sed 's/^/    /' "$directory/out" 2>/dev/null
}

# says TEXT TITLE: whether the last command did.
says() {
    checks=$((checks + 1))
    grep -q -e "$1" "$directory/out" || fail "$2"
}

# same A B TITLE
same() {
    checks=$((checks + 1))
    [ -n "$1" ] && [ "$1" = "$2" ] || fail "$3: '$1' and '$2'"
}

reachable() {
    for _ in $(seq 100); do
        curl -s -o /dev/null "http://$1/v2/" && return
        sleep 0.1
    done
    echo "nothing answers at $1" >&2
    cat "$directory"/*.log >&2
    exit 2
}

port=$((20000 + $$ % 20000))
there=127.0.0.1:$port here=127.0.0.1:$((port + 1))
htpasswd -Bbn user correct >"$directory/htpasswd"
cat >"$directory/old.yml" <<END
version: 0.1
log: {level: error, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $directory/old}, delete: {enabled: true}}
http: {addr: "$there"}
auth: {htpasswd: {realm: old, path: $directory/htpasswd}}
END
start_old() {
    docker-registry serve "$directory/old.yml" >>"$directory/old.log" 2>&1 &
    old=$!
    reachable "$there"
}
stop_old() {
    kill "$old"
    wait "$old" 2>/dev/null
    old=''
}
start_old

# How often lightship asked the old registry for something, as "METHOD PATH".
asked() { grep -e "\"$1 HTTP/1.1\"" "$directory/old.log" | grep -c '"lightship/'; }

python3 - "$directory/image" <<'END'
"""An index of two images in an OCI layout, with a layer of 20 MB that both have, and other layers of their own."""
import hashlib, io, json, os, sys, tarfile
place = sys.argv[1]
os.makedirs(f"{place}/blobs/sha256")

def put(content, kind, **more):
    name = hashlib.sha256(content).hexdigest()
    with open(f"{place}/blobs/sha256/{name}", "wb") as file:
        file.write(content)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{name}", "size": len(content), **more}

def layer(name, content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()

shared, images = layer("shared", os.urandom(20_000_000)), []
for architecture in ("amd64", "arm64"):
    layers = [shared, layer(architecture, architecture.encode())]
    ids = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]
    config = {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}, "config": {}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "config.v1+json"),
        "layers": [put(each, "layer.v1.tar") for each in layers],
    }
    platform = {"architecture": architecture, "os": "linux"}
    images.append(put(json.dumps(manifest).encode(), "manifest.v1+json", platform=platform))
index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": images}
named = put(json.dumps(index).encode(), "index.v1+json", annotations={"org.opencontainers.image.ref.name": "v1"})
with open(f"{place}/index.json", "w") as file:
    json.dump({"schemaVersion": 2, "manifests": [named]}, file)
with open(f"{place}/oci-layout", "w") as file:
    file.write('{"imageLayoutVersion":"1.0.0"}')
END

push_old() { skopeo copy -q --all --dest-tls-verify=false --dest-creds user:correct "oci:$directory/image:v1" "docker://$there/$1"; }
expect 0 "the old registry has an image" push_old team/app:v1
digest_old() { skopeo inspect --raw --tls-verify=false --creds user:correct "docker://$there/$1" | sha256sum | cut -d' ' -f1; }
digest_new() { skopeo inspect --raw --tls-verify=false "docker://$here/$1" | sha256sum | cut -d' ' -f1; }

printf '{"auths":{"old.example:5000":{"auth":"%s"}}}' "$(printf user:correct | base64)" >"$directory/upstream.json"
cat >"$directory/server.toml" <<END
[server]
listen = "$here"
data = "data"
[upstream]
docker_config = "upstream.json"
plain_http = ["old.example:5000"]
addresses = { "old.example:5000" = "$there" }
[[routes.hosts]]
host = "localhost"
style = "whole"
repository = "projects/default/locations/local/repositories/ours"
[[routes.hosts]]
host = "all.example"
style = "whole"
repository = "projects/default/locations/local/repositories/all"
END
expect 0 "the configuration is right" "$lightship" serve --check --config "$directory/server.toml"
"$lightship" serve --config "$directory/server.toml" >"$directory/new.log" 2>&1 &
new=$!
reachable "$here"
repo() { "$lightship" repo "$@" --registry "$here"; }

expect 0 "a remote repository is made" repo create default/local/images --mode remote --upstream old.example:5000/team --fresh 0s
says "filled from *https://old.example:5000/team" "it tells where it is filled from"
same "$(digest_new app:v1)" "$(digest_old team/app:v1)" "the index is the same bytes"
expect 0 "skopeo copies all of it" skopeo copy -q --all --src-tls-verify=false "docker://$here/app:v1" "dir:$directory/through"
expect 0 "as from the old registry" skopeo copy -q --all --src-tls-verify=false --src-creds user:correct "docker://$there/team/app:v1" "dir:$directory/direct"
expect 0 "and it is the same" diff -r "$directory/direct" "$directory/through"

# Many clients and a range, of what is not here yet.
push_old team/cold:v1 >/dev/null
layer=$(skopeo inspect --tls-verify=false --override-arch amd64 "docker://$here/cold:v1" --format '{{index .Layers 0}}')
clients=()
for client in $(seq 20); do
    curl -sf "http://$here/v2/cold/blobs/$layer" | sha256sum | cut -d' ' -f1 >"$directory/sum.$client" &
    clients+=($!)
done
part=$(curl -sf -H 'range: bytes=19999000-19999999' "http://$here/v2/cold/blobs/$layer" | wc -c)
wait "${clients[@]}"
same "$part" 1000 "a range is a range"
same "$(sort -u "$directory"/sum.* | tr '\n' ' ')" "${layer#sha256:} " "every client has the same bytes, and the right ones"
same "$(asked "GET /v2/team/cold/blobs/$layer")" 0 "another name of the same registry had it already"
same "$(asked "GET /v2/team/app/blobs/$layer")" 1 "it was fetched once"

echo '{}' >"$directory/nobody.json"
pull() { podman --root "$directory/podman" --runroot "$directory/podman-run" --storage-driver vfs pull -q --authfile "$directory/nobody.json" --tls-verify=false "$1"; }
if pull "$here/app:v1" >"$directory/out" 2>&1; then
    checks=$((checks + 1))
else
    echo "podman cannot unpack images here; left out"
    sed 's/^/    /' "$directory/out"
fi

expect any "a push is refused" skopeo copy -q --dest-tls-verify=false "docker://$here/app:v1" "docker://$here/app:v2"
expect 0 "and says why" curl -s -X POST "http://$here/v2/app/blobs/uploads/"
says "takes no pushes: it is filled from old.example:5000/team" "it says why"

# The old registry is down.
stop_old
expect 0 "what is here is served" skopeo copy -q --all --src-tls-verify=false "docker://$here/app:v1" "dir:$directory/stale"
curl -s -o /dev/null -D "$directory/out" "http://$here/v2/app/manifests/v1"
says "^warning: .*cannot be reached" "with a warning"
same "$(curl -s -o /dev/null -w '%{http_code}' "http://$here/v2/app/manifests/none")" 502 "what is not here cannot be told of"
start_old
sleep 1.1
python3 - "$directory/image" <<'END'
import hashlib, json, sys
place = sys.argv[1]
index = json.load(open(f"{place}/index.json"))
named = index["manifests"][0]
content = open(f"{place}/blobs/sha256/{named['digest'][7:]}", "rb").read().replace(b'"schemaVersion": 2', b'"schemaVersion": 2, "annotations": {"a": "b"}', 1)
named["digest"], named["size"] = f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)
open(f"{place}/blobs/sha256/{named['digest'][7:]}", "wb").write(content)
json.dump(index, open(f"{place}/index.json", "w"))
END
expect 0 "a tag moves at the old registry" push_old team/app:v1
same "$(digest_new app:v1)" "$(digest_old team/app:v1)" "and here"
same "$(curl -s "http://$here/v2/app/tags/list")" '{"name":"app","tags":["v1"]}' "tags are the old registry's"

# A virtual repository, with one of our own before the other.
expect 0 "a standard repository is made" repo create default/local/ours
expect 0 "a virtual repository is made" repo create default/local/all --mode virtual --member ours=20 --member images=10 --owns 'ours=team/*'
says "stands for *ours=20, images=10" "it tells what it stands for"
expect any "one that would stand for itself is refused" repo update default/local/all --member all=1
through() { curl -s -o /dev/null -w '%{http_code}' -H 'host: all.example' "http://$here/v2/$1"; }
same "$(through app/manifests/v1)" 200 "what the remote one has is there"
ours=localhost:${here##*:}
expect 0 "another image of that name comes to ours" skopeo copy -q --dest-tls-verify=false "dir:$directory/direct" "docker://$ours/app:mine"
same "$(through app/manifests/mine)" 200 "what ours has is there"
same "$(through app/manifests/v1)" 404 "and nothing of that name from below, by tag"
same "$(through "app/manifests/sha256:$(digest_new app:v1)")" 404 "or by digest"
same "$(through team/app/manifests/v1)" 404 "what ours owns is looked for nowhere else"
expect 0 "the server tells of an old registry that was down" grep -q "old.example" "$directory/new.log"

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
