# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hot path: a request of a client to the best instance, and the bytes of its answer back as they come.

The answer's head is held back until the engine's first body byte. Until then a failure is tried elsewhere; after it the
client gets an error event (streams) and a broken connection, never an end that looks complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from .body import Call, read_call
from .config import Config
from .errors import (
    ApiError,
    bad_gateway,
    bad_request,
    being_stopped,
    broken_stream,
    gateway_timeout,
    no_instance,
    no_registry,
    unknown_model,
)
from .exchange import CLIENT_LEFT, Exchange
from .fleet import Fleet, Instance, Lease
from .headers import to_client, to_engine
from .metrics import Metrics
from .retry import Failure, Retries, RetryBudget, Verdict
from .upstream import Answer, AttemptFailed, Broken, Reply, Upstream
from .waiting import WaitingRoom

UNTOUCHED = (Failure.REFUSED, Failure.CONNECT_TIMEOUT)


class Proxy:
    """Answers the POST endpoints of one worker process."""

    def __init__(
        self,
        config: Config,
        fleet: Fleet,
        upstream: Upstream,
        metrics: Metrics,
        clock: Callable[[], float],
        suspect: Callable[[Instance], None],
    ):
        """``suspect(instance)`` is called when a request shows that an instance should be probed now."""
        retry = config.retry
        self._config = config
        self._fleet = fleet
        self._upstream = upstream
        self._metrics = metrics
        self._clock = clock
        self._suspect = suspect
        self._budget = RetryBudget(retry.ratio, retry.per_second, retry.burst, clock())
        self._room = WaitingRoom(config.queue.size)
        self._relays: set[Reply] = set()
        self._waiting: set[asyncio.Task] = set()
        self._aborting = False
        self.draining = False
        fleet.subscribe(self._room.wake)

    def abort_all(self) -> None:
        """The process must end: break the answers that are being relayed, end the waits; all clients are told."""
        self._aborting = True
        for reply in list(self._relays):
            reply.abort(str(being_stopped()))
        for task in self._waiting:
            task.cancel()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Raises ApiError."""
        exchange: Exchange = request["exchange"]
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise bad_request("Compressed request bodies are not accepted; send the JSON as it is.")
        data = await request.read()
        exchange.bytes_in = len(data)
        call = read_call(data)
        model = self._fleet.find(call.model)
        if model is None:
            raise unknown_model(call.model, self._fleet.names()) if self._fleet.registry else no_registry()
        exchange.model = model.entry.name
        self._budget.request()
        reply, lease = await self._unless_aborted(self._first_byte(request, call, exchange))
        with lease:
            if isinstance(reply, Answer):
                return self._whole(reply, lease.instance, exchange)
            self._relays.add(reply)
            try:
                return await self._relay(request, reply, lease.instance, exchange)
            finally:
                self._relays.discard(reply)
                reply.close()

    async def _unless_aborted(self, waiting):
        task = asyncio.current_task()
        self._waiting.add(task)
        try:
            return await waiting
        except asyncio.CancelledError:
            if not self._aborting:
                raise
            if hasattr(task, "uncancel"):  # Python 3.11: the cancellation ends here, the answer must still be written
                task.uncancel()
            raise being_stopped() from None
        finally:
            self._waiting.discard(task)

    async def _first_byte(self, request, call: Call, exchange) -> tuple[Reply | Answer, Lease]:
        """Try instances until one's answer begins. The lease is the caller's to close. Raises ApiError."""
        retries = Retries(self._budget, self._config.retry.attempts)
        tried: list[Instance] = []
        failed: tuple[AttemptFailed, Instance] | None = None
        while True:
            lease = await self._lease(exchange.model, tried, wait=failed is None)
            if lease is None:
                return self._give_up(exchange.model, failed)
            verdict = Verdict.SAME
            try:
                while verdict is Verdict.SAME:
                    try:
                        reply = await self._attempt(request, call, lease.instance, exchange)
                        lease, kept = None, lease
                        return reply, kept
                    except AttemptFailed as failure:
                        failed = failure, lease.instance
                        verdict = self._judge(failure, lease.instance, retries, exchange)
            finally:
                if lease is not None:
                    lease.close()
            tried.append(failed[1])
            if verdict is Verdict.NO:
                return self._give_up(exchange.model, failed)

    async def _lease(self, model: str, tried, wait: bool) -> Lease | None:
        """A place on an instance; while all of the model's instances are draining, wait for the next registry."""
        deadline = self._clock() + self._config.queue.wait
        while True:
            lease = self._fleet.lease(model, tried)
            found = self._fleet.find(model)
            if lease is not None or not wait or found is None or found.active or not found.draining:
                return lease
            if not await self._room.wait(deadline - self._clock()):
                return self._fleet.lease(model, tried)

    async def _attempt(self, request, call, instance: Instance, exchange) -> Reply:
        headers = to_engine(request.headers.items(), instance.credential, exchange.request_id)
        sent = self._clock()
        exchange.instance = instance.id
        body = call.data_for(instance.entry.served_model_name or instance.entry.model)
        reply = await self._upstream.open(instance, request.path, headers, body)
        exchange.first_byte = self._clock()
        instance.health.answered(exchange.first_byte, sent)
        return reply

    def _judge(self, failed: AttemptFailed, instance, retries, exchange) -> Verdict:
        now = self._clock()
        failure = failed.failure
        if failure is Failure.REFUSED:
            instance.health.refused(now)
        elif failure is Failure.CONNECT_TIMEOUT:
            instance.health.unanswered(now)
        elif failure is not Failure.STALE:
            instance.health.failed(now)
        self._suspect(instance)
        verdict = retries.judge(failure, now)
        exchange.failures.append(f"{instance.id}: {failed}")
        if verdict is not Verdict.NO:
            self._metrics.count("retries_total", exchange.model, failure.value)
        return verdict

    def _give_up(self, model, failed) -> tuple[Answer, Lease]:
        """The final answer: that of the last engine, else an error of ours (raised)."""
        if failed is None:
            raise no_instance(model, self._why_none(model))
        failure, instance = failed
        if failure.answer is not None:
            return failure.answer, Lease(instance)
        if failure.failure in UNTOUCHED:
            raise no_instance(model, f"{instance.id}: {failure}")
        if failure.failure is Failure.FIRST_BYTE_TIMEOUT:
            raise gateway_timeout(instance.id, str(failure))
        raise bad_gateway(instance.id, str(failure))

    def _why_none(self, name):
        model = self._fleet.find(name)
        if model is None or not (model.active or model.draining):
            return "it has no instances"
        if not model.active:
            return "all its instances are being changed"
        return "all its instances are down"

    def _whole(self, answer: Answer, instance, exchange) -> web.Response:
        """An engine's 5xx answer that is passed on."""
        exchange.status = answer.status
        exchange.instance = instance.id
        exchange.bytes_out = len(answer.body)
        headers = [
            (k, v)
            for k, v in to_client(answer.headers, instance.id, exchange.request_id)
            if k.lower() != "content-length"
        ]
        response = web.Response(status=answer.status, body=answer.body, headers=headers)
        if answer.status == 503:
            response.headers.setdefault("Retry-After", "1")
        return response

    async def _relay(self, request, reply: Reply, instance, exchange) -> web.StreamResponse:
        exchange.status = reply.status
        response = web.StreamResponse(
            status=reply.status, headers=to_client(reply.headers, instance.id, exchange.request_id)
        )
        if reply.is_events:
            response.headers.setdefault("Cache-Control", "no-cache")
            response.headers["X-Accel-Buffering"] = "no"
        if self.draining:
            response.force_close()
        last, data = b"", reply.first
        try:
            await response.prepare(request)
            while data:
                exchange.bytes_out += len(data)
                reply.pause_gap()
                await response.write(data)
                last = data
                data = await reply.read()
                instance.health.bytes_seen(self._clock())
            await response.write_eof()
        except Broken as broken:
            self._count_break(instance, exchange, broken)
            await self._break_off(request, response, reply, last, broken_stream(instance.id, str(broken)))
        except ConnectionError:
            exchange.status = CLIENT_LEFT
        return response

    def _count_break(self, instance, exchange, broken):
        exchange.broken = str(broken)
        instance.health.failed(self._clock())
        self._suspect(instance)

    async def _break_off(self, request, response, reply, last: bytes, error: ApiError):
        """Tell a stream's reader what happened, then close without the proper end that the body's framing asks for."""
        transport = request.transport
        if transport is None:
            return
        if reply.is_events:
            try:
                await response.write((b"" if last.endswith(b"\n\n") else b"\n\n") + error.event)
                await asyncio.sleep(0)
            except ConnectionError:
                pass
        if response.headers.get("Transfer-Encoding") == "chunked" or response.content_length is not None:
            transport.close()
        else:
            # HTTP/1.0: the end of the connection is the end of the body, only a reset tells them apart.
            transport.abort()
