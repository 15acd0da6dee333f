# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader of the NVIDIA driver tells: the same from NVML and from nvidia-smi."""

from __future__ import annotations

# Why the driver does not answer at all.
NOT_LOADED = "the driver is not loaded"
MISMATCH = "driver and library differ"
NO_PERMISSION = "no permission"
NO_LIBRARY = "no library"
NO_READER = "nothing to ask it with"
NO_DEVICES = "no devices"
BLOCKED = "blocked by the operating system"
HANGS = "no answer in time"
FAILED = "it failed"

# NVML's numbers, which are also the exit codes of nvidia-smi (nvml.h, nvmlReturn_t; nvidia-smi(1), return value).
REASONS = {4: NO_PERMISSION, 6: NO_DEVICES, 9: NOT_LOADED, 10: HANGS, 12: NO_LIBRARY, 17: BLOCKED, 18: MISMATCH}

# What a card answers when it is ill, and what to do.
ILL = {
    8: "its power cables are not properly attached: attach them",
    11: "the kernel has trouble with its interrupts: reboot the host",
    15: "it is lost (it has fallen off the bus): reboot the host",
    16: "it has to be reset: stop what uses it and run nvidia-smi --gpu-reset, or reboot the host",
    999: "it answers with an unknown error: reboot the host",
}


class Unanswered(Exception):
    """The driver does not answer. ``reason``: one of the words above; ``detail``: what was said, or None."""

    def __init__(self, reason, detail=None):
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Unusable(Exception):
    """This way of asking the driver is not there, or is too old; the other one may work."""


def reading(index, **known):
    """One card. Sizes in bytes; None is what the driver does not tell.

    ``processes``: {pid: bytes or None} of compute processes; ``compute_mode``: default, exclusive or prohibited; ``ecc_uncorrected``:
    errors since the driver was loaded; ``recovery``: "none", or what the driver asks for; ``fabric_ready``: whether its NVLink fabric is set up;
    ``ill``: why it does not answer as a card should, and what to do.
    """
    return dict({
        "index": index, "uuid": None, "bus_id": None, "name": None, "total": None, "used": None, "processes": {},
        "compute_capability": None, "mig": False, "compute_mode": None, "ecc_uncorrected": None, "memory_repair_pending": None,
        "memory_repair_failed": None, "recovery": None, "fabric_ready": None, "ill": None,
    }, **known)
