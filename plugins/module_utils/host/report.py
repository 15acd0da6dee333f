# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything `host_info` reports."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from .gpus.entry import Engine, Scan
from .gpus.table import find_gpus
from .launch import health
from .records.fence import fence_of
from .records.fleet_file import FleetFiles
from .records.lease import is_live
from .records.store import Store
from .router import report_router
from .services.states import ACTIVE, FAILED, STARTING, ServiceStatus, instance_state
from .services.table import Unusable, choose
from .system import machine, ports
from .system.files import Trouble, read_json
from .system.memory import memory
from .system.owner import is_root, unwritable

HEALTH_TIMEOUT = 2
"""Seconds. Longer means busy, and busy is not ill."""
NO_FENCE = {"generation": 0, "digest": ""}
"""Of a host whose records cannot be read: nothing may be changed there, since no fence is ever like this."""


def report(options, run, python, python_version):
    """The value ``host`` of docs/architecture.md. ``options``: the module's arguments with sizes and port range parsed."""
    config = options["config"]
    store = Store(config["data_dir"], config["user"])
    problems = unwritable(config["data_dir"], config["cache_dir"], config["log_dir"])
    name, manager = _service_manager(options, run, problems)
    records, troubles = store.readable_records()
    problems += troubles
    instances = live_instances(store, records, manager)
    files = FleetFiles(config["data_dir"], options["fleet"])
    fleet, lease = _readable(files.fleet, problems), _readable(files.lease, problems)
    fence = _readable(lambda: fence_of(store, fleet, options["name"]), problems) or NO_FENCE
    seen = find_gpus(Scan(options["name"], options["gpus"], _engines(instances), config["user"], "/"))
    return {
        "name": options["name"],
        "address": options["address"],
        "config": config,
        "python": python,
        "python_version": python_version,
        "system": dict(machine.describe(), root=is_root(), service_manager=name, service_manager_version=manager.version() if manager else None),
        "memory": memory([instance["pid"] for instance in instances]),
        "disk": {"cache_free": machine.free_bytes(config["cache_dir"]), "data_free": machine.free_bytes(config["data_dir"])},
        "ports": ports.listening(*config["port_range"]),
        "gpus": seen.gpus,
        "backends": installed_backends(config["data_dir"]),
        "instances": instances,
        "problems": list(dict.fromkeys(problems + seen.problems)),
        "remarks": seen.remarks,
        "fence": fence,
        "fleet": fleet,
        "lease": lease if is_live(lease, time.time()) else None,
        "router": report_router(config["data_dir"], options["fleet"], options["router_settings"], manager) if options["router"] and manager else None,
    }


def _service_manager(options, run, problems):
    """(name, service manager), or (None, None) and one problem more."""
    try:
        return choose(options["service_manager"], run, dict(options["config"], fleet=options["fleet"]))
    except Unusable as reason:
        problems.append(str(reason))
        return None, None


def _readable(read, problems):
    try:
        return read()
    except Trouble as trouble:
        problems.append(str(trouble))
        return None


def _engines(instances):
    """The instances with GPUs, as those who look for GPUs know them."""
    return [
        Engine(frozenset(health.family(live["pid"])) if live["pid"] else frozenset(), live["state"] == ACTIVE, live["record"]["claim"]["gpus"])
        for live in instances if live["record"]["claim"]["gpus"]
    ]


def installed_backends(data_dir):
    """{backend: [build]} of every complete installation."""
    found = {}
    top = os.path.join(data_dir, "backends")
    for backend in sorted(os.listdir(top)) if os.path.isdir(top) else []:
        folder = os.path.join(top, backend)
        builds = [build for build in sorted(os.listdir(folder)) if os.path.exists(os.path.join(folder, build, ".complete"))]
        if builds:
            found[backend] = builds
    return found


def live_instances(store, records, manager):
    """[{record, state, healthy, pid, since, restarts, next_try, last_exit}], health asked in parallel."""
    stems = [(record["fleet"], record["instance"]) for record in records]
    statuses = manager.status(stems) if manager else {}
    if not records:
        return []
    with ThreadPoolExecutor(max_workers=min(16, len(records))) as pool:
        return list(pool.map(lambda record: _live(store, record, statuses.get((record["fleet"], record["instance"]))), records))


def _live(store, record, status):
    status = status or ServiceStatus("stopped")
    launch = read_json(store.state_path(record["fleet"], record["instance"])) or {}
    state = instance_state(status, launch, time.time())
    return {
        "record": record,
        "state": state,
        "healthy": is_healthy(record, status.pid) if state == ACTIVE else None if state == STARTING else False,
        "pid": status.pid,
        "since": launch.get("started_at") if state in (ACTIVE, STARTING) else None,
        "restarts": launch.get("restarts", 0),
        "next_try": launch.get("next_try") if state not in (ACTIVE, STARTING, FAILED) else None,
        "last_exit": status.last_exit(launch),
    }


def is_healthy(record, pid):
    """Whether the engine answers, or is too busy to."""
    member = record["members"][record["member"]]
    answer = health.check(pid, member["address"], member["port"], record["spec"]["health"]["path"], HEALTH_TIMEOUT)
    return answer in (health.HEALTHY, health.BUSY)
