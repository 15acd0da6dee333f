# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that keep a router busy and compare every answer."""

from __future__ import annotations

import asyncio
import time

from .engine import WORDS
from .router import Router

TEXT = " ".join(WORDS)


class Load:
    """``clients`` official clients at once, every third asks for streams. ``failures`` are sentences."""

    def __init__(self, router: Router, clients: int = 12):
        self._router = router
        self._clients = clients
        self._stopping = False
        self.done = 0
        self.failures: list[str] = []

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.ensure_future(self._run(n)) for n in range(self._clients)]
        await self.more()
        return self

    async def __aexit__(self, *_):
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def more(self, answers: int = 40) -> None:
        """Wait until ``answers`` more have come."""
        goal, deadline = self.done + answers, time.monotonic() + 20
        while self.done < goal:
            assert time.monotonic() < deadline, f"only {self.done} answers; failures: {self.failures[:5]}"
            await asyncio.sleep(0.02)

    async def _run(self, number):
        client = self._router.client()
        while not self._stopping:
            try:
                text = await (self._stream(client) if number % 3 == 0 else self._whole(client))
                if text.split() != WORDS:
                    self.failures.append(f"wrong answer: {text!r}")
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            self.done += 1

    async def _whole(self, client):
        answer = await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "a"}])
        return answer.choices[0].message.content

    async def _stream(self, client):
        stream = await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "a"}], stream=True
        )
        return "".join([event.choices[0].delta.content async for event in stream])
