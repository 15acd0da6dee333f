# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of this host. Everything in bytes."""

from __future__ import annotations

import os

from ..launch import health


def read_meminfo(text):
    """{"total", "available"} from the text of /proc/meminfo."""
    values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text.splitlines() if line.endswith(" kB")}
    return {"total": values["MemTotal"], "available": values["MemAvailable"]}


def memory(engine_pids, root="/proc"):
    """{ram_total, ram_available, ram_foreign}: foreign is what is in use and not by these engines or their descendants.

    Page cache counts as available, also that of model files which engines map; so of engines only anonymous and shared memory counts.
    """
    with open(os.path.join(root, "meminfo")) as file:
        seen = read_meminfo(file.read())
    members = {member for pid in engine_pids if pid for member in health.family(pid, root)}
    ours = sum(_resident(pid, root) for pid in members)
    return {
        "ram_total": seen["total"],
        "ram_available": seen["available"],
        "ram_foreign": max(0, seen["total"] - seen["available"] - ours),
    }


def _resident(pid, root):
    try:
        with open(os.path.join(root, str(pid), "status")) as file:
            lines = [line.split() for line in file if line.startswith(("RssAnon:", "RssShmem:"))]
    except OSError:
        return 0
    return sum(int(line[1]) * 1024 for line in lines)
