# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of engines: the lines of the last start, and the known cause in them."""

from __future__ import annotations

import re

START = "modelfleet: starting "
REFUSAL = "modelfleet: cannot be started: "
TAIL_BYTES = 1024 * 1024
"""The root cause is often far above the end: every process of an engine writes its own traceback after it, tens of KiB with several GPUs."""
SHOWN_CHARACTERS = 400
"""Of a line. Some are whole configurations or lists of everything that is supported."""


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
    """``(cause, line)``: what to do, and the line of the log that says so; ``(None, None)`` where nothing is recognised.

    What the launcher itself said is wrong comes first (there is no line then: the cause is it), else the first of ``patterns`` ({pattern, cause}) that
    a line matches. ``{name}`` in a cause stands for the pattern's group of that name. Of several lines the last counts: a traceback shows the
    statement that makes a message, with its names instead of its values, before the message itself.
    """
    for line in lines:
        if line.startswith(REFUSAL):
            return line[len(REFUSAL):] + ".", None
    text = "\n".join(lines)
    for known in patterns:
        matches = list(re.finditer(known["pattern"], text))
        if matches:
            return _filled(known["cause"], matches[-1]), shown(_line_of(text, matches[-1]).strip())
    return None, None


def shown(line):
    """The line as people are shown it: not longer than SHOWN_CHARACTERS."""
    line = line.rstrip()
    return line if len(line) <= SHOWN_CHARACTERS else line[:SHOWN_CHARACTERS] + " ..."


def _filled(cause, match):
    for name, found in match.groupdict().items():
        cause = cause.replace("{%s}" % name, found or "")
    return cause


def _line_of(text, match):
    """The line in which the match begins."""
    end = text.find("\n", match.start())
    return text[text.rfind("\n", 0, match.start()) + 1:end if end >= 0 else len(text)]
