# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small engine on a real socket that speaks OpenAI's API and fails on command."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager

from aiohttp import web

WORDS = "each word of this answer is sent as an event of its own so that a test can compare the whole".split()


class Engine:
    """``mode`` decides what requests get: ok, hang, close (before any answer), head (closes after the head of the
    answer), empty, garbage, die (breaks after three words), or a status like "500". ``delay``: seconds between the
    words of a stream."""

    def __init__(self, name: str, model: str = "tiny", port: int = 0):
        self.name = name
        self.model = model
        self.port = port
        self.mode = "ok"
        self.health = 200
        self.delay = 0.0
        self.requests: list[dict] = []
        self.probes: list[dict] = []
        self.working = 0
        self.cancelled = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> Engine:
        """Listen, on the same port as before when there was one."""
        app = web.Application(client_max_size=1 << 27)
        app.router.add_get("/health", self._health)
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
            app.router.add_post(path, self._post)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", self.port))
        self.port = sock.getsockname()[1]
        await web.SockSite(self._runner, sock).start()
        return self

    async def kill(self) -> None:
        """As kill -9 does it: the port is closed and every connection is reset."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        for site in list(runner.sites):
            await site.stop()
        for connection in runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()

    async def _health(self, request):
        self.probes.append(dict(request.headers))
        return web.Response(status=self.health)

    async def _post(self, request):
        body = await request.json()
        self.requests.append({"path": request.path, "headers": request.headers.copy(), "body": body})
        self.working += 1
        try:
            return await self._misbehave(request, body) or await self._answer(request, body)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.working -= 1

    async def _misbehave(self, request, body):
        mode = self.mode
        if mode.isdigit():
            error = {
                "error": {"message": f"{self.name} says {mode}", "type": "server_error", "param": None, "code": None}
            }
            return web.json_response(error, status=int(mode))
        if mode == "hang":
            await asyncio.sleep(60)
        if mode == "close":
            request.transport.abort()
            await asyncio.sleep(1)
        if mode == "garbage":
            request.transport.write(b"this is not HTTP\r\n\r\n")
            await asyncio.sleep(0.05)
            request.transport.close()
        if mode in ("head", "empty"):
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b"")
            if mode == "head":
                await asyncio.sleep(0.05)
                request.transport.abort()
            return response
        return None

    async def _answer(self, request, body):
        if request.path == "/v1/embeddings":
            data = [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5, 1.0]}]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            return web.json_response({"object": "list", "data": data, "model": body["model"], "usage": usage})
        if not body.get("stream"):
            await asyncio.sleep(self.delay)
            return web.json_response(self._whole(request.path, body))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Set-Cookie": "a=b"})
        await response.prepare(request)
        for count, word in enumerate(WORDS):
            if self.mode == "die" and count == 3:
                request.transport.abort()
                return response
            await response.write(b"data: " + json.dumps(self._event(request.path, body, word + " ")).encode() + b"\n\n")
            await asyncio.sleep(self.delay)
        await response.write(b"data: [DONE]\n\n")
        return response

    def _whole(self, path, body):
        text = " ".join(WORDS)
        choice = {"index": 0, "finish_reason": "stop"}
        if path.endswith("chat/completions"):
            choice["message"] = {"role": "assistant", "content": text}
            kind = "chat.completion"
        else:
            choice["text"] = text
            kind = "text_completion"
        usage = {"prompt_tokens": 1, "completion_tokens": len(WORDS), "total_tokens": 1 + len(WORDS)}
        return {"id": "1", "object": kind, "created": 1, "model": body["model"], "choices": [choice], "usage": usage}

    def _event(self, path, body, text):
        choice = {"index": 0, "finish_reason": None}
        if path.endswith("chat/completions"):
            choice["delta"] = {"role": "assistant", "content": text}
            kind = "chat.completion.chunk"
        else:
            choice["text"] = text
            kind = "text_completion"
        return {"id": "1", "object": kind, "created": 1, "model": body["model"], "choices": [choice]}


@asynccontextmanager
async def raw_engine(handler):
    """An engine made of ``handler(reader, writer)`` for what no HTTP server would send. Gives its registry entry."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield {"id": "tiny-0", "model": "tiny", "url": f"http://127.0.0.1:{port}"}
