#!/usr/bin/env bash
# Networks of real processes paired with real execution clients, then fifty kills of one client in one run. Wants an
# otherwise idle machine and an hour. LATHE names the binary.
set -euo pipefail
cd "$(dirname "$0")/.."
lathe="${LATHE:-target/debug/lathe}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for el in ethrex ethereumjs mixed; do
  for nodes in 2 4; do
    echo "== $nodes pairs, $el"
    "$lathe" devnet --nodes "$nodes" --validators "$nodes" --el "$el" --slots "${SLOTS:-60}" \
      --dir "$scratch/$el-$nodes" --summary "$scratch/$el-$nodes.json"
  done
done
echo "== 2 pairs, ethrex, osaka"
"$lathe" devnet --nodes 2 --validators 2 --el ethrex --fork osaka --slots "${SLOTS:-60}" --dir "$scratch/osaka"
"${CARGO:-cargo}" test --workspace --test paired -- --ignored --test-threads=1 --nocapture
