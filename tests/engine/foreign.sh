#!/bin/bash
# Builds images of Debian 13 for foreign architectures from a test archive and starts them under qemu-user.
#
#   tests/engine/foreign.sh LIGHTSHIP [-a ARCH]... [-d DIRECTORY] [-b]
#
# LIGHTSHIP is the program. -a limits the architectures (default: arm64 arm s390x ppc64le riscv64). -d keeps packages,
# images and storage in DIRECTORY. -b uses the packages that are there already.
#
# This is for architectures whose signed indexes the mirror does not serve: `lightship` refuses those, and rightly. The
# packages here are TEST MATERIAL ONLY. They come over plain HTTP from the mirror that this machine's APT sources name,
# and nothing vouches for them: their SHA-256 is compared with an index whose signature is not checked, which finds
# broken downloads and nothing else. Where the pool lacks what the index says, an older file from the pool is taken
# as it is. Never ship an image that this makes.
#
# What runs: names of packages come from a lock for amd64; the example `foreign_architectures` makes a mirror of the
# packages, signs it with the test key, locks against it and builds. Then, for every architecture, the structure and
# command tests of every image and variant with `lightship test`; podman runs some with the emulator as entrypoint;
# and the real ldconfig writes each /etc/ld.so.cache anew: all bytes before its own name must be the same.
# Needs root, a network, cargo, and Debian's packages podman, runc, skopeo, umoci, python3, curl, qemu-user-static.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage or a tool is missing.
set -u
shopt -s inherit_errexit

usage() {
    sed -n '2,21s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 1 ] || usage
lightship=$(realpath "$1")
shift
architectures=() directory='' fetch=yes
while getopts a:d:b option; do
    case $option in
        a) architectures+=("$OPTARG") ;;
        d) directory=$(realpath -m "$OPTARG") ;;
        b) fetch=no ;;
        *) usage ;;
    esac
done
[ $# -ge $OPTIND ] && usage
[ ${#architectures[@]} -gt 0 ] || architectures=(arm64 arm s390x ppc64le riscv64)
here=$(cd "$(dirname "$0")" && pwd)
for tool in cargo podman runc skopeo umoci python3 curl dpkg-deb; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
if [ -z "$directory" ]; then
    directory=$(mktemp -d)
    trap 'rm -rf "$directory"' EXIT
fi
packages=$directory/packages layout=$directory/images
families=(static base-nossl base cc python3)
mkdir -p "$packages"
failures=0 checks=0

# debian_name ARCH, machine ARCH (what uname says), emulator ARCH.
debian_name() {
    case $1 in
        arm) echo armhf ;;
        ppc64le) echo ppc64el ;;
        *) echo "$1" ;;
    esac
}
machine() {
    case $1 in
        arm64) echo aarch64 ;;
        arm) echo armv7l ;;
        *) echo "$1" ;;
    esac
}
emulator() {
    case $1 in
        arm64) echo /usr/bin/qemu-aarch64-static ;;
        *) echo "/usr/bin/qemu-$1-static" ;;
    esac
}

# shellcheck source=tests/engine/engine.sh
. "$here/engine.sh"

# base_uri ARCHIVE: where this machine's APT has it from.
base_uri() {
    apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -E "^http.*/$1/?\$" | sort -u | head -n 1 | sed 's:/$::'
}

download() { # URI FILE
    curl --silent --fail --location --retry 2 --max-filesize 100000000 --max-time 300 -o "$2" "$1"
}

# candidates INDEX NAME...: file and SHA-256 of those packages, from an index that nothing vouches for.
candidates() {
    python3 - "$@" <<'PYTHON'
import lzma, sys
names = set(sys.argv[2:])
for stanza in lzma.open(sys.argv[1], "rt", encoding="utf-8").read().split("\n\n"):
    fields = dict(line.split(": ", 1) for line in stanza.split("\n") if ": " in line and line[0] != " ")
    if fields.get("Package") in names:
        print(fields["Filename"], fields["SHA256"])
PYTHON
}

# fetch_older BASE PATH DIRECTORY: an index may be ahead of the pool, which then still has an update before it, or the
# package as it was released or rebuilt.
fetch_older() {
    local architecture=${2##*_} path=${2%_*} before older=() update
    if [[ $path =~ ^(.*)[+]deb13u([0-9]{1,3})$ ]]; then
        before=${BASH_REMATCH[1]}
        for ((update = BASH_REMATCH[2] - 1; update > 0; update--)); do older+=("$before+deb13u$update"); done
        older+=("$before" "$before"+b{1..9})
    fi
    for path in "${older[@]}"; do
        if download "$1/${path}_$architecture" "$3/${path##*/}_$architecture"; then
            echo "note: the mirror has not what its index says at $2, but ${path##*/}" >&2
            return
        fi
    done
    echo "note: the mirror has not what its index says at $2" >&2
}

# fetch_architecture ARCH NAME...: the packages of every suite. One that the pool lacks is told; locking says whether
# it was needed.
fetch_architecture() {
    local architecture suite archive base path sum file
    architecture=$(debian_name "$1")
    shift
    for suite in trixie trixie-updates trixie-security; do
        case $suite in *-security) archive=debian-security ;; *) archive=debian ;; esac
        base=$(base_uri $archive)
        [ -n "$base" ] || { echo "no APT source for $archive" >&2; return 1; }
        mkdir -p "$packages/$suite" "$directory/tools"
        download "$base/dists/$suite/main/binary-$architecture/Packages.xz" "$directory/Packages.xz" || {
            echo "note: the mirror has no index of $suite for $architecture" >&2
            continue
        }
        while read -r path sum; do
            file=$packages/$suite/${path##*/}
            case $path in */libc-bin_*) file=$directory/tools/${path##*/} ;; esac
            sha256sum --quiet --check - <<<"$sum  $file" >/dev/null 2>&1 && continue
            download "$base/$path" "$file" && sha256sum --quiet --check - <<<"$sum  $file" && continue
            rm -f "$file"
            fetch_older "$base" "$path" "${file%/*}"
        done < <(candidates "$directory/Packages.xz" "$@")
    done
}

fetch_all() {
    local names=() family architecture wanted file
    for family in "${families[@]}"; do names+=("$family-debian13"); done
    (cd "$directory" && "$lightship" lock "${names[@]}" --arch amd64 --progress none) || return
    mapfile -t wanted < <(sed -n 's/^{"name":"\([^"]*\)".*"path":.*/\1/p' "$directory/lightship.lock" | sort -u)
    for architecture in "${architectures[@]}"; do
        fetch_architecture "$architecture" libc-bin "${wanted[@]}" || return
        # The ldconfig of the architecture, to be run under the emulator: this machine's own knows no others.
        for file in "$directory"/tools/libc-bin_*_"$(debian_name "$architecture")".deb; do
            dpkg-deb --extract "$file" "$directory/tools/$architecture" || return
        done
    done
}

build() {
    local names=() family
    for family in "${families[@]}"; do names+=("$family-debian13"); done
    rm -rf "$layout"
    cargo run --quiet --manifest-path "$here/../../Cargo.toml" -p factory --example foreign_architectures -- \
        "$packages" "$layout" "$(IFS=,; echo "${architectures[*]}")" "${names[@]}"
}

pull() { # TAG ARCH VARIANT
    skopeo copy -q --override-arch "$2" ${3:+--override-variant "$3"} "oci:$layout:$1" \
        "containers-storage:[overlay@$directory/engine+$directory/engine-run]localhost/lightship:$1-$2"
}

variant() {
    case $1 in
        arm) echo v7 ;;
        arm64) echo v8 ;;
    esac
}

# The emulator is the entrypoint, so nothing has to be registered with the kernel.
emulated() { # TAG ARCH COMMAND...
    local tag=$1 architecture=$2
    shift 2
    pull "$tag" "$architecture" "$(variant "$architecture")" || return
    engine run --rm --network host --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 \
        -v "$(emulator "$architecture"):/qemu:ro" --entrypoint '["/qemu"]' "localhost/lightship:$tag-$architecture" "$@"
}

same_cache() { # OURS THEIRS
    python3 - "$1" "$2" <<'PYTHON'
import struct, sys
ours, theirs = (open(path, "rb").read() for path in sys.argv[1:])
order = "<" if ours[28] == 2 else ">"
end, = struct.unpack(order + "I", ours[32:36])
print(order, len(ours), len(theirs), ours[:end] == theirs[:end])
sys.exit(ours[:end] != theirs[:end])
PYTHON
}

check_cache() { # TAG ARCH
    local tag=$1 architecture=$2 work=$directory/unpacked v
    v=$(variant "$architecture")
    rm -rf "$work" "$directory/one"
    skopeo copy -q --override-arch "$architecture" ${v:+--override-variant "$v"} "oci:$layout:$tag" "oci:$directory/one:$tag" &&
        umoci unpack --image "$directory/one:$tag" "$work" >/dev/null 2>&1 || return
    mv "$work/rootfs/etc/ld.so.cache" "$directory/ours.cache"
    "$(emulator "$architecture")" "$directory/tools/$architecture/usr/sbin/ldconfig" -r "$work/rootfs" &&
        same_cache "$directory/ours.cache" "$work/rootfs/etc/ld.so.cache"
}

check_architecture() {
    local architecture=$1 family kind order='<'
    if [ ! -x "$(emulator "$architecture")" ]; then
        echo "skip  $architecture: $(emulator "$architecture") is not installed"
        skipped=$((skipped + 1))
        return
    fi
    [ "$architecture" = s390x ] && order='>'
    check "static $architecture: busybox" "^$(machine "$architecture")\$" \
        emulated static-debian13-debug "$architecture" /busybox/busybox uname -m
    check "python3 $architecture: Python" "^$(machine "$architecture") 42 utf-8\$" \
        emulated python3-debian13-latest "$architecture" /usr/bin/python3 -c \
        'import os, ssl, ctypes, sys; print(os.uname().machine, ctypes.CDLL("libc.so.6").abs(-42), sys.getfilesystemencoding())'
    for family in "${families[@]}"; do
        for kind in latest debug; do
            check "$family $architecture $kind: structure tests" '^[0-9]+ passed in ' \
                "$here/../structure/run.sh" "$lightship" "oci:$layout:$family-debian13-$kind" "$family-debian13" "$kind" \
                --platform "$architecture"
        done
        [ "$family" = static ] || check "$family $architecture: ld.so.cache is what ldconfig makes" "^$order .* True\$" \
            check_cache "$family-debian13-latest" "$architecture"
    done
}

if [ $fetch = yes ]; then
    fetch_all || exit 1
fi
skipped=0
build || exit 1
for architecture in "${architectures[@]}"; do check_architecture "$architecture"; done
echo
echo "$((checks - failures)) of $checks as expected, $skipped architectures skipped"
[ $failures -eq 0 ]
