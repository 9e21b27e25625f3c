#!/bin/bash
# How lean-quickstart starts Lathe. It is sourced, and sets node_binary, node_docker and node_setup; what it reads
# (item, configDir, dataDir, ports, isAggregator, ...) is set by spin-node.sh and the ansible roles.
# LATHE_BINARY and LATHE_IMAGE name another build. LATHE_BACKEND says what the network's proofs are, because its files do
# not: external:PATH for a library of the other clients' proof system, raw if all nodes are Lathe's.

lathe_options=""
if [ "${isAggregator:-}" = "true" ]; then
  lathe_options="$lathe_options --is-aggregator"
  # An aggregator of several subnets is told all of them.
  case "${aggregateSubnetIds:-}" in
    *,*) lathe_options="$lathe_options --aggregate-subnet-ids $aggregateSubnetIds" ;;
  esac
fi
if [ -n "${attestationCommitteeCount:-}" ]; then
  lathe_options="$lathe_options --attestation-committee-count $attestationCommitteeCount"
fi
if [ -n "${checkpoint_sync_url:-}" ]; then
  lathe_options="$lathe_options --checkpoint-sync-url $checkpoint_sync_url"
fi
if [ -n "${LATHE_BACKEND:-}" ]; then
  lathe_options="$lathe_options --aggregation-backend $LATHE_BACKEND"
fi

# Everything else is in the files of the network directory, under their standard names. lean-quickstart keeps signing keys
# when it makes a new genesis, so the same keys sign the same slots again: --allow-key-reuse says that this network is
# thrown away. Never pass it where a key has any worth.
lathe_command() { # directory of the network, directory of the node's data
  echo "node --network-dir $1 --node-id $item --data-dir $2 --listen-addr 0.0.0.0 --gossipsub-port $quicPort" \
    "--http-address 0.0.0.0 --api-port ${apiPort:-$httpPort} --metrics-port $metricsPort --allow-key-reuse$lathe_options"
}

node_binary="${LATHE_BINARY:-$scriptDir/../lathe/target/debug/lathe} $(lathe_command "$configDir" "$dataDir/$item")"
# The image has a user of its own; what quickstart mounts belongs to whoever runs it.
node_docker="--user $(id -u):$(id -g) ${LATHE_IMAGE:-lathe:latest} $(lathe_command /config /data)"
node_setup="${LATHE_SETUP:-docker}"
