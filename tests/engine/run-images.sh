#!/bin/bash
# Builds the catalogue and runs it under a real container engine.
#
#   tests/engine/run-images.sh LIGHTSHIP [-r RELEASE]... [-d DIRECTORY] [-b] [-- BUILD-OPTION...]
#
# LIGHTSHIP is the program. -r limits the releases (default: debian13 debian12). -d keeps images and the engine's
# storage in DIRECTORY. -b uses the images that are there already. BUILD-OPTIONs go to `lightship build`, for
# example --mirror or --locked.
#
# What runs: podman with runc, C and C++ programs compiled by this machine, Python, Java and Node; arm64 images under
# qemu-aarch64-static. skopeo, podman and umoci read the layouts. Then the structure tests of every image and
# variant. Needs root, and Debian's packages podman, runc, skopeo, umoci, gcc, g++, qemu-user-static. No systemd.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage or a tool is missing.
set -u
shopt -s inherit_errexit

usage() {
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 1 ] || usage
lightship=$(realpath "$1")
shift
releases=() directory='' build=yes
while getopts r:d:b option; do
    case $option in
        r) releases+=("$OPTARG") ;;
        d) directory=$(realpath -m "$OPTARG") ;;
        b) build=no ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ ${#releases[@]} -gt 0 ] || releases=(debian13 debian12)
here=$(cd "$(dirname "$0")" && pwd)
for tool in podman runc skopeo umoci gcc g++; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
if [ -z "$directory" ]; then
    directory=$(mktemp -d)
    trap 'rm -rf "$directory"' EXIT
fi
layout=$directory/images
programs=$directory/programs
mkdir -p "$programs"
cp "$here"/programs/* "$programs"
failures=0 checks=0

# shellcheck source=tests/engine/engine.sh
. "$here/engine.sh"

# run OPTION... IMAGE ARGUMENT...: runs a container. The limits are podman's defaults, or less where a machine
# without systemd does not grant those.
run() {
    engine run --rm --network host --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 -v "$programs:/programs:ro" "$@"
}

# in_image TAG COMMAND...: runs a command in an image of the layout instead of its entrypoint.
in_image() {
    run --entrypoint "[\"$2\"]" "localhost/lightship:$1" "${@:3}"
}

pull() {
    skopeo copy -q --override-arch "${2:-amd64}" "oci:$layout:$1" \
        "containers-storage:[overlay@$directory/engine+$directory/engine-run]localhost/lightship:$1${2:+-$2}"
}

families() {
    case $1 in
        debian12) echo static base-nossl base cc python3 java-base java17 nodejs18 ;;
        debian13) echo static base-nossl base cc python3 java-base java21 java25 nodejs20 ;;
    esac
}

compile() {
    gcc -O2 -static -o "$programs/static" "$programs/static.c" &&
        gcc -O2 -o "$programs/dynamic" "$programs/dynamic.c" -pthread &&
        gcc -O2 -o "$programs/library" "$programs/library.c" -ldl &&
        g++ -O2 -fopenmp -o "$programs/plus" "$programs/plus.cc" -pthread
}

build_release() {
    local release=$1 names=()
    shift
    for family in $(families "$release"); do names+=("$family-$release"); done
    "$lightship" build "${names[@]}" --variant all --arch amd64,arm64 -o "oci:$layout" "$@"
}

check_tools() {
    local tag=$1 unpacked=$directory/unpacked
    check "$tag: skopeo inspects it" '"Architecture": "amd64"' skopeo inspect --override-arch amd64 "oci:$layout:$tag"
    check "$tag: skopeo copies it with all its platforms" '' skopeo copy -q --all "oci:$layout:$tag" "oci:$directory/copy:$tag"
    check "$tag: skopeo makes a docker-archive" '' \
        skopeo copy -q --override-arch amd64 "oci:$layout:$tag" "docker-archive:$directory/docker.tar:lightship:$tag"
    check "$tag: podman loads that" 'Loaded image' engine load -q -i "$directory/docker.tar"
    rm -rf "$directory/docker.tar" "$unpacked" "$directory/one"
    skopeo copy -q --override-arch amd64 "oci:$layout:$tag" "oci:$directory/one:$tag"
    check "$tag: umoci unpacks it" '' umoci unpack --image "$directory/one:$tag" "$unpacked"
    check "$tag: umoci sees the files" 'nonroot:x:65532' cat "$unpacked/rootfs/etc/passwd"
    rm -rf "$unpacked" "$directory/one" "$directory/copy"
}

check_native() {
    local release=$1 family tag
    check "static-$release: static C" '^static 0:0 / 1777$' in_image "static-$release-latest" /programs/static
    check "static-$release nonroot: static C" '^static 65532:65532 /home/nonroot 1777$' in_image "static-$release-nonroot" /programs/static
    for family in base-nossl base cc; do
        tag=$family-$release-latest
        check "$tag: dynamic C" '^dynamic thread nonroot 443 6 01 CET$' in_image "$tag" /programs/dynamic
    done
    # OpenSSL compresses from Debian 13 on only.
    local libraries=(libssl.so.3 libcrypto.so.3)
    [ "$release" = debian12 ] || libraries+=(libz.so.1 libzstd.so.1)
    check "base-$release: OpenSSL" "^${#libraries[@]} libraries$" in_image "base-$release-latest" /programs/library "${libraries[@]}"
    check "cc-$release: C++" '^plus 5050 caught 1$' in_image "cc-$release-latest" /programs/plus
    check "cc-$release nonroot: C++" '^plus 5050 caught 1$' in_image "cc-$release-nonroot" /programs/plus
    check "static-$release debug: a shell" '^42$' in_image "static-$release-debug" /busybox/sh -c 'echo $((40 + 2))'
    check "static-$release debug: its entrypoint" '^hello$' run "localhost/lightship:static-$release-debug" -c 'echo hello'
    for tag in "python3-$release-latest" "python3-$release-nonroot"; do
        check "$tag: Python" '^python True 42 7 nonroot no shell utf-8$' in_image "$tag" /usr/bin/python3 /programs/check.py
        check "$tag: its entrypoint" '^2$' run "localhost/lightship:$tag" -c 'print(1 + 1)'
    done
    for family in $(families "$release"); do
        case $family in
            java[0-9]*) check_java "$family-$release" ;;
            nodejs*)
                check "$family-$release: Node" '^node zipped true e3b0 0?1$' in_image "$family-$release-latest" /nodejs/bin/node /programs/check.js
                check "$family-$release: its entrypoint" '^3$' run "localhost/lightship:$family-$release-nonroot" -e 'console.log(1 + 2)'
                ;;
        esac
    done
}

check_java() {
    local name=$1 classes
    classes=$(mktemp -d "$programs/$name.XXXX")
    check "$name debug: compiles" '' run -v "$classes:/classes" \
        --entrypoint '["/usr/bin/java"]' "localhost/lightship:$name-debug" -m jdk.compiler/com.sun.tools.javac.Main --release 17 -d /classes /programs/Hello.java
    printf 'Main-Class: Hello\n' >"$classes/manifest"
    check "$name debug: makes an archive" '' run -v "$classes:/classes" --entrypoint '["/usr/bin/java"]' \
        "localhost/lightship:$name-debug" -m jdk.jartool/sun.tools.jar.Main cfm /classes/hello.jar /classes/manifest -C /classes Hello.class
    chmod -R a+rX "$classes"
    for variant in latest nonroot; do
        check "$name $variant: Java with its entrypoint" '^java true Europe/Berlin UTF-8 DejaVu Sans$' \
            run -v "$classes:/classes:ro" "localhost/lightship:$name-$variant" /classes/hello.jar
    done
}

# arm64: the emulator is the entrypoint, so nothing has to be registered with the kernel.
check_emulated() {
    local release=$1 qemu=/usr/bin/qemu-aarch64-static tag family
    if [ ! -x $qemu ]; then
        echo "skip  arm64 of $release: $qemu is not installed"
        return
    fi
    emulated() {
        tag=$1
        shift
        pull "$tag" arm64 || return
        run -v "$qemu:/qemu:ro" --entrypoint '["/qemu"]' "localhost/lightship:$tag-arm64" "$@"
    }
    check "python3-$release arm64: Python" '^python True 42 7 nonroot no shell utf-8$' emulated "python3-$release-latest" /usr/bin/python3 /programs/check.py
    check "static-$release arm64: busybox" '^aarch64$' emulated "static-$release-debug" /busybox/busybox uname -m
    for family in $(families "$release"); do
        case $family in
            java[0-9]*) check "$family-$release arm64: Java" 'OpenJDK' emulated "$family-$release-latest" /usr/bin/java -version ;;
            nodejs*) check "$family-$release arm64: Node" '^v[0-9]' emulated "$family-$release-latest" /nodejs/bin/node --version ;;
        esac
    done
}

check_structure() {
    local release=$1 family variant
    for family in $(families "$release"); do
        for variant in latest nonroot debug debug-nonroot; do
            check "$family-$release $variant: structure tests" '^[0-9]+ passed in ' \
                "$here/../structure/run.sh" "$lightship" "oci:$layout:$family-$release-$variant" "$family-$release" "$variant"
        done
    done
}

compile || exit 2
for release in "${releases[@]}"; do
    if [ $build = yes ]; then
        build_release "$release" "$@" || exit 1
    fi
    for family in $(families "$release"); do
        for variant in latest nonroot debug debug-nonroot; do
            check "$family-$release-$variant: the engine takes it" '' pull "$family-$release-$variant"
        done
    done
    check_tools "cc-$release-latest"
    check_tools "java-base-$release-debug"
    check_native "$release"
    check_emulated "$release"
    check_structure "$release"
done
echo
echo "$((checks - failures)) of $checks as expected"
[ $failures -eq 0 ]
