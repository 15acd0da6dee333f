# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something could not be placed, with the numbers, and what would make it fit."""

from __future__ import annotations

from .advice import advice
from .fit import candidates
from .units import human, listed


def pending_entry(need, instance, slot, world, unseen, subject=None):
    """An entry of the plan's ``pending``: {deployment, instance, reason, needed, hosts: [{host, why, ram, gpus}], advice: [sentence]}.

    ``slot``: where it may be; ``unseen``: {host: why} of hosts that were not asked; ``subject``: what a replica that exists wants.
    Sizes are bytes; ``needed`` is {ram, gpu} for all layers on one GPU and {cpu_ram} without one, or None where no host has the model.
    """
    hosts, refusals = [], []
    for name, host in world.hosts.items():
        if slot.host in (None, name):
            _places, refusal = candidates(need, host, world.ledger, slot.gpu)
            if refusal:
                refusals.append(refusal)
                hosts.append({"host": name, "why": refusal.why, **_numbers(host, world.ledger)})
    hosts += [{"host": name, "why": why, "ram": None, "gpus": []} for name, why in sorted(unseen.items()) if slot.host in (None, name)]
    return {
        "deployment": need.name,
        "instance": instance,
        "reason": _reason(subject, hosts, refusals),
        "needed": _needed(need),
        "hosts": hosts,
        "advice": advice(need, world, slot, refusals),
    }


def _reason(subject, hosts, refusals):
    kinds = {refusal.kind for refusal in refusals}
    prefix = "%s, but " % subject if subject else ""
    if not hosts:
        return prefix + "there is no host in gpu_hosts"
    if not refusals:
        return prefix + "no host can be seen"
    single = {
        "memory": "no host has enough free memory",
        "labels": "no host has the labels that placement.host_labels names",
        "pins": "none of the GPUs in placement.gpus is there",
        "offload": "no host has a GPU, and placement.cpu_offload is off",
        "model": "no host has the model",
        "parameters": "the definition has to change",
        "port": "no host has a free port",
        "host": "no host takes new instances",
    }
    if len(kinds) == 1:
        return prefix + single[kinds.pop()]
    return prefix + "no host suits it"


def _needed(need):
    metadata, backend = need.any_metadata()
    if metadata is None:
        return None
    fixed = backend.fixed_layers(need.parameters, metadata)
    layers = backend.most_layers(metadata) if fixed is None else fixed
    full = need.memory(metadata, backend, layers)
    cpu = need.memory(metadata, backend, None)
    return {"ram": full["ram"], "gpu": full["gpus"][0], "cpu_ram": cpu["ram"], "parts": full["parts"], "formula": full["formula"]}


def _numbers(host, ledger):
    """What the host has, in bytes."""
    return {
        "ram": {
            "total": host.ram_total,
            "free": ledger.free_ram(host.name),
            "reserved": host.ram_reserved,
            "claimed": ledger.claimed_ram(host.name),
            "foreign": host.ram_foreign,
        },
        "gpus": [{
            "index": gpu.index,
            "uuid": gpu.uuid,
            "problem": gpu.problem,
            "total": gpu.total,
            "free": ledger.free_gpu(host.name, gpu.uuid),
            "reserved": gpu.reserved,
            "claimed": ledger.claimed_gpu(host.name, gpu.uuid),
            "foreign": gpu.foreign,
        } for gpu in host.gpus_by_index()],
    }


def budget_reason(rollout, work):
    """Why a replica that serves could not be changed in this run."""
    if work.obstacle == "surge":
        return "%s, but update.max_surge is used up by replicas that could not be stopped" % work.reason
    down = ["%s on %s" % (replica.id, replica.host) for replica in rollout.unavailable]
    most = rollout.need.definition["update"]["max_unavailable"]
    text = "%s, but update.max_unavailable is %d and " % (work.reason, most)
    if down:
        return text + "%s %s already down or cannot be reached" % (listed(sorted(down)), "is" if len(down) == 1 else "are")
    return text + "too few replicas serve"


def describe_needed(needed):
    """``5.2 GiB on a GPU and 600 MiB of RAM, or 5.6 GiB of RAM``."""
    if needed["gpu"]:
        return "%s on a GPU and %s of RAM, or %s of RAM on a host without GPUs" % (
            human(needed["gpu"]), human(needed["ram"]), human(needed["cpu_ram"]))
    return "%s of RAM" % human(needed["cpu_ram"])
