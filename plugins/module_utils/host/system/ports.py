# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of this host."""

from __future__ import annotations

import os

from ..launch import health


def listening(low, high, root="/proc"):
    """The ports from ``low`` to ``high`` on which somebody listens, sorted."""
    ports = set()
    for name in ("tcp", "tcp6"):
        try:
            with open(os.path.join(root, "net", name)) as file:
                ports.update(port for port, _inode in health.parse_listening(file) if low <= port <= high)
        except OSError:
            continue
    return sorted(ports)


def holder(port, engine=0, root="/proc"):
    """``pid 123 (name)`` of who listens on ``port``, ``an unknown process``, or None when nobody does but the process ``engine``."""
    inodes = health.listening_inodes(port, root)
    if not inodes or engine and health.owns_socket(engine, inodes, root):
        return None
    for name in sorted(filter(str.isdigit, os.listdir(root)), key=int):
        if health.holds_socket(int(name), inodes, root):
            return "pid %s (%s)" % (name, _command(name, root))
    return "an unknown process"


def _command(pid, root):
    try:
        with open(os.path.join(root, pid, "comm")) as file:
            return file.read().strip()
    except OSError:
        return "ended meanwhile"
