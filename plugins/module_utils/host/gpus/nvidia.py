# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA GPUs: through NVML where the host's Python has `pynvml`, else through nvidia-smi."""

from __future__ import annotations

from ..system.apart import Crashed, TooSlow, call_apart
from . import nvidia_cards, nvidia_health, nvidia_nvml, nvidia_smi, nvidia_trouble
from .entry import Found, entry, foreign_memory
from .nvidia_reading import HANGS, NO_LIBRARY, NO_READER, Unanswered, Unusable, reading
from .nvidia_xid import kernel_lines, serious_xids

VENDOR = "nvidia"
TIMEOUT = 20
"""Seconds for NVML, which without persistence mode first wakes every card up."""

_UNUSED = "the driver does not use it: it could not be started, or is too old for it (look for NVRM in the kernel's log, dmesg)"


def find(scan):
    """Found. A host without NVIDIA hardware costs a look at a few files."""
    cards = nvidia_cards.cards(scan.root)
    running = nvidia_cards.is_loaded(scan.root) or nvidia_cards.is_wsl(scan.root) or nvidia_cards.has_device_files(scan.root)
    library = nvidia_cards.library_loads()
    if not (cards or running or library):
        return Found([], [], [])
    program = nvidia_smi.find_program()
    if not (running or library or program):
        remark = nvidia_trouble.without_driver(cards)
        return Found([], [], [remark] if remark else [])
    try:
        seen = _read(program, library, [card.bus_id for card in cards if card.driver == VENDOR])
    except Unanswered as trouble:
        # A library or a tool that was left on a host without cards is nothing to report.
        return Found([], [nvidia_trouble.unanswered(trouble, cards, scan.root)] if cards or running else [], [])
    gpus = _entries(seen, cards, scan)
    return Found(gpus, nvidia_trouble.although_it_answers(seen, program, scan.user, scan.root) if gpus else [], [])


def _read(program, library, buses):
    """What a reader tells. Raises Unanswered."""
    nvml = nvidia_nvml.available() if library else None
    if nvml:
        try:
            return _through_nvml(nvml)
        except Unusable:
            pass
    if program:
        return nvidia_smi.read(program, buses)
    raise Unanswered(NO_READER if library else NO_LIBRARY)


def _through_nvml(nvml):
    """NVML lives in a process of its own: a sick driver lets its calls hang, and an old library may crash with a new module."""

    def ask():
        try:
            return {"seen": nvidia_nvml.read(nvml)}
        except Unanswered as trouble:
            return {"reason": trouble.reason, "detail": trouble.detail}
        except Unusable as unusable:
            return {"unusable": str(unusable)}

    try:
        answer = call_apart(ask, TIMEOUT)
    except TooSlow:
        raise Unanswered(HANGS, "NVML did not answer within %d s" % TIMEOUT)
    except Crashed:
        raise Unusable("pynvml cannot be used with this driver")
    if "unusable" in answer:
        raise Unusable(answer["unusable"])
    if "reason" in answer:
        raise Unanswered(answer["reason"], answer["detail"])
    # JSON has no numbers as keys.
    for card in answer["seen"]["cards"]:
        card["processes"] = {int(pid): size for pid, size in card["processes"].items()}
    return answer["seen"]


def _entries(seen, cards, scan):
    """The report of every card: those that the reader told of, and those on the bus of which it said nothing."""
    told = {card["bus_id"] for card in seen["cards"]}
    silent = [card.bus_id for card in cards if card.driver in (VENDOR, None) and card.bus_id not in told]
    everything = []
    for card in seen["cards"]:
        if card["bus_id"] is None and silent:
            card = dict(card, bus_id=silent.pop(0))         # both are in the order of the bus
        everything.append(card)
    everything += [reading(len(seen["cards"]) + place, bus_id=bus, ill=_UNUSED) for place, bus in enumerate(silent)]
    xids = serious_xids(kernel_lines(scan.root)) if any(card["recovery"] is None and not card["ill"] for card in everything) else {}
    ours = {pid for engine in scan.engines for pid in engine.pids}
    return [_entry(card, seen, scan, ours, xids) for card in everything]


def _entry(card, seen, scan, ours, xids):
    bus = card["bus_id"]
    uuid = card["uuid"] or (bus and nvidia_cards.uuid_at(bus, scan.root)) or "nvidia:%s" % (bus or card["index"])
    return entry(
        uuid, card["index"], VENDOR, card["name"] or "NVIDIA GPU",
        memory_total=card["total"],
        memory_used=card["used"],
        memory_foreign=foreign_memory(uuid, card["used"], card["processes"], scan.engines),
        compute_capability=card["compute_capability"],
        driver_version=seen["driver_version"],
        cuda_version=seen["cuda_version"],
        mig=card["mig"],
        problem=nvidia_health.problem(card, ours, xids),
    )
