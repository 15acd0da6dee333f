# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet is doing now, as data: hosts, GPUs, deployments, instances, routers."""

from __future__ import annotations

from .actual import Actual
from .hosts import read_hosts
from .ledger import Ledger


def overview(request, now):
    """The state of the fleet, JSON to JSON. ``now``: epoch seconds.

    ``request``: {fleet, inventory, routers, hosts, router_reports, lost} as for make_plan. Returns {fleet, generation, hosts, deployments,
    instances, routers, leases, overrides}; sizes are bytes, times seconds.
    """
    request = {**request, "options": {"replace_hosts": []}}
    hosts = read_hosts(request)
    actual = Actual(request, hosts)
    ledger = Ledger(hosts)
    actual.fill(ledger, hosts)
    everything = sorted(list(actual.replicas.values()) + actual.duplicates, key=lambda item: (item.deployment, item.ordinal, item.host))
    return {
        "fleet": request["fleet"],
        "generation": actual.generation,
        "hosts": [_host(request["hosts"][name], host, ledger) for name, host in hosts.items()]
        + [_unseen(name, why) for name, why in actual.unseen.items()],
        "deployments": _deployments(actual),
        "instances": [_instance(replica, request, actual, now) for replica in everything],
        "routers": [_router(name, request) for name in sorted(request["routers"])],
        "leases": _leases(request),
        "overrides": actual.fleet["overrides"],
    }


def _host(report, host, ledger):
    return {
        "name": host.name,
        "state": "not ready" if host.obstacle else "ready",
        "reason": host.obstacle or "; ".join(host.remarks) or None,
        "address": host.address,
        "service_manager": report["system"]["service_manager"],
        "service_manager_version": report["system"]["service_manager_version"],
        "ram": {"total": host.ram_total, "claimed": ledger.claimed_ram(host.name), "free": ledger.free_ram(host.name)},
        "gpus": [{
            "index": gpu.index, "uuid": gpu.uuid, "vendor": gpu.vendor, "name": gpu.name, "problem": gpu.problem, "total": gpu.total,
            "used": gpu.used, "foreign": gpu.foreign, "claimed": ledger.claimed_gpu(host.name, gpu.uuid),
            "free": ledger.free_gpu(host.name, gpu.uuid),
        } for gpu in host.gpus_by_index()],
    }


def _unseen(name, why):
    return {"name": name, "state": "unreachable" if "reached" in why else "not seen", "reason": why, "address": None,
            "service_manager": None, "service_manager_version": None, "ram": None, "gpus": []}


def _deployments(actual):
    """Every deployment that fleet.json or an instance names."""
    names = set(actual.fleet["deployments"]) | {replica.deployment for replica in actual.replicas.values()}
    found = []
    for name in sorted(names):
        entry = actual.fleet["deployments"].get(name, {})
        definition = entry.get("applying") or entry.get("applied")
        mine = [replica for replica in actual.replicas.values() if replica.deployment == name]
        if definition or mine:
            found.append({
                "name": name,
                "replicas": definition["replicas"] if definition else None,
                "instances": len(mine),
                "serving": sum(replica.serving for replica in mine),
                "state": "removed" if not definition else "being applied" if entry.get("applying") else "applied",
            })
    return found


def _instance(replica, request, actual, now):
    live = {}
    if replica.seen:
        live = next(item for item in request["hosts"][replica.host]["instances"] if item["record"] is replica.record)
    seen = {gpu["uuid"]: gpu["index"] for gpu in ((request["hosts"].get(replica.host) or {}).get("gpus") or [])}
    return {
        "id": replica.id,
        "deployment": replica.deployment,
        "host": replica.host,
        "gpus": [seen.get(uuid, uuid) for uuid in replica.entry["gpus"]],
        "port": replica.port,
        "state": replica.state or "not seen",
        "healthy": replica.healthy,
        "uptime": int(now - live["since"]) if live.get("since") else None,
        "restarts": live.get("restarts"),
        "next_try": max(0, int(live["next_try"] - now)) if live.get("next_try") else None,
        "last_exit": live.get("last_exit"),
        "claim": replica.claim,
        "duplicate": replica in actual.duplicates,
    }


def _router(name, request):
    report = request["router_reports"].get(name)
    if not report:
        return {"name": name, "state": "unreachable", "version": None, "generation": None, "revision": None, "workers": None,
                "refused": None}
    router = report["router"] or {}
    status, registry = router.get("status"), router.get("registry") or {}
    state = "running" if status else "not answering" if router.get("version") else "not installed"
    return {
        "name": name,
        "state": state,
        "version": router.get("version"),
        "generation": (status or registry).get("generation"),
        "revision": (status or registry).get("revision"),
        "workers": len(status["workers"]) if status else None,
        "refused": status["refused"] if status else None,
    }


def _leases(request):
    """{host: lease} of runs that are changing the fleet now."""
    reports = {**request["router_reports"], **request["hosts"]}
    return {name: report["lease"] for name, report in sorted(reports.items()) if report and report["lease"]}
