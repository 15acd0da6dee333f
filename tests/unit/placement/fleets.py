# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small fleets for tests of the planner: definitions, host reports, models, and what a fleet looks like after a plan was carried out."""

from __future__ import annotations

import copy

from ansible_collections.modelfleet.serving.plugins.module_utils.common.registry_document import registry_document

MIB = 1024 ** 2
GIB = 1024 ** 3
LAUNCHERS = {"llama_cpp": "0123456789abcdef", "vllm": "fedcba9876543210"}


def metadata(size=1024 * MIB, layers=8, context=4096, category="llm", **fields):
    """Metadata of a model with ``size`` bytes of weights; its cache takes 16 MiB a layer at 4096 tokens."""
    part = size // (layers + 2)
    return {
        "format": "gguf", "architecture": "llama", "name": "test", "parameters": size, "layers": layers, "heads": 8, "kv_heads": 8,
        "head_dim_k": 128, "head_dim_v": 128, "embedding_length": 1024, "feed_forward_length": 4096, "vocab_size": 32000,
        "context": context, "quantization": "Q4_K_M", "weights_bytes": size, "file_bytes": size,
        "files": [{"path": "/srv/model.gguf", "bytes": size}], "layer_bytes": [part] * layers, "input_bytes": part,
        "output_bytes": size - part * (layers + 1), "tied": False, "experts": 0, "sliding_window": None, "pooling": None,
        "has_chat_template": True, "fingerprint": "sha256:%d-%d-%d" % (size, layers, context), "category": category,
        "categories": [category], "category_rule": "no other rule fits", **fields,
    }


def definition(name="qwen3", replicas=1, **fields):
    """A normalized definition. ``replicas`` is a number or a map; ``placement``, ``update`` and ``restart`` are merged into defaults."""
    placement = {"strategy": "spread", "host_labels": {}, "gpus": [], "cpu_offload": True, **fields.pop("placement", {})}
    update = {"max_unavailable": 1, "max_surge": 0, **fields.pop("update", {})}
    restart = {"on_error": True, "max_delay": 300, **fields.pop("restart", {})}
    return {
        "name": name, "file": "deployments/%s.yml" % name, "source": {"path": "/srv/model.gguf"},
        "replicas": {"count": replicas} if isinstance(replicas, int) else replicas, "backend": "auto", "backend_version": None,
        "backend_packages": [], "backend_executable": None, "parameters": [], "env": {}, "secrets": {}, "aliases": [], "description": "", "categories": [],
        "placement": placement, "restart": restart, "update": update, **fields,
    }


def gpu(host, index, total=24 * GIB, foreign=0, vendor="nvidia", problem=None):
    uuid = "declared:%s:%d" % (host, index) if vendor == "declared" else "GPU-%s-%d" % (host, index)
    return {"uuid": uuid, "index": index, "vendor": vendor, "name": "card", "memory_total": total, "memory_used": None,
            "memory_foreign": foreign, "problem": problem}


def host(name, ram=64 * GIB, gpus=(), labels=None, **fields):
    """A host report without instances."""
    config = {
        "labels": labels or {}, "reserved_ram": 2 * GIB, "reserved_gpu": 512 * MIB, "port_range": [41000, 41999],
        "data_dir": "/var/lib/modelfleet", "cache_dir": "/var/lib/modelfleet/models", "log_dir": "/var/log/modelfleet",
        "user": "modelfleet", "wheel_dir": "", "maintenance": False, **fields.pop("config", {}),
    }
    return {
        "name": name, "address": "10.0.0.%d" % (sum(map(ord, name)) % 250), "config": config, "python": "/usr/bin/python3",
        "python_version": "3.11.2",
        "system": {"os": "debian", "os_version": "12", "arch": "x86_64", "kernel": "6.1", "cpus": 8, "boot_id": "b",
                   "service_manager": "systemd", "service_manager_version": "252"},
        "memory": {"ram_total": ram, "ram_available": ram, "ram_foreign": 0},
        "disk": {"cache_free": 100 * GIB, "data_free": 100 * GIB}, "ports": [], "gpus": list(gpus), "backends": {}, "instances": [],
        "setup": None, "problems": [], "remarks": [], "fence": {"generation": 0, "digest": ""}, "fleet": None, "lease": None, "router": None, **fields,
    }


def request(definitions, hosts, routers=(), model=None, lost=None, **options):
    """A request for make_plan. ``hosts``: reports; ``model``: metadata that every host has, or {deployment: metadata}."""
    by_name = {report["name"]: report for report in hosts}
    model = model or metadata()
    models = {name: {item["name"]: {
        "path": "/srv/model.gguf", "found": True, "error": None, "metadata": model.get(item["name"], model),
    } for item in definitions} for name in by_name}
    return {
        "fleet": "demo", "run": "run-1", "deployments": list(definitions), "hosts": by_name, "inventory": sorted(by_name),
        "routers": sorted(routers), "router_reports": {name: by_name.get(name) for name in routers}, "lost": lost or {},
        "models": models, "secret_digests": {}, "launchers": LAUNCHERS, "router_setups": {},
        "options": {"refresh": False, "replace_hosts": [], "remove": None, "routers_lost": "stop", **options},
    }


def applied(plan, asked):
    """The request again after ``plan`` was carried out on the hosts of the request ``asked``: all started and healthy."""
    after = copy.deepcopy(asked)
    reports = {name: report for name, report in {**after["router_reports"], **after["hosts"]}.items() if report}
    for wave in plan["waves"]:
        carry_out_wave(wave, reports)
    for name, needed in plan["hosts"].items():
        for build in needed["backends"]:
            reports[name]["backends"].setdefault(build["backend"], []).append(build["build"])
    if plan["changed"]:
        for report in reports.values():
            report["fleet"] = copy.deepcopy(plan["final"])
        for name in plan["routers"]:
            if after["router_reports"].get(name):
                report = after["router_reports"][name]
                report["router"] = {"version": "0.1.0", "setup": after["router_setups"].get(name), "status": None,
                                    "registry": registry_document(plan, len(plan["waves"]), "final")}
                if after["hosts"].get(name):
                    after["hosts"][name]["router"] = report["router"]
    return after


def carry_out_wave(wave, reports):
    for name, at in wave["hosts"].items():
        live = {(item["record"]["fleet"], item["record"]["instance"]): item for item in reports[name]["instances"]}
        for identifier in at["absent"]:
            live.pop(("demo", identifier))
        for record in at["present"]:
            live[("demo", record["instance"])] = running(record)
        reports[name]["instances"] = [live[key] for key in sorted(live)]
        reports[name]["ports"] = sorted(item["record"]["port"] for item in live.values() if item["state"] == "active")


def running(record, state="active", healthy=True):
    return {"record": copy.deepcopy(record), "state": state, "healthy": healthy, "pid": 100, "since": 1, "restarts": 0, "next_try": None,
            "last_exit": None}


def actions(plan):
    """{id: action} without what is kept."""
    return {action["instance"]: action["action"] for action in plan["actions"] if action["action"] != "keep"}
