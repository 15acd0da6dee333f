# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker process as the supervisor sees it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

from .compat import timeout
from .config import Config
from .control import Channel
from .metrics import Snapshot, lasting
from .registry_file import InForce

READY_TIME = 30.0  # seconds until a new worker must serve


class WorkerProcess:
    """Made by ``start``. ``status`` and ``metrics`` are what it told last."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel):
        self._process = process
        self._channel = channel
        self._asked: dict[str, asyncio.Future] = {}
        self._ready = asyncio.Event()
        self.started = asyncio.get_running_loop().time()
        self.draining = asyncio.Event()
        self.status = {"generation": 0, "revision": 0, "draining": False, "in_flight": {}}
        self.metrics: Snapshot = []
        self._reading = asyncio.ensure_future(self._read())

    def __repr__(self):
        return f"<WorkerProcess {self.pid} ready={self._ready.is_set()}>"

    @classmethod
    async def start(cls, config: Config, sockets: list[socket.socket], in_force: InForce | None) -> WorkerProcess:
        """Start a worker that accepts on ``sockets``. It is not ready yet."""
        ours, theirs = socket.socketpair()
        fds = [theirs.fileno(), *(sock.fileno() for sock in sockets)]
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "modelfleet_router.worker",
                *map(str, fds),
                pass_fds=fds,
                stdin=asyncio.subprocess.DEVNULL,
            )
        worker = cls(process, await Channel.open(ours))
        registry = in_force.message() if in_force else {"registry": None, "credentials": {}}
        worker._channel.send({"type": "start", "config": config.model_dump(mode="json"), **registry})
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def serving(self) -> bool:
        """Accepting connections."""
        return self._ready.is_set() and not self.draining.is_set()

    async def ready(self) -> bool:
        """Wait until it serves; False when it ended or took too long."""
        waiters = [asyncio.ensure_future(self._ready.wait()), asyncio.ensure_future(self._process.wait())]
        await asyncio.wait(waiters, timeout=READY_TIME, return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()
        return self._ready.is_set() and self._process.returncode is None

    async def ended(self) -> int:
        """Wait for its end and for its last words; the exit status, negative for a signal."""
        status = await self._process.wait()
        await self._reading
        return status

    def put_in_force(self, in_force: InForce) -> None:
        self._channel.send({"type": "registry", **in_force.message()})

    def drain(self, limit: float) -> None:
        self._channel.send({"type": "drain", "timeout": limit})

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    async def ask(self, what: str, limit: float) -> bool:
        """Renew ``status`` or ``metrics``; False when it did not answer within ``limit`` seconds."""
        if what not in self._asked:
            # Not asked twice: what a stopped process does not read would pile up.
            self._asked[what] = asyncio.get_running_loop().create_future()
            self._channel.send({"type": "ask", "what": what})
        try:
            async with timeout(limit):
                return await asyncio.shield(self._asked[what])
        except asyncio.TimeoutError:
            return False

    async def _read(self):
        async for message in self._channel.messages():
            kind = message["type"]
            if kind == "ready":
                self._ready.set()
            elif kind == "draining":
                self.draining.set()
            elif kind == "told":
                setattr(self, message["what"], message["value"])
                self._answered(message["what"], True)
        self._channel.close()
        for what in list(self._asked):
            self._answered(what, False)

    def _answered(self, what, value):
        future = self._asked.pop(what, None)
        if future is not None and not future.done():
            future.set_result(value)

    def legacy(self) -> Snapshot:
        """What of its metrics must be kept after its end."""
        return lasting(self.metrics)
