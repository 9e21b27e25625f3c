#!/usr/bin/env bash
# Networks of real processes. `short` is what every commit runs; `full` wants an otherwise idle machine and half an hour.
set -euo pipefail
case "${1:-short}" in
  short) filter=short_ more="--test torture" ;;
  full) filter="" more="" ;;
  *) echo "usage: $0 [short|full]" >&2; exit 2 ;;
esac
exec "${CARGO:-cargo}" test --workspace --test e2e --test clock --test external --test drop_in --test keys --test signer \
  $more -- --ignored --test-threads=1 --nocapture $filter
