#!/usr/bin/env bash
# Installs the worker of leanVM that `--aggregation-backend lean-pq` starts: its published Python bindings, pinned with
# hashes, in an environment of their own outside this directory.
set -euo pipefail
cd "$(dirname "$0")/../contrib/lean-pq"
home="${XDG_DATA_HOME:-$HOME/.local/share}/lathe/lean-pq"

python="${PYTHON:-python3}"
if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
  echo "lean-pq: needs Python 3.11 to 3.14 with venv (Debian: apt-get install python3 python3-venv); PYTHON=... names one" >&2
  exit 1
fi
if ! cmp -s requirements.txt "$home/installed.txt"; then
  rm -rf "$home"
  mkdir -p "$home"
  "$python" -m venv "$home/env"
  if ! "$home/env/bin/pip" install -q --require-hashes --only-binary :all: -r requirements.txt; then
    echo "lean-pq: the bindings cannot be installed here: no package registry, or none for this system" >&2
    exit 1
  fi
  cp requirements.txt "$home/installed.txt"
fi
cp worker.py "$home/worker.py"
echo "worker: $home/env/bin/python $home/worker.py"
