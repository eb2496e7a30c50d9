#!/usr/bin/env bash
# cc-debian13 for amd64 against what else makes a root file system of the same packages, in one run.
#
# usage: bench/build-cc.sh [LIGHTSHIP] [ROUNDS]
#   Peers, over the very same package files: `dpkg-deb --fsys-tarfile | gzip -6`, one after the other and two at once
#   (what a script would do), and mmdebstrap from a local archive, with maintainer scripts (chrootless) and without
#   (extract). No peer downloads anything while it is timed. Needs root, python3, dpkg-dev, mmdebstrap.
#   MIRROR: base URI of a Debian mirror for the packages that only mmdebstrap needs; default: that of this machine's APT.
set -euo pipefail
cd "$(dirname "$0")/.."
lightship=$(realpath "${1:-target/release/lightship}")
rounds=${2:-7}
mirror=${MIRROR:-$(sed -n 's/^URIs: *\(.*\/debian\)\/*$/\1/p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

cache=$work/cache
"$lightship" build cc-debian13 --arch amd64 --cache "$cache" -o "oci:$work/warm" -q >/dev/null
mkdir "$work/archive"
while IFS= read -r deb; do
  cp "$deb" "$work/archive/$(dpkg-deb -f "$deb" Package).deb"
done < <(find "$cache/packages" -type f)
debs=("$work"/archive/*.deb)
echo "${#debs[@]} packages, $(du -cb "${debs[@]}" | tail -n 1 | cut -f 1) bytes"
cargo run --quiet --release -p archive --example arithmetic -- "${debs[@]}"

( cd "$work" && "$lightship" lock cc-debian13 --arch amd64 --cache "$cache" -q >/dev/null )
cold="rm -rf $cache/layers $cache/images $cache/entries $cache/generated $work/out"
build="cd $work && $lightship build cc-debian13 --arch amd64 --locked --cache $cache -o oci:$work/out --progress none"

cat >"$work/pack.sh" <<'S'
mkdir -p "$1"
for deb in "$2"/*.deb; do printf '%s\n' "$deb"; done |
  xargs -P "$3" -I{} sh -c 'dpkg-deb --fsys-tarfile "$1" | gzip -6 >"$2/$(basename "$1").tar.gz"' sh {} "$1"
S
programs=(
  "lightship, layers not cached" --prepare "$cold" "$build"
  "lightship, nothing changed" "$build"
  "dpkg-deb | gzip -6" --prepare "rm -rf $work/layers" "sh $work/pack.sh $work/layers $work/archive 1"
  "dpkg-deb | gzip -6, two" --prepare "rm -rf $work/layers" "sh $work/pack.sh $work/layers $work/archive 2"
)
if command -v mmdebstrap >/dev/null && command -v dpkg-scanpackages >/dev/null && [ "$(id -u)" = 0 ] && [ -n "$mirror" ]; then
  mkdir "$work/local"
  wanted=$(for deb in "${debs[@]}"; do basename "$deb" .deb; done | paste -sd,)
  mmdebstrap --quiet --mode=root --variant=extract --include="$wanted" --skip=cleanup/apt,essential/unlink trixie \
    "$work/rootfs.tar" "$mirror"
  tar -C "$work/local" -xf "$work/rootfs.tar" --wildcards --strip-components=5 './var/cache/apt/archives/*.deb'
  ( cd "$work/local" && dpkg-scanpackages . >Packages 2>/dev/null )
  names=$(sed -n 's/^Package: //p' "$work/local/Packages" | paste -sd,)
  echo "mmdebstrap: $(grep -c ^Package: "$work/local/Packages") packages, what their scripts need included"
  for variant in "chrootless custom" "root extract"; do
    read -r mode variant <<<"$variant"
    programs+=("mmdebstrap, $variant" --prepare "rm -f $work/rootfs.tar.gz" \
      "mmdebstrap --mode=$mode --variant=$variant --include=$names --skip=cleanup/apt trixie $work/rootfs.tar.gz 'deb [trusted=yes] copy://$work/local ./'")
  done
else
  echo "compared without mmdebstrap: that needs mmdebstrap, dpkg-dev, root and a mirror"
fi
python3 bench/interleave.py "$rounds" "${programs[@]}"
