#!/usr/bin/env bash
# The signature schemes in every build that this machine can run: plain, with each set of vectors, and native.
#   portable.sh          the digests of keys and signatures must be the same in each
#   portable.sh bench    what each build costs; on an otherwise idle machine
set -euo pipefail
mode=${1:-test}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/portable

run() { # name, rustflags
  local args=(-q -p lathe-leansig -p lathe-xmss-blake2s)
  echo "== $1: RUSTFLAGS='$2'"
  case "$mode" in
    test) args=(test "${args[@]}" --lib --test golden --test keys -- --nocapture --test-threads 2) ;;
    bench) args=(bench "${args[@]}" --profile dev --bench leansig --bench xmss_blake2s) ;;
    *) echo "usage: $0 [test|bench]" >&2; exit 2 ;;
  esac
  RUSTFLAGS="$2" CARGO_TARGET_DIR="$target/$1" "${CARGO:-cargo}" "${args[@]}"
}

has() { grep -qw "$1" /proc/cpuinfo 2>/dev/null; }

run plain ""
if [ "$(uname -m)" = x86_64 ]; then
  if has avx2; then run avx2 "-C target-cpu=x86-64-v3"; fi
  if has avx512f && has avx512dq && has avx512vl && has avx512bw; then run avx512 "-C target-cpu=x86-64-v4"; fi
else
  # NEON is part of every aarch64, so the plain build has it.
  echo "== $(uname -m): the plain build has all the vectors that are common to such machines"
fi
run native "-C target-cpu=native"
