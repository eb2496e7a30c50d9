#!/usr/bin/env bash
# `lightship audit` over a tree of 1 GB and 100,000 files, beside ripgrep with one pattern that finds the same lines; both
# from the page cache, in turn.
#
# usage: bench/audit.sh [LIGHTSHIP] [ROUNDS]
#   DIRECTORY (/var/tmp) keeps the tree between runs. Needs python3 and ripgrep (Debian's package of that name).
set -euo pipefail
cd "$(dirname "$0")/.."
lightship=$(realpath "${1:-target/release/lightship}")
rounds=${2:-7}
tree=${DIRECTORY:-/var/tmp}/lightship-audit-tree
if [ ! -e "$tree.done" ]; then
  rm -rf "$tree"
  python3 bench/audit_tree.py "$tree"
  touch "$tree.done"
fi
pattern='gcr\.io|gcr\\|pkg\.dev|configure-docker|gcloud.*docker|gcp-gcr|google_container_registry|container[.:](New)?Registry|container/registry:|etRegistry|container\.get_registry|GoogleContainerRegistry|appspot\.com|containerregistry\.googleapis|devstorage|storage-r|service_account|dockerconfigjson|dockercfg|c2VydmljZV9hY2NvdW50|NlcnZpY2VfYWNjb3Vud|zZXJ2aWNlX2FjY291bn|Z2NyLmlv|djci5pb|nY3IuaW|ImF1dGhzI|JhdXRocy|iYXV0aHMi'
echo "$(find "$tree" -type f | wc -l) files, $(du -sb "$tree" | cut -f 1) bytes"
echo "$(rg --no-ignore --hidden -c "$pattern" "$tree" | wc -l) files with lines that match; lightship finds:"
# It exits with 1 when it finds something, which is no failure here.
{ "$lightship" audit "$tree" --format json || [ $? = 1 ]; } | python3 -c 'import json,sys; d=json.load(sys.stdin); print(len(d["findings"]), "findings in", d["files_scanned"], "files,", d["bytes_scanned"], "bytes")'
python3 bench/interleave.py "$rounds" \
  ripgrep "rg --hidden '$pattern' $tree || [ \$? = 1 ]" \
  lightship "$lightship audit $tree || [ \$? = 1 ]" \
  "ripgrep, one thread" "rg -j 1 --hidden '$pattern' $tree || [ \$? = 1 ]"
