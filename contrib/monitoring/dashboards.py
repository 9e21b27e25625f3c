#!/usr/bin/env python3
"""The dashboards: what they show, written once.

  dashboards.py write         write grafana/dashboards/*.json and consoles/lathe.html from the tables below
  dashboards.py verify        fail if those files are not what `write` would write
  dashboards.py ask URL       ask the Prometheus at URL every query, print a table, fail if one has no data

A panel is (title, kind, unit, [(query, legend)], what it tells). Queries may use $node, a pattern of node names.
"""

import json
import math
import pathlib
import sys
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).parent
SECONDS, BYTES, SHORT, PERCENT = "s", "bytes", "short", "percentunit"


def metric(name, labels=""):
    return f'{name}{{job="lathe",node=~"$node"{"," + labels if labels else ""}}}'


def rate(name, labels="", by="node"):
    return f"sum by ({by}) (rate({metric(name, labels)}[1m]))"


def quantile(q, name, labels="", by="node"):
    return f"histogram_quantile({q}, sum by ({by}, le) (rate({metric(name + '_bucket', labels)}[2m])))"


def line(title, unit, queries, about):
    return (title, "timeseries", unit, queries, about)


def stat(title, unit, queries, about):
    return (title, "stat", unit, queries, about)


def two(name, labels=""):
    """Median and 99th percentile of a histogram."""
    return [(quantile(0.5, name, labels), "{{node}} p50"), (quantile(0.99, name, labels), "{{node}} p99")]


def mean(name):
    """Mean of a histogram whose buckets are too wide for what is usual here."""
    return [(rate(name + "_sum") + " / " + rate(name + "_count"), "{{node}}")]


SYNCED = metric("lean_node_sync_status", 'status="synced"')
COVERED = "lean_attestation_aggregate_coverage_validators"
IN_BLOCK = metric(COVERED, 'section="block",subnet="combined"')
SEEN = metric(COVERED, 'section="combined",subnet="combined"')

DASHBOARDS = {
    "overview": ("Lathe: overview", [
        stat("Head", SHORT, [(f'max({metric("lean_head_slot")})', "")], "The newest head slot of all nodes."),
        stat("Finality lag", SHORT,
             [(f'max({metric("lean_head_slot")} - {metric("lean_latest_finalized_slot")})', "slots")],
             "Slots between head and finalized block, of the worst node. Three is the best that the timeline allows."),
        stat("Nodes in sync", SHORT, [(f"sum({SYNCED})", "nodes")],
             "Nodes that say that they are in step."),
        stat("Missed duties in ten minutes", SHORT,
             [(f'sum(increase({metric("lathe_missed_duties_total")}[10m])) or vector(0)', "duties")],
             "Votes, aggregates and proposals that were not done."),
        line("Slots", SHORT, [(metric("lean_current_slot"), "{{node}} clock"), (metric("lean_head_slot"), "{{node}} head"),
                              (metric("lean_latest_justified_slot"), "{{node}} justified"),
                              (metric("lean_latest_finalized_slot"), "{{node}} finalized")],
             "Clock, head, justified and finalized slot. Lines that stop rising are a stall; lines that part are a fork."),
        line("Slots behind", SHORT,
             [(f'{metric("lean_current_slot")} - {metric("lean_head_slot")}', "{{node}} head"),
              (f'{metric("lean_head_slot")} - {metric("lean_latest_justified_slot")}', "{{node}} justified"),
              (f'{metric("lean_head_slot")} - {metric("lean_latest_finalized_slot")}', "{{node}} finalized")],
             "At best 0 or 1, 2 and 3."),
        line("Missed duties", SHORT,
             [(rate("lathe_missed_duties_total", by="node, duty, reason") + " * 60 or vector(0)", "{{node}} {{duty}} {{reason}}")],
             "By duty and reason, in a minute."),
        line("Reorganisations", SHORT, [(rate("lean_fork_choice_reorgs_total") + " * 60", "{{node}}")], "In a minute."),
        line("Memory", BYTES, [(metric("process_resident_memory_bytes"), "{{node}}")], "Resident memory."),
        line("Processor", PERCENT, [(rate("process_cpu_seconds_total"), "{{node}}")], "Share of one core."),
    ]),
    "proposer": ("Lathe: proposer timeline", [
        line("Block published", SECONDS, two("lathe_block_published_seconds"),
             "From the start of the slot to the publication of our own block."),
        line("Block arrival", SECONDS, two("lathe_block_arrival_seconds"), "From the start of the slot to its block."),
        line("Block import", SECONDS, two("lathe_block_import_seconds"), "From arrival to import."),
        line("Building a block", SECONDS, mean("lean_block_building_time_seconds"), "From the request to the block; the mean."),
        line("Merging proofs for a block", SECONDS, mean("lean_block_building_payload_aggregation_time_seconds"), "The mean."),
        line("Signing", SECONDS, two("lathe_signing_seconds"), "Recording, syncing and signing a group of messages."),
        line("State transition", SECONDS, mean("lean_state_transition_time_seconds"), "The mean."),
        line("Blocks built", SHORT, [(rate("lean_block_building_success_total") + " * 60", "{{node}} built"),
                                     (rate("lean_block_building_failures_total") + " * 60", "{{node}} failed")], "In a minute."),
        line("Tick interval", SECONDS, two("lean_tick_interval_duration_seconds"), "800 ms when the node keeps pace."),
        line("Turn of the chain's loop", SECONDS, two("lathe_chain_turn_seconds"), "The chain waits for nothing: below 5 ms."),
    ]),
    "aggregation": ("Lathe: votes and aggregation", [
        line("Votes in blocks", PERCENT,
             [(f"{IN_BLOCK} / on (node) {SEEN}", "{{node}}")],
             "Validators in the last block, of those whose vote was seen anywhere."),
        line("Votes of the slot before, per block", SHORT,
             [(rate("lathe_previous_slot_votes_total") + " / " + rate("lathe_blocks_imported_total"), "{{node}}")], ""),
        line("Vote verification", SECONDS, mean("lean_pq_sig_attestation_verification_time_seconds"), "One signature; the mean."),
        line("Aggregate verification", SECONDS, mean("lean_pq_sig_aggregated_signatures_verification_time_seconds"), "The mean."),
        line("Aggregation of a committee", SECONDS, mean("lean_committee_signatures_aggregation_time_seconds"), "The mean."),
        line("Proofs in blocks", SHORT, [(rate("lathe_block_proofs_total", by="node, kind") + " * 60", "{{node}} {{kind}}")],
             "Blocks in a minute by what shows their votes."),
        line("Time of a proof", SECONDS, two("lathe_proof_seconds"), ""),
        line("Size of block proofs", BYTES, two("lathe_block_proof_bytes"), ""),
        line("Refused", SHORT, [(rate("lean_attestations_invalid_total") + " * 60", "{{node}} votes"),
                                (rate("lean_pq_sig_aggregated_signatures_invalid_total") + " * 60", "{{node}} aggregates")], "In a minute."),
        line("Aggregation skipped", SHORT,
             [(rate("lean_aggregator_skipped_total", by="node, reason") + " * 60", "{{node}} {{reason}}")], "In a minute, by reason."),
        line("Workers", SECONDS, [(quantile(0.99, "lathe_worker_run_seconds", by="node, kind"), "{{node}} {{kind}} run"),
                                  (quantile(0.99, "lathe_worker_wait_seconds", by="node, kind"), "{{node}} {{kind}} wait")], "99th percentile."),
        line("Jobs waiting", SHORT, [(metric("lathe_worker_queued"), "{{node}}")], ""),
    ]),
    "network": ("Lathe: network", [
        line("Peers", SHORT, [(f'sum by (node) ({metric("lean_connected_peers")})', "{{node}}")], ""),
        line("Peers in the mesh", SHORT, [(f'sum by (node) ({metric("lean_gossip_mesh_peers")})', "{{node}}")], ""),
        line("Connections", SHORT,
             [(rate("lean_peer_connection_events_total", by="node, direction, result") + " * 60", "{{node}} {{direction}} {{result}}")],
             "In a minute."),
        line("Disconnections", SHORT,
             [(rate("lean_peer_disconnection_events_total", by="node, direction, reason") + " * 60",
               "{{node}} {{direction}} {{reason}}")], "In a minute."),
        line("Size of blocks", BYTES, two("lean_gossip_block_size_bytes"), ""),
        line("Size of votes", BYTES, two("lean_gossip_attestation_size_bytes"), ""),
        line("Size of aggregates", BYTES, two("lean_gossip_aggregation_size_bytes"), ""),
    ]),
    "execution": ("Lathe: execution and disk", [
        line("Execution client online", SHORT, [(metric("lathe_execution_online"), "{{node}}")], "1: it answers."),
        line("Payloads replayed", SHORT, [(rate("lathe_execution_replayed_total") + " * 60", "{{node}}")], "In a minute."),
        line("Orders dropped", SHORT, [(rate("lathe_execution_dropped_total") + " * 60", "{{node}}")], "In a minute."),
        line("Batch on the disk", SECONDS, two("lathe_persist_seconds"), "Until a group of batches is durable."),
        line("Signing", SECONDS, two("lathe_signing_seconds"), "With one sync of the ledger per group."),
    ]),
}


def grafana(name, title, panels):
    rows, x, y = [], 0, 0
    for number, (heading, kind, unit, queries, about) in enumerate(panels, 1):
        width, height = (6, 4) if kind == "stat" else (12, 8)
        if x + width > 24:
            x, y = 0, y + height
        rows.append({
            "id": number, "type": kind, "title": heading, "description": about,
            "datasource": {"type": "prometheus", "uid": "lathe"},
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "targets": [{"refId": chr(65 + i), "expr": query, "legendFormat": legend} for i, (query, legend) in enumerate(queries)],
        })
        x += width
        if kind == "stat" and number < len(panels) and panels[number][1] != "stat":
            x, y = 0, y + height
    variable = {"name": "node", "type": "query", "label": "Node", "includeAll": True, "multi": True, "allValue": ".*",
                "current": {"text": "All", "value": "$__all"}, "refresh": 2,
                "datasource": {"type": "prometheus", "uid": "lathe"}, "query": 'label_values(lean_head_slot{job="lathe"}, node)'}
    board = {"uid": f"lathe-{name}", "title": title, "tags": ["lathe"], "timezone": "utc", "schemaVersion": 39, "refresh": "10s",
             "time": {"from": "now-30m", "to": "now"}, "templating": {"list": [variable]}, "panels": rows,
             "links": [{"type": "dashboards", "title": "Lathe", "tags": ["lathe"], "asDropdown": False, "includeVars": True, "keepTime": True}]}
    return json.dumps(board, indent=1, sort_keys=True) + "\n"


def console():
    """The page for a Prometheus without Grafana: its template with the panels in it."""
    panels = [{"name": name, "title": title, "panels": [
        {"title": heading, "kind": kind, "unit": unit, "about": about,
         "queries": [{"query": query.replace("$node", ".*"), "legend": legend} for query, legend in queries]}
        for heading, kind, unit, queries, about in rows]} for name, (title, rows) in DASHBOARDS.items()]
    # Prometheus reads the page as a template of its own, so no brace may stand beside another.
    text = json.dumps(panels, indent=0).replace("{{", "\\u007b\\u007b").replace("}}", "\\u007d\\u007d")
    return (HERE / "console.html").read_text().replace("/*PANELS*/[]", text)


def files():
    yield HERE / "consoles" / "lathe.html", console()
    for name, (title, panels) in DASHBOARDS.items():
        yield HERE / "grafana" / "dashboards" / f"{name}.json", grafana(name, title, panels)


def ask(url):
    """Every query once. A query that finds no series is an error; NaN is what a quantile of nothing is, and fine."""
    bad = 0
    for name, (_, panels) in DASHBOARDS.items():
        for heading, _, _, queries, _ in panels:
            for query, _ in queries:
                text = query.replace("$node", ".*")
                full = f"{url.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': text})}"
                with urllib.request.urlopen(full, timeout=10) as answer:
                    result = json.load(answer)["data"]["result"]
                values = [float(sample["value"][1]) for sample in result]
                numbers = [value for value in values if not math.isnan(value)]
                state = f"{len(values)} series" if values else "NO DATA"
                bad += not values
                newest = f"{numbers[0]:.6g}" if numbers else "-"
                print(f"{name:12} {heading[:34]:34} {state:12} {newest}")
    print(f"{bad} queries without data" if bad else "every query has data")
    return 1 if bad else 0


def main(arguments):
    match arguments:
        case ["write"]:
            for path, text in files():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return 0
        case ["verify"]:
            stale = [str(path) for path, text in files() if not path.exists() or path.read_text() != text]
            print("\n".join(f"{path}: run contrib/monitoring/dashboards.py write" for path in stale) or "dashboards are as written")
            return 1 if stale else 0
        case ["ask", url]:
            return ask(url)
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
