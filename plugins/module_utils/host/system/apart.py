# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls into libraries that may hang or crash: in a process of their own, with a limit."""

from __future__ import annotations

import json
import os
import select
import signal
import time


class TooSlow(Exception):
    """There was no answer in time."""


class Crashed(Exception):
    """The process ended without an answer."""


def call_apart(function, seconds):
    """What ``function()`` returns (as JSON), from a forked process. Raises TooSlow or Crashed; the process is then left behind, killed."""
    here, there = os.pipe()
    child = os.fork()
    if not child:
        _answer(function, there)
    os.close(there)
    try:
        text = _read(here, time.monotonic() + seconds)
    except TooSlow:
        os.kill(child, signal.SIGKILL)      # one that is stuck in the kernel dies when it comes back; nobody waits for that
        raise
    finally:
        os.close(here)
    os.waitpid(child, 0)
    if not text:
        raise Crashed()
    return json.loads(text)


def _answer(function, there):
    try:
        data = json.dumps(function()).encode("utf-8")
        while data:
            data = data[os.write(there, data):]
    finally:
        os._exit(0)


def _read(here, end):
    parts = []
    while True:
        ready, _w, _x = select.select([here], [], [], max(0, end - time.monotonic()))
        if not ready:
            raise TooSlow()
        part = os.read(here, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
