# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public HTTP side of a worker: routes, request ids, error answers, accounting. The edge on aiohttp's server."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable

from aiohttp import web

from . import log
from .access_log import AccessLog
from .errors import ApiError, internal, unknown_model
from .exchange import CLIENT_LEFT, Exchange
from .fleet import Fleet
from .headers import request_id
from .metrics import Metrics
from .proxy import Proxy

MAX_BODY = 64 << 20  # bytes
KEEP_ALIVE = 75.0  # seconds an idle connection of a client stays open
RELAYED = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
PROBES = ("/healthz", "/readyz")  # of load balancers: neither counted nor logged
HTTP_ERRORS = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}


class Server:
    """The public endpoints of one worker process."""

    def __init__(self, fleet: Fleet, proxy: Proxy, metrics: Metrics, access_log: AccessLog, clock: Callable[[], float]):
        self._fleet = fleet
        self._proxy = proxy
        self._metrics = metrics
        self._access_log = access_log
        self._clock = clock

    def runner(self) -> web.AppRunner:
        app = web.Application(middlewares=[self._edge], client_max_size=MAX_BODY)
        app.router.add_get(PROBES[0], self._healthz)
        app.router.add_get(PROBES[1], self._readyz)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{model:.+}", self._model)
        for path in RELAYED:
            app.router.add_post(path, self._proxy.handle)
        # handler_cancellation: a client that leaves must cancel the engine's work at once.
        return web.AppRunner(
            app, handler_cancellation=True, access_log=None, keepalive_timeout=KEEP_ALIVE, shutdown_timeout=1.0
        )

    @web.middleware
    async def _edge(self, request: web.Request, handler) -> web.StreamResponse:
        exchange = Exchange(
            request_id(request.headers.get("X-Request-Id")), request.method, request.path, time.time(), self._clock()
        )
        request["exchange"] = exchange
        try:
            response = await self._answer(request, handler, exchange)
        except asyncio.CancelledError:
            exchange.status = CLIENT_LEFT
            raise
        finally:
            if request.path not in PROBES:
                now = self._clock()
                exchange.count(self._metrics, now)
                self._access_log.add(exchange.line(now))
        return response

    async def _answer(self, request, handler, exchange):
        try:
            response = await handler(request)
            exchange.status = exchange.status or response.status
        except ApiError as error:
            response = _error(error, exchange)
        except web.HTTPException as error:
            response = _error(_http_error(request, error), exchange)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except ConnectionError:
            exchange.status = CLIENT_LEFT
            response = web.Response(status=CLIENT_LEFT)
        except Exception:
            log.event("request_failed", request_id=exchange.request_id, error=traceback.format_exc())
            response = _error(internal(), exchange)
        if self._proxy.draining and not response.prepared:
            response.force_close()
        return response

    async def _healthz(self, _request):
        return web.json_response({"status": "alive"})

    async def _readyz(self, _request):
        if self._proxy.draining:
            return web.json_response({"status": "draining"}, status=503)
        if self._fleet.registry is None:
            return web.json_response({"status": "no registry"}, status=503)
        return web.json_response({"status": "ready"})

    async def _models(self, _request):
        return web.json_response({"object": "list", "data": [_described(m.entry.name) for m in self._fleet.models]})

    async def _model(self, request):
        name = request.match_info["model"]
        if self._fleet.find(name) is None:
            raise unknown_model(name, self._fleet.names())
        return web.json_response(_described(name))


def _described(name):
    return {"id": name, "object": "model", "created": 0, "owned_by": "modelfleet"}


def _error(error: ApiError, exchange: Exchange) -> web.Response:
    exchange.status = error.status
    headers = {**error.headers, "x-request-id": exchange.request_id}
    if exchange.instance:
        headers["x-modelfleet-instance"] = exchange.instance
    return web.Response(status=error.status, body=error.body, headers=headers)


def _http_error(request, error):
    if error.status == 413:
        message = f"The request body is larger than {MAX_BODY >> 20} MiB."
    elif error.status == 405:
        message = f"{request.method} is not allowed on {request.path[:200]}."
    elif error.status == 404:
        message = f"There is no {request.method} {request.path[:200]}."
    else:
        message = error.reason
    return ApiError(error.status, message, HTTP_ERRORS.get(error.status, "http_error"))
