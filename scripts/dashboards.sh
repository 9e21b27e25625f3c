#!/usr/bin/env bash
# The dashboards without Docker or Grafana: Debian's Prometheus asks the nodes of contrib/monitoring/targets.yml, and its
# console shows the panels. Starts a network of its own if none answers there. Ends with Ctrl-C.
#   dashboards.sh            show
#   dashboards.sh check      ask every query of every panel once, after a minute, and end
set -euo pipefail
here=$(cd "$(dirname "$0")/../contrib/monitoring" && pwd)
lathe="${LATHE:-target/debug/lathe}" port="${PROMETHEUS_PORT:-9090}"
if ! command -v prometheus >/dev/null; then
  command -v apt-get >/dev/null || { echo "dashboards: please install Prometheus" >&2; exit 1; }
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -q && $sudo apt-get install -y -q --no-install-recommends prometheus
fi
scratch=$(mktemp -d)
children=()
trap 'kill "${children[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$scratch"' EXIT
if ! curl -sf -o /dev/null --noproxy '*' http://127.0.0.1:8081/metrics; then
  echo "no node answers on port 8081: starting a network of four"
  "$lathe" devnet --dir "$scratch/net" >"$scratch/net.log" 2>&1 &
  children+=($!)
fi
prometheus --config.file="$here/prometheus.yml" --storage.tsdb.path="$scratch/data" --log.level=warn \
  --web.console.templates="$here/consoles" --web.listen-address="127.0.0.1:$port" &
children+=($!)
echo "http://127.0.0.1:$port/consoles/lathe.html"
if [ "${1:-}" = check ]; then
  sleep 90
  python3 "$here/dashboards.py" ask "http://127.0.0.1:$port"
else
  wait "${children[-1]}"
fi
