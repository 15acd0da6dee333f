# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker process: accepts on the sockets that it inherited, serves, and does what the supervisor says.

``python -m modelfleet_router.worker CONTROL_FD LISTEN_FD...``. It ends at once when the supervisor is gone.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import signal
import socket
import sys
import traceback

import uvloop
from aiohttp import web

from . import log
from .access_log import AccessLog
from .config import Config
from .control import Channel
from .fleet import Fleet
from .health import Standing
from .metrics import Metrics
from .probing import Prober
from .proxy import Proxy
from .registry import Registry
from .server import Server
from .sockets import BACKLOG
from .upstream import Upstream

LINGER = 2.0  # seconds in which idle clients of a draining worker may still send a request (its answer says close)
LAST_WORDS = 1.0  # seconds for error events to reach clients after the drain timeout


class Worker:
    """Everything of one worker process."""

    def __init__(self, config: Config, channel: Channel):
        loop = asyncio.get_running_loop()
        self._config = config
        self._channel = channel
        self._loop = loop
        self._metrics = Metrics()
        self._access_log = AccessLog(
            sys.stdout.fileno(), lambda n: self._metrics.count("access_lines_lost_total", by=n)
        )
        self._fleet = Fleet(loop.time, config.health)
        self._upstream = Upstream(config.timeouts)
        self._prober = Prober(config.health, self._fleet, self._upstream, loop.time, random.Random())
        self._proxy = Proxy(config, self._fleet, self._upstream, self._metrics, loop.time, self._prober.suspect)
        self._runner = Server(self._fleet, self._proxy, self._metrics, self._access_log, loop.time).runner()
        self._draining: asyncio.Task | None = None
        self.ended = asyncio.Event()

    async def start(self, sockets: list[socket.socket]) -> None:
        await self._runner.setup()
        for sock in sockets:
            await web.SockSite(self._runner, sock, backlog=BACKLOG).start()

    def apply(self, registry: dict | None, credentials: dict) -> None:
        if registry is not None:
            self._fleet.apply(Registry.model_validate(registry), credentials)

    def drain(self, timeout: float) -> None:
        """Stop accepting, finish what is in flight for up to ``timeout`` seconds, end."""
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain(timeout))

    def tell(self, what: str) -> None:
        """Answer the supervisor: ``status`` or ``metrics``."""
        value = self._status() if what == "status" else self._snapshot()
        self._channel.send({"type": "told", "what": what, "value": value})

    async def close(self) -> None:
        self._prober.close()
        await self._runner.cleanup()
        await self._upstream.close()
        await self._access_log.close()
        self.tell("metrics")
        await self._channel.flush()

    async def _drain(self, timeout):
        self._proxy.draining = True
        deadline = self._loop.time() + timeout
        for site in list(self._runner.sites):
            await site.stop()
        self._channel.send({"type": "draining"})
        await self._linger(min(deadline, self._loop.time() + LINGER))
        stopping = self._loop.call_at(deadline, self._proxy.abort_all)
        await asyncio.sleep(0)  # requests that have just been read begin
        # Closes idle connections now, each of the others when its request has been answered.
        self._runner.server.pre_shutdown()
        await self._runner.server.shutdown(max(deadline - self._loop.time(), 0) + LAST_WORDS)
        stopping.cancel()
        self.ended.set()

    async def _linger(self, deadline):
        """Until no client is connected, or ``deadline``. Who asks again meanwhile is answered and told to close."""
        while self._runner.server.connections and self._loop.time() < deadline:
            await asyncio.sleep(0.05)

    def _status(self):
        generation, revision = self._fleet.order
        return {
            "generation": generation,
            "revision": revision,
            "draining": self._proxy.draining,
            "in_flight": self._fleet.in_flight(),
        }

    def _snapshot(self):
        generation, revision = self._fleet.order
        now = self._loop.time()
        counts = {**dict.fromkeys(self._fleet.instances, 0), **self._fleet.in_flight()}
        gauges = [["in_flight", [instance], count] for instance, count in counts.items()]
        gauges += [
            ["instance_healthy", [i.entry.model, i.id], int(i.health.standing(now) is Standing.READY)]
            for i in self._fleet.instances.values()
        ]
        gauges += [["registry_generation", [], generation], ["registry_revision", [], revision]]
        return self._metrics.snapshot() + gauges


async def serve(control: socket.socket, sockets: list[socket.socket]) -> None:
    """Run a worker until it has drained. Ends the process when the supervisor is gone."""
    channel = await Channel.open(control)
    messages = channel.messages()
    first = await anext(messages, None)
    if first is None:
        return
    config = Config.model_validate(first["config"])
    worker = Worker(config, channel)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.drain, config.drain_timeout)
    worker.apply(first["registry"], first["credentials"])
    await worker.start(sockets)
    gc.collect()
    gc.freeze()
    worker.tell("status")
    channel.send({"type": "ready"})
    obeying = asyncio.ensure_future(_obey(worker, messages))
    obeying.add_done_callback(_end_with_the_supervisor)
    await worker.ended.wait()
    await worker.close()
    obeying.cancel()


async def _obey(worker, messages):
    async for message in messages:
        kind = message["type"]
        if kind == "registry":
            worker.apply(message["registry"], message["credentials"])
            worker.tell("status")
        elif kind == "ask":
            worker.tell(message["what"])
        elif kind == "drain":
            worker.drain(message["timeout"])


def _end_with_the_supervisor(obeying):
    """Without the supervisor (or unable to read it) a worker must not go on: a new one is started in its place."""
    if not obeying.cancelled():
        if obeying.exception() is not None:
            log.event("worker_failed", error="".join(traceback.format_exception(obeying.exception())))
        os._exit(1)


def main(arguments: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A stream is two descriptors; the usual soft limit of 1024 is there for programs that use select().
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    control = socket.socket(fileno=int(arguments[0]))
    sockets = [socket.socket(fileno=int(fd)) for fd in arguments[1:]]
    uvloop.install()
    asyncio.run(serve(control, sockets))


if __name__ == "__main__":
    main(sys.argv[1:])
