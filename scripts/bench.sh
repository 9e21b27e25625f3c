#!/usr/bin/env bash
# Every benchmark, each figure beside the primitive that bounds it, measured in the same run. Quote ratios, not times.
set -euo pipefail
grep -m1 'model name' /proc/cpuinfo 2>/dev/null | sed 's/.*: /processor: /' || true
echo "cores: $(nproc)"
exec "${CARGO:-cargo}" bench -q --workspace --profile dev --bench "*"
