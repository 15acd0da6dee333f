# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The admin side: status, reload and metrics on a unix socket, and metrics alone on a TCP address when one is set."""

from __future__ import annotations

import socket
from typing import Protocol

from aiohttp import web

from .metrics import Snapshot, render


class Operations(Protocol):
    """What the supervisor offers."""

    async def status(self) -> dict: ...

    async def reload(self) -> bool: ...

    async def metrics(self) -> Snapshot: ...


class Admin:
    """HTTP for the registry module, for people and for Prometheus. ``close`` may be called again."""

    def __init__(self, operations: Operations):
        self._operations = operations
        self._runners: list[web.AppRunner] = []

    async def start(self, admin: socket.socket, metrics: socket.socket | None) -> None:
        routes = [
            web.get("/status", self._status),
            web.post("/reload", self._reload),
            web.get("/metrics", self._metrics),
        ]
        await self._serve(admin, routes)
        if metrics is not None:
            await self._serve(metrics, [web.get("/metrics", self._metrics)])

    async def close(self) -> None:
        while self._runners:
            await self._runners.pop().cleanup()

    async def _serve(self, sock, routes):
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        await web.SockSite(runner, sock).start()

    async def _status(self, _request):
        return web.json_response(await self._operations.status())

    async def _reload(self, _request):
        """The status after the reload: 200, or 422 when the registry file is refused."""
        good = await self._operations.reload()
        return web.json_response(await self._operations.status(), status=200 if good else 422)

    async def _metrics(self, _request):
        text = render(await self._operations.metrics())
        return web.Response(body=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
