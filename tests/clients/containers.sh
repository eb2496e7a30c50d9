# podman, buildah, skopeo and docker's command line. Sourced by run.sh.

storage="[overlay@$directory/engine+$directory/engine-run]"

engine() {
    timeout 120 podman --root "$directory/engine" --runroot "$directory/engine-run" --runtime runc --cgroup-manager cgroupfs "$@"
}

# A second machine, which has nothing yet.
puller() {
    timeout 120 podman --root "$directory/puller" --runroot "$directory/puller-run" --runtime runc --cgroup-manager cgroupfs "$@"
}

builder() {
    BUILDAH_ISOLATION=chroot timeout 120 buildah --log-level error --root "$directory/engine" \
        --runroot "$directory/engine-run" "$@"
}

# run OPTION... IMAGE: the limits are podman's defaults, or less where a machine without systemd does not grant those.
run() {
    puller run --rm --network host --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 "$@"
}

raw() {
    skopeo inspect --raw --tls-verify=false "docker://$registry/$1"
}

try_podman() {
    local plain=--tls-verify=false name=$registry/podman/app
    check "podman pushes" '' engine push -q $plain --digestfile "$directory/digest" localhost/app:v1 "docker://$name:v1"
    same "podman knows the digest" "$(cat "$directory/digest")" "$(raw podman/app:v1 | digest_of)"
    check "podman pushes again" '' engine push -q $plain localhost/app:v1 "docker://$name:again"
    check "podman pushes Docker's manifests" '' engine push -q $plain --format v2s2 localhost/app:v1 "docker://$name:docker"
    check "those keep their type" 'distribution\.manifest\.v2\+json' raw podman/app:docker
    check "podman pushes zstd" '' engine push -q $plain --compression-format zstd localhost/app:v1 "docker://$name:zstd"
    check "podman pushes all platforms" '' engine manifest push -q $plain --all localhost/app:all "docker://$name:all"
    for tag in v1 docker zstd all; do
        check "podman pulls $tag" '^[0-9a-f]{64}$' puller pull -q $plain "$name:$tag"
        check "podman runs $tag" '^hello from the image$' run "$name:$tag"
        puller rmi --all -f >/dev/null
    done
    check "podman pulls by digest" '^[0-9a-f]{64}$' puller pull -q $plain "$name@$(cat "$directory/digest")"
    check "podman pulls another platform" '^[0-9a-f]{64}$' puller pull -q $plain --platform linux/arm64 "$name:all"
    check "it is that platform's" '^arm64$' puller image inspect -f '{{.Architecture}}' "$name:all"
    puller rmi --all -f >/dev/null
    # This command looks for --tls-verify in vain.
    printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$registry" >"$directory/registries.conf"
    check "podman pulls all tags" '^[0-9a-f]{64}$' puller --registries-conf "$directory/registries.conf" pull -q \
        --all-tags "$name"
    check "podman lists tags" 'app +zstd' puller search $plain --list-tags "$name"
    refuse "podman hears of an unknown image" 'manifest unknown' puller pull -q $plain "$registry/podman/none:v1"
    refuse "podman hears of an unknown tag" 'manifest unknown' puller pull -q $plain "$name:none"
}

try_buildah() {
    local plain=--tls-verify=false name=$registry/buildah/app container
    check "buildah pushes" '' builder push -q $plain --digestfile "$directory/digest" localhost/app:v1 "docker://$name:v1"
    same "buildah knows the digest" "$(cat "$directory/digest")" "$(raw buildah/app:v1 | digest_of)"
    check "buildah pushes all platforms" '' builder manifest push -q $plain --all localhost/app:all "docker://$name:all"
    check "buildah pulls" '^[0-9a-f]{64}$' builder pull -q $plain "$name:v1"
    printf 'FROM %s:v1\nCOPY hello.c /\n' "$name" >"$directory/context/Containerfile.onto"
    check "buildah builds upon it" '^[0-9a-f]{64}$' builder build -q $plain --pull-always -t "$name:onto" \
        -f "$directory/context/Containerfile.onto" "$directory/context"
    check "buildah pushes what it built" '' builder push -q $plain "$name:onto"
    check "buildah keeps its cache there" '' builder build $plain --layers --cache-to "$registry/buildah/cache" \
        --cache-from "$registry/buildah/cache" -t localhost/cached -f "$directory/context/Containerfile.onto" "$directory/context"
    check "the cache is there" '[0-9a-f]{64}' skopeo list-tags --tls-verify=false "docker://$registry/buildah/cache"
    container=$(builder from -q $plain "$name:onto")
    check "buildah commits to the registry" '' builder commit -q $plain "$container" "docker://$name:committed"
    builder rm "$container" >/dev/null
    check "podman runs what buildah committed" '^hello from the image$' run -q $plain "$name:committed"
}

try_skopeo() {
    local plain=--tls-verify=false name=docker://$registry/skopeo/app digest
    check "skopeo pushes all platforms" '' skopeo copy -q --all --dest-tls-verify=false "oci:$directory/layout:all" "$name:all"
    same "the index is as it was" "$(raw skopeo/app:all | digest_of)" \
        "$(skopeo inspect --raw "oci:$directory/layout:all" | digest_of)"
    check "skopeo pushes" '' skopeo copy -q --dest-tls-verify=false "oci:$directory/layout:v1" "$name:v1"
    check "skopeo pushes with known digests" '' skopeo copy -q --dest-tls-verify=false --dest-precompute-digests \
        "oci:$directory/layout:v1" "$name:known"
    check "skopeo compresses with zstd" '' skopeo copy -q --dest-tls-verify=false --dest-compress-format zstd \
        "containers-storage:$storage""localhost/app:v1" "$name:zstd"
    check "skopeo converts to Docker's type" '' skopeo copy -q --dest-tls-verify=false --format v2s2 \
        "oci:$directory/layout:v1" "$name:docker"
    check "skopeo pushes a list of Docker's type" '' skopeo copy -q --all --dest-tls-verify=false --format v2s2 \
        "oci:$directory/layout:all" "$name:list"
    check "it is one" 'manifest\.list\.v2\+json' raw skopeo/app:list
    refuse "schema 1 is refused, and told why" '[Ss]chema 1|schema1|MANIFEST_INVALID|UNSUPPORTED|media type|415' \
        skopeo copy -q --dest-tls-verify=false --format v2s1 "oci:$directory/layout:v1" "$name:old"
    check "skopeo inspects" '"Architecture": "amd64"' skopeo inspect $plain "$name:v1"
    check "skopeo inspects a configuration" '"Entrypoint"' skopeo inspect $plain --config "$name:v1"
    check "skopeo lists tags" '"zstd"' skopeo list-tags $plain "$name"
    check "skopeo copies to another name" '' skopeo copy -q --all --preserve-digests --src-tls-verify=false \
        --dest-tls-verify=false \
        "$name:all" "docker://$registry/skopeo/copied/app:all"
    same "the copy is the same" "$(raw skopeo/app:all | digest_of)" "$(raw skopeo/copied/app:all | digest_of)"
    check "skopeo pulls all platforms" '' skopeo copy -q --all --src-tls-verify=false "$name:all" "oci:$directory/pulled:all"
    rm -rf "$directory/synced"
    check "skopeo syncs to a directory" '' skopeo sync --src docker --dest dir --src-tls-verify=false --all \
        "$registry/skopeo/app:all" "$directory/synced"
    check "skopeo syncs every tag" '' skopeo sync --src docker --dest docker --src-tls-verify=false \
        --dest-tls-verify=false --all \
        "$registry/skopeo/app" "$registry/skopeo/mirror"
    check "the mirror has them" '"zstd"' skopeo list-tags $plain "docker://$registry/skopeo/mirror/app"
    check "skopeo deletes" '' skopeo delete $plain "$name:docker"
    refuse "it is gone" 'manifest unknown' skopeo inspect $plain "$name:docker"
    check "the others are still there" '"Architecture": "amd64"' skopeo inspect $plain "$name:v1"
}

# Without an engine, docker's command line reads and writes manifests.
try_docker() {
    local name=$registry/docker/app
    skopeo copy -q --dest-tls-verify=false --format v2s2 "oci:$directory/layout:v1" "docker://$name:v1"
    check "docker inspects a manifest" '"architecture": "amd64"' docker manifest inspect --insecure -v "$name:v1"
    check "docker makes a list" 'Created manifest list' docker manifest create --insecure "$name:list" "$name:v1"
    check "docker pushes the list" 'sha256:[0-9a-f]{64}' docker manifest push --insecure "$name:list"
    check "docker inspects the list" 'manifest\.list\.v2\+json' docker manifest inspect --insecure "$name:list"
    refuse "docker hears of an unknown tag" 'no such manifest|manifest unknown' docker manifest inspect --insecure "$name:none"
}

# Each client gets what each other pushed, whole and unchanged: its own digest of the image, and the data within.
try_mixed() {
    local from to sum tools=(podman buildah skopeo)
    sum=$(sha256sum <"$directory/context/data")
    for to in crane oras regctl; do command -v $to >/dev/null && tools+=("$to"); done
    for from in "${tools[@]}"; do
        check "$from pushes" '' put_with "$from" "mixed/$from"
        for to in "${tools[@]}"; do
            rm -rf "$directory/got"
            check "$to gets what $from pushed" "${sum%% *}" get_with "$to" "mixed/$from"
        done
    done
}

put_with() {
    local name=$registry/$2:v1
    case $1 in
        podman) engine push -q --tls-verify=false localhost/app:v1 "docker://$name" ;;
        buildah) builder push -q --tls-verify=false localhost/app:v1 "docker://$name" ;;
        skopeo) skopeo copy -q --dest-tls-verify=false "oci:$directory/layout:v1" "docker://$name" ;;
        crane)
            rm -rf "$directory/one"
            skopeo copy -q "oci:$directory/layout:v1" "oci:$directory/one:v1"
            crane push "$directory/one" "$name"
            ;;
        oras) oras cp --no-tty --from-oci-layout "$directory/layout:v1" --to-plain-http "$name" ;;
        regctl) regctl image copy "ocidir://$directory/layout:v1" "$name" ;;
    esac
}

get_with() {
    local name=$registry/$2:v1
    case $1 in
        podman)
            puller pull -q --tls-verify=false "$name" && puller save -q --format oci-dir -o "$directory/got" "$name"
            puller rmi --all -f
            ;;
        buildah)
            builder pull -q --tls-verify=false "$name" && builder push -q "$name" "oci:$directory/got:v1"
            builder rmi -f "$name"
            ;;
        skopeo) skopeo copy -q --src-tls-verify=false "docker://$name" "oci:$directory/got:v1" ;;
        crane) crane pull --format oci "$name" "$directory/got" ;;
        oras) oras cp --no-tty --from-plain-http "$name" --to-oci-layout "$directory/got:v1" ;;
        regctl) regctl image copy "$name" "ocidir://$directory/got:v1" ;;
    esac >/dev/null 2>&1
    data_within "$directory/got"
}

# The sum of /data in the only image of a layout.
data_within() {
    local blob
    for blob in "$1"/blobs/sha256/*; do
        [ "$(sha256sum <"$blob" | cut -c -64)" = "$(basename "$blob")" ] || { echo "$blob is damaged"; return 1; }
        tar -xOf "$blob" data 2>/dev/null | sha256sum
    done
}
