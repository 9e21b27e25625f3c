#!/usr/bin/env bash
# Bans, licences and sources of all dependencies. Advisories need the network: `make advisories`.
set -euo pipefail
if ! cargo deny --version >/dev/null 2>&1; then
  echo "cargo-deny is missing: building it once"
  CARGO_TARGET_DIR="$(mktemp -d)" cargo install --quiet --debug --locked cargo-deny
fi
exec cargo deny --log-level error check bans licenses sources
