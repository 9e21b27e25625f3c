#!/usr/bin/env bash
# Dependencies that a manifest names and no code does.
set -euo pipefail
if ! cargo machete --version >/dev/null 2>&1; then
  echo "cargo-machete is missing: building it once"
  CARGO_TARGET_DIR="$(mktemp -d)" cargo install --quiet --debug --locked cargo-machete
fi
# With metadata, because some crates have another name in the code than in the manifest.
exec cargo machete --with-metadata
