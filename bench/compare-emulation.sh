#!/bin/sh
# Compares what Lightship generates with what the real programs make of the same image.
#
#   bench/compare-emulation.sh LIGHTSHIP NAME...
#
# LIGHTSHIP is the program, every NAME a catalogue image. Each is built for this machine and unpacked; then
#   - ldconfig writes /etc/ld.so.cache anew: all bytes before its own name at the end must be the same;
#   - update-ca-certificates and `openssl rehash` make bundle and links anew: bundle, names and targets must be the same;
#   - keytool lists the Java keystore: as many entries as the bundle has certificates.
# Prints a line per image and thing, exits 1 if one differs. Run as root, on Debian of any release; needs skopeo,
# umoci, python3, ca-certificates, openssl and, for Java images, keytool. What is not installed is told and passed over.
set -eu
[ $# -gt 1 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
lightship=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

verdict() { # NAME THING TEST...
    image=$1 thing=$2
    shift 2
    if "$@"; then echo "$image: $thing: same"; else echo "$image: $thing: DIFFERENT"; status=1; fi
}

same_cache() { # OURS THEIRS
    python3 - "$1" "$2" <<'PYTHON'
import struct, sys
ours, theirs = (open(path, "rb").read() for path in sys.argv[1:])
end, = struct.unpack(("<" if ours[28] == 2 else ">") + "I", ours[32:36])
sys.exit(ours[:end] != theirs[:end])
PYTHON
}

links() { # DIRECTORY
    find "$1" -maxdepth 1 -type l -printf '%f %l\n' | LC_ALL=C sort
}

for name in "$@"; do
    "$lightship" build "$name" --progress none -o "oci:$work/$name" >/dev/null
    skopeo copy --quiet "oci:$work/$name:latest" "oci:$work/$name.one:latest"
    umoci unpack --image "$work/$name.one:latest" "$work/$name.bundle" >/dev/null 2>&1
    root=$work/$name.bundle/rootfs

    if [ -e "$root/etc/ld.so.cache" ]; then
        cp "$root/etc/ld.so.cache" "$work/ours.cache"
        ldconfig -r "$root"
        verdict "$name" ld.so.cache same_cache "$work/ours.cache" "$root/etc/ld.so.cache"
    fi

    if [ -e "$root/etc/ca-certificates.conf" ]; then
        # The real programs write absolute links: they run where the image's directories have their own names.
        again=$work/$name.again
        mkdir -p "$again"
        unshare --mount sh -c '
            mount --bind "$1/usr/share/ca-certificates" /usr/share/ca-certificates
            mount --bind "$1/usr/local/share/ca-certificates" /usr/local/share/ca-certificates
            update-ca-certificates --certsconf "$1/etc/ca-certificates.conf" --etccertsdir "$2" --hooksdir ""
        ' sh "$root" "$again" >/dev/null 2>&1
        verdict "$name" ca-certificates.crt cmp -s "$again/ca-certificates.crt" "$root/etc/ssl/certs/ca-certificates.crt"
        links "$again" >"$work/theirs.links"
        links "$root/etc/ssl/certs" >"$work/ours.links"
        verdict "$name" "links of certificates" cmp -s "$work/theirs.links" "$work/ours.links"
    fi

    keystore=$root/etc/ssl/certs/java/cacerts
    if [ -e "$keystore" ] && command -v keytool >/dev/null; then
        certificates=$(grep -c 'BEGIN CERTIFICATE' "$root/etc/ssl/certs/ca-certificates.crt")
        entries=$(keytool -list -keystore "$keystore" -storepass changeit 2>/dev/null | grep -c trustedCertEntry)
        verdict "$name" "Java keystore ($entries entries)" [ "$entries" -eq "$certificates" ]
    fi
done
exit $status
