# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel between the supervisor and a worker: JSON objects, one a line, over a socket pair.

Supervisor to worker: ``{"type": "start", "config", "registry"}`` once, ``{"type": "registry", ...}``,
``{"type": "ask", "what": "status" | "metrics"}``, ``{"type": "drain", "timeout": seconds}``.
Worker to supervisor: ``{"type": "ready"}``, ``{"type": "applied"}``, ``{"type": "draining"}``,
``{"type": "told", "what", "value"}``.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

MAX_LINE = 256 << 20  # bytes


class Channel:
    """One end of it. ``send`` never blocks: what a stopped peer does not read is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, sock: socket.socket) -> Channel:
        sock.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=sock, limit=MAX_LINE))

    def send(self, message: dict) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    async def flush(self) -> None:
        try:
            await self._writer.drain()
        except ConnectionError:
            pass

    async def messages(self) -> AsyncIterator[dict]:
        """Ends when the peer is gone."""
        while True:
            try:
                line = await self._reader.readline()
            except ConnectionError:
                return
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)

    def close(self) -> None:
        self._writer.close()
