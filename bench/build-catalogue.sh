#!/usr/bin/env bash
# The whole catalogue for amd64 and arm64, both releases, all variants, packages cached; and locking cc-debian13.
#
# usage: bench/build-catalogue.sh [LIGHTSHIP] [ROUNDS]
#   Prints what the work costs at the least (`arithmetic`: every package decoded, hashed, compressed and hashed once, on
#   one core, half of it on two) and, in turn, a build with no layer cached, the same with nothing changed, and locking
#   with the indexes cached, for one architecture and for two, each without the network. The peak is of the program.
set -euo pipefail
cd "$(dirname "$0")/.."
lightship=$(realpath "${1:-target/release/lightship}")
rounds=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cache=$work/cache
mapfile -t names < <("$lightship" catalogue --format json | python3 -c 'import json, sys
for image in json.load(sys.stdin)["images"]: print(image["name"])')
cd "$work"
"$lightship" lock "${names[@]}" --arch amd64,arm64 --cache "$cache" -q
"$lightship" build "${names[@]}" --variant all --arch amd64,arm64 --locked --cache "$cache" -o "oci:$work/out" -q >"$work/built"
echo "$(grep -c '^  ->' "$work/built") images"
mapfile -t debs < <(find "$cache/packages" -type f)
echo "${#debs[@]} packages, $(du -cb "${debs[@]}" | tail -n 1 | cut -f 1) bytes"
( cd "$OLDPWD" && cargo run --quiet --release -p archive --example arithmetic -- "${debs[@]}" )

build="cd $work && $lightship build ${names[*]} --variant all --arch amd64,arm64 --locked --offline --cache $cache -o oci:$work/out --progress none"
lock="mkdir -p $work/lock && cd $work/lock && rm -f lightship.lock && $lightship lock"
python3 "$OLDPWD/bench/interleave.py" "$rounds" \
  "catalogue, layers not cached" --prepare "rm -rf $cache/layers $cache/images $cache/entries $cache/generated $work/out" "$build" \
  "catalogue, nothing changed" "$build" \
  "lock cc-debian13, amd64" "$lock cc-debian13 --arch amd64 --offline --cache $cache --progress none" \
  "lock cc-debian13, two" "$lock cc-debian13 --arch amd64,arm64 --offline --cache $cache --progress none"
