#!/usr/bin/env bash
# Installs what the build needs beyond Rust: a C++ compiler and libclang (for RocksDB's bindings).
set -euo pipefail
# libclang-cpp, which other packages bring along, is not it.
have_libclang() {
  ldconfig -p 2>/dev/null | grep -qE 'libclang(-[0-9.]+)?\.so' || compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null ||
    compgen -G '/usr/lib/llvm-*/lib/libclang-[0-9]*.so*' >/dev/null
}
if ! command -v cargo >/dev/null; then
  echo "lathe: Rust is missing; install it with rustup (https://rustup.rs)" >&2
  exit 1
fi
if command -v c++ >/dev/null && command -v make >/dev/null && have_libclang; then exit 0; fi
case "$(uname -s)" in
  Darwin)
    xcode-select -p >/dev/null 2>&1 || { echo "lathe: run 'xcode-select --install'" >&2; exit 1; }
    exit 0 ;;
esac
if ! command -v apt-get >/dev/null; then
  echo "lathe: please install a C++ compiler, make and libclang (clang-devel)" >&2
  exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -q
$sudo apt-get install -y -q --no-install-recommends build-essential clang libclang-dev
