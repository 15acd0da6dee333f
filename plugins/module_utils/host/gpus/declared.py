# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs that the inventory declares: to plan for hardware that is not there yet, or that no tool detects."""

from __future__ import annotations

from ...common.sizes import parse_size
from .entry import Found, entry

VENDOR = "declared"
KEYS = ("memory", "name")


def find(scan):
    return Found(gpus(scan.host, scan.declared), [], [])


def gpus(host, declared):
    """The GPUs of ``modelfleet_gpus``: [{name, memory: size}]. Raises ValueError with a sentence that names the entry."""
    return [_gpu(host, index, declaration) for index, declaration in enumerate(declared)]


def _gpu(host, index, declaration):
    unknown = sorted(set(declaration) - set(KEYS))
    if unknown or "memory" not in declaration:
        have = ", ".join(sorted(declaration)) or "nothing"
        raise ValueError("modelfleet_gpus[%d] of %s needs memory and may have name, it has %s" % (index, host, have))
    try:
        total = parse_size(declaration["memory"])
    except ValueError as error:
        raise ValueError("modelfleet_gpus[%d].memory of %s: %s" % (index, host, error))
    name = str(declaration.get("name", "declared GPU"))
    return entry("declared:%s:%d" % (host, index), index, VENDOR, name, memory_total=total, memory_foreign=0)
