# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of engines: the lines of the last start, and the known cause in them."""

from __future__ import annotations

import re

START = "modelfleet: starting "
REFUSAL = "modelfleet: cannot be started: "
TAIL_BYTES = 64 * 1024


def last_start(path, limit=TAIL_BYTES):
    """The lines since the last start, from at most ``limit`` bytes at the end of the log. No log: no lines."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - limit))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    starts = [number for number, line in enumerate(lines) if line.startswith(START)]
    return lines[starts[-1]:] if starts else lines


def likely_cause(lines, patterns):
    """What the launcher itself said is wrong, else what to do by the first of ``patterns`` ({pattern, cause}) that a line matches, or None."""
    for line in lines:
        if line.startswith(REFUSAL):
            return line[len(REFUSAL):] + "."
    text = "\n".join(lines)
    for known in patterns:
        if re.search(known["pattern"], text):
            return known["cause"]
    return None
