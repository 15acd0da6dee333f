"""A control group of its own for each host: without it, the hosts' units of the same name would share one."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = ("cpuset",)
"""Version 1 controllers in which a new group cannot hold processes before it is configured."""


def _hierarchies():
    with open("/proc/mounts") as mounts:
        for line in mounts:
            _, path, kind = line.split()[:3]
            if kind in ("cgroup", "cgroup2") and os.path.basename(path) not in SHARED:
                yield Path(path)


def enter(name):
    """Moves the calling process into the group ``name`` of every hierarchy."""
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))


def remove(name):
    """Removes the group and what a host made below it. Its processes have ended."""
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            os.rmdir(folder)
