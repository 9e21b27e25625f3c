#!/usr/bin/env bash
# Installs the execution clients that `lathe devnet --el` and the tests pair with: ethrex (built from its published crates)
# and EthereumJS (from npm). They live outside this directory, so that a clean clone does not build them again.
set -euo pipefail
cd "$(dirname "$0")/../el"
home="${LATHE_EL_DIR:-$HOME/.cache/lathe-el}"
mkdir -p "$home/ethereumjs"

if ! command -v pkg-config >/dev/null || ! pkg-config --exists openssl; then
  echo "el: ethrex needs pkg-config and OpenSSL's headers (Debian: apt-get install pkg-config libssl-dev)" >&2
  exit 1
fi
(cd ethrex && cargo build --locked -j "${JOBS:-2}" --target-dir "$home/ethrex")

if ! command -v npm >/dev/null; then
  echo "el: EthereumJS needs Node.js 18 or later with npm; only ethrex is installed" >&2
  exit 1
fi
if ! cmp -s ethereumjs/package-lock.json "$home/ethereumjs/installed-lock.json"; then
  cp ethereumjs/package.json ethereumjs/package-lock.json "$home/ethereumjs/"
  # No package needs its install script: the one with native code brings it ready-made.
  (cd "$home/ethereumjs" && npm ci --ignore-scripts --no-audit --no-fund)
  cp ethereumjs/package-lock.json "$home/ethereumjs/installed-lock.json"
fi
echo "ethrex:     $home/ethrex/debug/ethrex-dev"
echo "EthereumJS: $home/ethereumjs/node_modules/@ethereumjs/client"
