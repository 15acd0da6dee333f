# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where on a host an instance fits, or why it does not."""

from __future__ import annotations

from dataclasses import dataclass

from .units import human, human_free

FULL_GPU, PARTLY_GPU, CPU = range(3)


@dataclass(frozen=True)
class Candidate:
    """A place. ``layers`` on the GPU (0 on the CPU); ``claim``: bytes; ``share``: about what stays free there, in
    millionths; ``tier``: best first.
    """

    host: str
    gpus: tuple
    index: int
    layers: int
    claim: dict
    tier: int
    share: int


@dataclass(frozen=True)
class Refusal:
    """Why an instance cannot be on a host. ``kind``: host, labels, pins, offload, model, parameters, port or memory. ``needed``: {ram, gpu} or None."""

    host: str
    kind: str
    why: str
    needed: object = None


def candidates(need, host, ledger, gpu=None, staying=False):
    """``(places, None)`` or ``([], Refusal)``.

    ``gpu``: only this one (a uuid); ``staying``: for an instance that is already on this host, which may be closed for new ones.
    """
    if host.obstacle and not staying:
        return [], Refusal(host.name, "host", host.obstacle)
    mismatch = need.label_mismatch(host)
    if mismatch:
        return [], Refusal(host.name, "labels", mismatch)
    metadata, _path, backend, why = need.on(host.name)
    if why:
        return [], Refusal(host.name, "model", why)
    unfit = backend.obstacle(need.parameters, metadata)
    if unfit:
        return [], Refusal(host.name, "parameters", unfit)
    if not staying and ledger.free_port(host.name) is None:
        return [], Refusal(host.name, "port", "no port is free in modelfleet_port_range %d-%d" % host.port_range)
    gpus, refusal = _usable_gpus(need, host, gpu)
    if refusal:
        return [], refusal
    fixed = backend.fixed_layers(need.parameters, metadata)
    if not gpus or fixed == 0:
        return _on_cpu(need, host, ledger, metadata, backend)
    return _on_gpus(need, host, ledger, metadata, backend, gpus, fixed)


def layers_of_claim(need, metadata, backend, gpu, gpu_bytes):
    """The layers that a recorded claim of ``gpu_bytes`` has on ``gpu``: the most whose estimate is not above it."""
    fixed = backend.fixed_layers(need.parameters, metadata)
    if fixed is not None:
        return fixed
    return _most_layers(need, metadata, backend, backend.most_layers(metadata), gpu.total, lambda memory: memory["gpus"][0] <= gpu_bytes)


def claim_on(memory, cpu_memory, gpu):
    """The claim of an estimate on ``gpu``. On a declared GPU the engine really runs on the CPU and takes RAM besides."""
    ram = max(memory["ram"], cpu_memory["ram"]) if gpu.declared else memory["ram"]
    return {"ram": ram, "gpus": {gpu.uuid: memory["gpus"][0]}}


def _usable_gpus(need, host, gpu):
    """The GPUs that come into question, or a Refusal. No GPU and no refusal: the CPU."""
    present = host.gpus_by_index()
    pins = need.pinned(host)
    if pins is not None:
        missing = [index for index in pins if index not in [found.index for found in present]]
        if not pins:
            return [], Refusal(host.name, "pins", "placement.gpus names no GPU of it")
        if len(missing) == len(pins):
            have = ", ".join(str(found.index) for found in present) or "none"
            return [], Refusal(host.name, "pins", "it has no GPU %s (it has: %s)" % (", ".join(map(str, missing)), have))
        present = [found for found in present if found.index in pins]
    if gpu is not None:
        present = [found for found in present if found.uuid == gpu]
    if present:
        working = [found for found in present if not found.problem]
        if not working:
            return [], Refusal(host.name, "host", "; ".join("GPU %d: %s" % (found.index, found.problem) for found in present))
        return working, None
    if not need.placement["cpu_offload"]:
        return [], Refusal(host.name, "offload", "it has no GPU, and placement.cpu_offload is off")
    return [], None


def _on_cpu(need, host, ledger, metadata, backend):
    memory = need.memory(metadata, backend, None)
    free = ledger.free_ram(host.name)
    if memory["ram"] > free:
        why = "%s of RAM needed, %s free" % (human(memory["ram"]), human_free(free))
        return [], Refusal(host.name, "memory", why, {"ram": memory["ram"], "gpu": 0})
    share = _millionths(ledger.roughly_free_ram(host.name) - memory["ram"], host.ram_total)
    return [Candidate(host.name, (), -1, 0, {"ram": memory["ram"], "gpus": {}}, CPU, share)], None


def _on_gpus(need, host, ledger, metadata, backend, gpus, fixed):
    most = backend.most_layers(metadata) if fixed is None else fixed
    cpu_memory = need.memory(metadata, backend, None)
    ram = ledger.free_ram(host.name)

    def place(gpu, layers, tier):
        claim = claim_on(need.memory(metadata, backend, layers, gpu.total), cpu_memory, gpu)
        left = ledger.free_gpu(host.name, gpu.uuid) - claim["gpus"][gpu.uuid]
        if left < 0 or claim["ram"] > ram:
            return None
        return Candidate(host.name, (gpu.uuid,), gpu.index, layers, claim, tier, _millionths(left, gpu.total))

    found = [place(gpu, most, FULL_GPU) for gpu in gpus]
    if not any(found) and fixed is None and need.placement["cpu_offload"]:
        found = [_partly(need, metadata, backend, most, gpu, ledger.free_gpu(host.name, gpu.uuid), place) for gpu in gpus]
    found = [candidate for candidate in found if candidate]
    if found:
        return found, None
    emptiest = max(gpus, key=lambda gpu: ledger.free_gpu(host.name, gpu.uuid))
    memory = need.memory(metadata, backend, most, emptiest.total)
    return [], Refusal(host.name, "memory", _too_full(host, ledger, gpus, emptiest, memory, cpu_memory),
                       {"ram": memory["ram"], "gpu": memory["gpus"][0]})


def _millionths(part, whole):
    return part * 1000000 // whole


def _partly(need, metadata, backend, most, gpu, free, place):
    """As many layers on ``gpu`` as fit, at least one."""
    layers = _most_layers(need, metadata, backend, most - 1, gpu.total, lambda memory: memory["gpus"][0] <= free)
    return place(gpu, layers, PARTLY_GPU) if layers else None


def _most_layers(need, metadata, backend, high, total, fits):
    """The most layers from 1 to ``high`` whose estimate on a GPU of ``total`` bytes ``fits``, 0 for none. It grows with the layers."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if fits(need.memory(metadata, backend, middle, total)):
            low = middle
        else:
            high = middle - 1
    return low


def _too_full(host, ledger, gpus, emptiest, memory, cpu_memory):
    best = ledger.free_gpu(host.name, emptiest.uuid)
    if memory["gpus"][0] > best:
        text = "%s needed on one GPU, at most %s free" % (human(memory["gpus"][0]), human_free(best))
        return text + (" (one instance uses one GPU)" if len(gpus) > 1 else "")
    ram = cpu_memory["ram"] if all(gpu.declared for gpu in gpus) else memory["ram"]
    return "%s of RAM needed, %s free" % (human(ram), human_free(ledger.free_ram(host.name)))
