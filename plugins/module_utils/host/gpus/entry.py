# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is reported of every GPU, and whose memory is in use on it. Everything in bytes."""

from __future__ import annotations

from collections import namedtuple

# What vendors need to look at a host. host: its name; declared: modelfleet_gpus; engines: [Engine] on it; user: who runs engines;
# root: where the file system begins, for tests.
Scan = namedtuple("Scan", "host declared engines user root")

# gpus: [entry]; problems: sentences for which nothing new is placed on the host; remarks: sentences worth reading, nothing more.
Found = namedtuple("Found", "gpus problems remarks")

# One of our instances. pids: its processes; loaded: whether it has taken its memory; claims: {uuid: bytes}.
Engine = namedtuple("Engine", "pids loaded claims")


def entry(uuid, index, vendor, name, **known):
    """The report of one GPU; None is what nobody can tell. ``index`` is the vendor's own, ``problem`` a sentence that keeps plans away."""
    return dict({
        "uuid": uuid,
        "index": index,
        "vendor": vendor,
        "name": name,
        "memory_total": None,
        "memory_used": None,
        "memory_foreign": None,
        "compute_capability": None,
        "driver_version": None,
        "cuda_version": None,
        "mig": False,
        "problem": None,
    }, **known)


def foreign_memory(uuid, used, processes, engines):
    """What is in use on a GPU (``used``, with what the driver keeps for itself) and not by our engines; None where ``used`` is.

    ``processes``: {pid: bytes, or None where the driver does not tell}. An engine with a claim here counts with what its processes use. Where the driver does
    not tell that (it hides processes in containers, sizes in virtual machines), one that has loaded counts with its claim: then what a plan
    takes for free is never more than what is free at this moment. One that still loads counts with nothing, so its part is taken
    for foreign: too much rather than too little.
    """
    if used is None:
        return None
    ours = 0
    for engine in engines:
        if uuid not in engine.claims:
            continue
        told = [processes[pid] for pid in engine.pids if pid in processes]
        if told and None not in told:
            ours += sum(told)
        elif engine.loaded:
            ours += engine.claims[uuid]
    return max(0, used - ours)
