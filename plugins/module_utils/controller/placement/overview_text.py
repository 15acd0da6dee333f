# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a fleet as people read it."""

from __future__ import annotations

from .units import human, human_free


def overview_text(state):
    """Lines for the value of overview()."""
    lines = ["Fleet %s, generation %d" % (state["fleet"], state["generation"])]
    lines += _table("Hosts", ("host", "state", "services", "RAM free", "claimed", "GPUs", ""), [_host(host) for host in state["hosts"]])
    gpus = [_gpu(host, gpu) for host in state["hosts"] for gpu in host["gpus"]]
    lines += _table("GPUs", ("host", "gpu", "name", "free", "claimed", "used", "by others", "total", ""), gpus)
    lines += _table("Deployments", ("deployment", "wanted", "instances", "serving", "state"),
                    [_deployment(deployment) for deployment in state["deployments"]])
    lines += _table("Instances", ("instance", "host", "place", "port", "state", "up", "restarts", "claim", ""),
                    [_instance(instance) for instance in state["instances"]])
    lines += _table("Routers", ("router", "state", "version", "registry", "workers", ""), [_router(router) for router in state["routers"]])
    notes = ["%s: run %s of %s is changing the fleet" % (host, lease["run"], lease["holder"]) for host, lease in state["leases"].items()]
    notes += ["an override is in force for %s" % name for name in sorted(state["overrides"])]
    return lines + (["", "Notes"] + ["  %s" % note for note in notes] if notes else [])


def duration(seconds):
    """``45 s``, ``12 min``, ``3 h``, ``5 d``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return "%d %s" % (seconds // size, unit)
    return "%d s" % seconds


def _host(host):
    services = "%s %s" % (host["service_manager"], host["service_manager_version"]) if host["service_manager"] else "-"
    if not host["ram"]:
        return host["name"], host["state"], services, "-", "-", "-", host["reason"] or ""
    return (host["name"], host["state"], services, human_free(host["ram"]["free"]), human(host["ram"]["claimed"]),
            str(len(host["gpus"])), host["reason"] or "")


def _gpu(host, gpu):
    """``used`` is what is in use now, by engines and others; it is not known of a declared GPU and of one that does not answer."""
    if not gpu["total"]:
        return host["name"], str(gpu["index"]), gpu["name"], "-", human(gpu["claimed"]), "-", "-", "-", gpu["problem"] or ""
    used, others = ("-", "-") if gpu["used"] is None else (human(gpu["used"]), human(gpu["foreign"]))
    free = "-" if gpu["problem"] else human_free(gpu["free"])
    return host["name"], str(gpu["index"]), gpu["name"], free, human(gpu["claimed"]), used, others, human(gpu["total"]), gpu["problem"] or ""


def _deployment(deployment):
    wanted = deployment["replicas"] or {}
    text = "%d" % wanted["count"] if "count" in wanted else ", ".join("%d %s" % (number, key.replace("_", " "))
                                                                      for key, number in sorted(wanted.items())) or "-"
    return deployment["name"], text, str(deployment["instances"]), str(deployment["serving"]), deployment["state"]


def _instance(instance):
    unhealthy = instance["state"] == "active" and instance["healthy"] is False
    remarks = []
    if instance["duplicate"]:
        remarks.append("a second one with this id: the next deploy stops it")
    if instance["next_try"] is not None:
        remarks.append("next try in %s" % duration(instance["next_try"]))
    if instance["last_exit"]:
        remarks.append("last exit: %s" % instance["last_exit"])
    on_gpu = sum(instance["claim"]["gpus"].values())
    claim = ("%s + " % human(on_gpu) if on_gpu else "") + "%s RAM" % human(instance["claim"]["ram"])
    return (
        instance["id"], instance["host"], ", ".join("gpu %s" % gpu for gpu in instance["gpus"]) or "cpu", str(instance["port"]),
        "unhealthy" if unhealthy else instance["state"].replace("_", " "),
        duration(instance["uptime"]) if instance["uptime"] is not None else "-",
        "-" if instance["restarts"] is None else str(instance["restarts"]), claim, "; ".join(remarks),
    )


def _router(router):
    registry = "-" if router["generation"] is None else "%d.%d" % (router["generation"], router["revision"])
    return (router["name"], router["state"], router["version"] or "-", registry,
            "-" if router["workers"] is None else str(router["workers"]), router["refused"] or "")


def _table(title, head, rows):
    """A titled table with aligned columns, nothing for no rows."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in [head] + rows) for column in range(len(head))]
    return ["", title] + ["  %s" % "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [head] + rows]
