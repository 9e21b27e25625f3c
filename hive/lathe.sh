#!/bin/sh
# Turns hive's environment into a command line, and becomes lathe.
#
#   HIVE_NODE_ID                     name in annotated_validators.yaml        [lathe_0]
#   HIVE_BOOTNODES                   records or multiaddrs, commas between them, or none     [nodes.yaml]
#   HIVE_CLIENT_PRIVATE_KEY          secp256k1 key of the node in hex         [node.key]
#   HIVE_CHECKPOINT_SYNC_URL         where to fetch the finalized state       [start from genesis]
#   HIVE_IS_AGGREGATOR               1: aggregate
#   HIVE_ATTESTATION_COMMITTEE_COUNT subnets of the network                   [config.yaml]
#   HIVE_AGGREGATE_SUBNET_IDS        further subnets to aggregate, commas between them
#   HIVE_LEAN_CLIENT_RUNTIME_ROLE    observer: no validators, whatever the files say
#   HIVE_LEAN_TEST_DRIVER            1: no node, only the test driver (lathe reads it itself)
#   LATHE_AGGREGATION_BACKEND        what the network's proofs are; its files do not say     [raw]
#
# The simulator puts the network's files into LEAN_RUNTIME_ASSET_ROOT.
set -eu

assets="${LEAN_RUNTIME_ASSET_ROOT:-/tmp/lathe-runtime}"
data="${LATHE_DATA_DIR:-/data}"
fail() {
  echo "lathe.sh: $1" >&2
  exit 1
}

set -- node --node-id "${HIVE_NODE_ID:-lathe_0}" --http-address 0.0.0.0 --admin-unprotected --api-port 5052 --metrics-port 8080

if [ "${HIVE_LEAN_TEST_DRIVER:-0}" = 1 ]; then
  exec lathe "$@" --network-dir "$assets"
fi

[ -f "$assets/config.yaml" ] || fail "no config.yaml in $assets"
set -- "$@" --genesis "$assets/config.yaml" --hash-sig-keys-dir "$assets/hash-sig-keys" --data-dir "$data"
# The simulator begins network after network with the keys of its files, which guard nothing.
set -- "$@" --allow-key-reuse
set -- "$@" --aggregation-backend "${LATHE_AGGREGATION_BACKEND:-raw}"
# The record that the files hold for this node has a placeholder for its address, so the address is named here.
set -- "$@" --listen-addr 0.0.0.0 --gossipsub-port 9000

if [ -f "$assets/validator-config.yaml" ]; then
  set -- "$@" --validator-config "$assets/validator-config.yaml"
fi
if [ "${HIVE_LEAN_CLIENT_RUNTIME_ROLE:-}" != observer ]; then
  for name in annotated_validators.yaml validators.yaml; do
    if [ -f "$assets/$name" ]; then
      set -- "$@" --validators "$assets/$name"
      break
    fi
  done
fi

if [ -n "${HIVE_CLIENT_PRIVATE_KEY:-}" ]; then
  key="$(mktemp)"
  printf '%s' "${HIVE_CLIENT_PRIVATE_KEY#0x}" > "$key"
  set -- "$@" --node-key "$key"
elif [ -f "$assets/node.key" ]; then
  set -- "$@" --node-key "$assets/node.key"
else
  fail "no key: set HIVE_CLIENT_PRIVATE_KEY or put node.key into $assets"
fi

if [ -n "${HIVE_BOOTNODES:-}" ]; then
  set -- "$@" --bootnodes "$HIVE_BOOTNODES"
elif [ -f "$assets/nodes.yaml" ]; then
  set -- "$@" --bootnodes "$assets/nodes.yaml"
else
  set -- "$@" --bootnodes none
fi

if [ -n "${HIVE_CHECKPOINT_SYNC_URL:-}" ]; then
  set -- "$@" --checkpoint-sync-url "$HIVE_CHECKPOINT_SYNC_URL"
fi
if [ -n "${HIVE_ATTESTATION_COMMITTEE_COUNT:-}" ]; then
  set -- "$@" --attestation-committee-count "$HIVE_ATTESTATION_COMMITTEE_COUNT"
fi
if [ "${HIVE_IS_AGGREGATOR:-0}" = 1 ]; then
  set -- "$@" --is-aggregator
  if [ -n "${HIVE_AGGREGATE_SUBNET_IDS:-}" ]; then
    set -- "$@" --aggregate-subnet-ids "$HIVE_AGGREGATE_SUBNET_IDS"
  fi
fi

exec lathe "$@"
