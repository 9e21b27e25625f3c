#!/usr/bin/env bash
# Installs what the build needs beyond Rust: a C compiler and make, for the memory allocator and the ciphers.
set -euo pipefail
if ! command -v cargo >/dev/null; then
  echo "lathe: Rust is missing; install it with rustup (https://rustup.rs)" >&2
  exit 1
fi
if command -v cc >/dev/null && command -v make >/dev/null; then exit 0; fi
case "$(uname -s)" in
  Darwin)
    xcode-select -p >/dev/null 2>&1 || { echo "lathe: run 'xcode-select --install'" >&2; exit 1; }
    exit 0 ;;
esac
if ! command -v apt-get >/dev/null; then
  echo "lathe: please install a C compiler and make" >&2
  exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -q
$sudo apt-get install -y -q --no-install-recommends build-essential
