# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs that the inventory declares: to plan for hardware that is not there yet, or that no tool detects."""

from __future__ import annotations

from ...common.sizes import parse_size

VENDOR = "declared"
KEYS = ("memory", "name")


def gpus(host, declared):
    """The GPUs of ``modelfleet_gpus``: [{name, memory: size}]. Raises ValueError with a sentence that names the entry."""
    return [_gpu(host, index, entry) for index, entry in enumerate(declared)]


def _gpu(host, index, entry):
    unknown = sorted(set(entry) - set(KEYS))
    if unknown or "memory" not in entry:
        raise ValueError("modelfleet_gpus[%d] of %s needs memory and may have name, it has %s" % (index, host, ", ".join(sorted(entry)) or "nothing"))
    try:
        total = parse_size(entry["memory"])
    except ValueError as error:
        raise ValueError("modelfleet_gpus[%d].memory of %s: %s" % (index, host, error))
    return {
        "uuid": "declared:%s:%d" % (host, index),
        "index": index,
        "vendor": VENDOR,
        "name": str(entry.get("name", "declared GPU")),
        "memory_total": total,
        "memory_foreign": 0,
        "problem": None,
    }
