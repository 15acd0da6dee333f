# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that wait for the next registry, while every instance of their model is draining."""

from __future__ import annotations

import asyncio


class WaitingRoom:
    """At most ``size`` requests wait at the same time."""

    def __init__(self, size: int):
        self._size = size
        self._waiting: set[asyncio.Future] = set()

    def __len__(self):
        return len(self._waiting)

    def wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """True when woken, False when the time is over or the room is full."""
        if seconds <= 0 or len(self._waiting) >= self._size:
            return False
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            done, _pending = await asyncio.wait([future], timeout=seconds)
            return bool(done)
        finally:
            self._waiting.discard(future)
