#!/usr/bin/env bash
# Runs fuzz targets, all or those named, for FUZZ_SECONDS each, and prints what each did. Inputs that a search finds stay in
# the build directory; one that breaks a property is kept in fuzz/artifacts/. Fails if there is one.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-600}
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "cargo-fuzz is missing: building it once"
  CARGO_TARGET_DIR="$(mktemp -d)" cargo install --quiet --debug --locked cargo-fuzz
fi
CARGO_TARGET_DIR="$(realpath -m "${CARGO_TARGET_DIR:-target}")/fuzz"
export CARGO_TARGET_DIR
# What is searched is the code that ships: with its vector instructions, and without what crates leave out for fuzzing.
RUSTFLAGS="${RUSTFLAGS:--C target-cpu=native}" cargo +nightly fuzz build --no-cfg-fuzzing
bin=$(rustc +nightly -vV | sed -n 's/^host: //p')/release
[ $# -gt 0 ] || set -- $(cargo +nightly fuzz list)
mkdir -p fuzz/artifacts
failed=0
printf '%-12s %8s %12s %9s %6s %9s  %s\n' target seconds runs runs/s edges peak_MiB finding
for target in "$@"; do
  found="$CARGO_TARGET_DIR/found/$target" log="$CARGO_TARGET_DIR/$target.log"
  mkdir -p "$found"
  status=none
  # One allocation of more than a quarter of a gigabyte means that a length was believed.
  "$CARGO_TARGET_DIR/$bin/$target" "$found" "fuzz/corpus/$target" -max_total_time="$seconds" -timeout=30 \
    -rss_limit_mb=2048 -malloc_limit_mb=256 -detect_leaks=0 -print_final_stats=1 \
    -artifact_prefix="fuzz/artifacts/$target-" >"$log" 2>&1 || { status="see $log"; failed=1; }
  stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
  runs=$(stat number_of_executed_units) rate=$(stat average_exec_per_sec) peak=$(stat peak_rss_mb)
  edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
  printf '%-12s %8s %12s %9s %6s %9s  %s\n' "$target" "$seconds" "${runs:--}" "${rate:--}" "${edges:--}" "${peak:--}" "$status"
done
exit $failed
