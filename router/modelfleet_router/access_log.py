# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The access log: one JSON line per request on stdout, written in batches by a thread, so that a stuck reader of stdout
never stops requests. When it stays stuck, lines are dropped and counted."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor

FLUSH_INTERVAL = 0.2  # seconds
MAX_WAITING = 20_000  # lines
MAX_WRITE = 4096  # bytes: writes up to PIPE_BUF never mix with those of other processes


class AccessLog:
    """Lines of one worker process. ``close`` writes what is left."""

    def __init__(self, fd: int, lost):
        """``lost(n)`` is told of dropped lines."""
        self._fd = fd
        self._lost = lost
        self._lines: list[bytes] = []
        self._thread = ThreadPoolExecutor(1, "access-log")
        self._writing: asyncio.Future | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, fields: dict) -> None:
        if len(self._lines) >= MAX_WAITING:
            self._lost(1)
            return
        self._lines.append(
            json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n"
        )
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL, self._flush)

    async def close(self, limit: float = 1.0) -> None:
        """Waits up to ``limit`` seconds for the reader of stdout."""
        if self._timer is not None:
            self._timer.cancel()
            self._flush()
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=limit)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _flush(self):
        self._timer = None
        if self._writing is not None and not self._writing.done():
            self._timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL, self._flush)
            return
        lines, self._lines = self._lines, []
        self._writing = asyncio.get_running_loop().run_in_executor(self._thread, _write, self._fd, lines)


def _write(fd, lines):
    batch = b""
    try:
        for line in lines:
            if batch and len(batch) + len(line) > MAX_WRITE:
                _write_all(fd, batch)
                batch = b""
            batch += line
        _write_all(fd, batch)
    except OSError:
        pass  # stdout is gone; requests are served without a log


def _write_all(fd, data):
    while data:
        data = data[os.write(fd, data) :]
