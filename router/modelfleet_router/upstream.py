# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talks to engines: one attempt at a request, up to the first byte of its answer, then its bytes as they come.

The edge on aiohttp's client. Everything above it sees only ``Reply``, ``AttemptFailed``, ``Broken`` and ``Probe``.
"""

from __future__ import annotations

import asyncio
import enum
import socket
from dataclasses import dataclass

import aiohttp

from .compat import timeout
from .config import Timeouts
from .fleet import Instance
from .headers import Headers
from .retry import Failure

PEER_SILENT = 5  # seconds without a sign of the engine's host, whose kernel answers also for a busy engine
POOL_IDLE = 3.0  # seconds; engines close idle connections after 5, the router must be the first
MAX_ERROR_BODY = 1 << 20  # bytes of a 5xx answer that are kept to pass it on
ERROR_BODY_TIME = 5.0  # seconds to read it
FAILURES_BY_STATUS = {500: Failure.SERVER_ERROR, **dict.fromkeys((502, 503, 504), Failure.UNAVAILABLE)}
NO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Probe(enum.Enum):
    GOOD = "good"
    NOT_READY = "not_ready"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


@dataclass(frozen=True)
class Answer:
    """A whole error answer of an engine."""

    status: int
    headers: Headers
    body: bytes


class AttemptFailed(Exception):
    """An attempt ended before the first body byte. ``answer`` when the engine answered 5xx."""

    def __init__(self, failure: Failure, detail: str, answer: Answer | None = None):
        super().__init__(detail)
        self.failure = failure
        self.answer = answer


class Broken(Exception):
    """An answer broke off after its first byte; the text says how."""


class _Trace:
    """Filled by aiohttp's tracing: whether the attempt went over a connection that had served before."""

    reused = False


class Reply:
    """An answer whose first bytes are here. ``read`` gives what follows, b"" at its proper end."""

    def __init__(self, response: aiohttp.ClientResponse, first: bytes, gap: float):
        self._response = response
        self._gap = gap
        self._loop = asyncio.get_running_loop()
        self._read_at = self._loop.time()
        self._ended_by: str | None = None
        self._timer = self._loop.call_later(gap, self._check_gap)
        self.first = first
        self.status = response.status
        self.headers: Headers = list(response.headers.items())
        self.is_events = response.content_type == "text/event-stream"

    async def read(self) -> bytes:
        """Raises Broken."""
        self._read_at = self._loop.time()
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise Broken(self._ended_by or _text(error)) from None
        if not data and self._ended_by:
            raise Broken(self._ended_by)
        return data

    def abort(self, reason: str) -> None:
        """End the answer now; the reader gets Broken(reason)."""
        self._ended_by = self._ended_by or reason
        self._response.close()

    def close(self) -> None:
        """After a complete answer the connection goes back to the pool, else it is closed, which cancels the engine."""
        self._timer.cancel()
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    def pause_gap(self) -> None:
        """The client is being written to: a slow reader is not a silent engine."""
        self._read_at = float("inf")

    def _check_gap(self):
        left = self._read_at + self._gap - self._loop.time()
        if left <= 0:
            self.abort(f"nothing came for {self._gap:g} s")
        else:
            self._timer = self._loop.call_later(min(left, self._gap), self._check_gap)


class Upstream:
    """The connection pool of one worker process. ``close`` may be called again."""

    def __init__(self, timeouts: Timeouts):
        self._timeouts = timeouts
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=POOL_IDLE, socket_factory=_open_socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=NO_HEADERS,
            auto_decompress=False,
            trust_env=False,
            trace_configs=[tracing],
        )

    async def close(self) -> None:
        await self._session.close()

    async def open(self, instance: Instance, path: str, headers: Headers, body: bytes) -> Reply:
        """POST ``body`` and wait for the first byte of the answer's body. Raises AttemptFailed."""
        trace = _Trace()
        limit = self._timeouts.first_byte
        try:
            async with timeout(limit):
                return await self._attempt(instance.entry.url + path, headers, body, trace)
        except asyncio.TimeoutError:
            raise AttemptFailed(Failure.FIRST_BYTE_TIMEOUT, f"no first byte within {limit:g} s") from None

    async def probe(self, instance: Instance, limit: float) -> Probe:
        """GET the instance's health path; ``limit`` in seconds."""
        headers = {"Authorization": f"Bearer {instance.credential}"} if instance.credential else {}
        try:
            async with timeout(limit):
                url = instance.entry.url + instance.entry.health_path
                async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                    return Probe.GOOD if 200 <= response.status < 300 else Probe.NOT_READY
        except aiohttp.ClientConnectorError:
            return Probe.REFUSED
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            return Probe.UNANSWERED

    async def _attempt(self, url, headers, body, trace):
        try:
            response = await self._session.post(
                url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=trace
            )
        except aiohttp.ClientConnectorError as error:
            raise AttemptFailed(Failure.REFUSED, f"cannot connect ({_text(error.os_error)})") from None
        except aiohttp.ServerTimeoutError:
            detail = f"no connection within {self._timeouts.connect:g} s"
            raise AttemptFailed(Failure.CONNECT_TIMEOUT, detail) from None
        except aiohttp.ClientResponseError as error:
            raise AttemptFailed(Failure.GARBAGE, f"its answer is not HTTP ({error.message})") from None
        except (aiohttp.ClientError, OSError) as error:
            failure = Failure.STALE if trace.reused else Failure.RESET
            raise AttemptFailed(failure, f"the connection broke before an answer ({_text(error)})") from None
        try:
            return await self._first_byte(response)
        except BaseException:
            response.close()
            raise

    async def _first_byte(self, response):
        failure = FAILURES_BY_STATUS.get(response.status)
        if failure is not None:
            raise AttemptFailed(failure, f"it answered {response.status}", await _whole(response))
        try:
            first = await response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise AttemptFailed(Failure.RESET, f"the connection broke before the first byte ({_text(error)})") from None
        if not first and response.status == 200:
            raise AttemptFailed(Failure.RESET, "its answer was empty")
        return Reply(response, first, self._timeouts.gap)


def _open_socket(address):
    """A socket that notices when the other host is gone without a word, as after a power failure: tcp(7)."""
    family, kind, protocol = address[:3]
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", PEER_SILENT - 2),
        ("TCP_KEEPINTVL", 1),
        ("TCP_KEEPCNT", 2),
        ("TCP_USER_TIMEOUT", PEER_SILENT * 1000),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock


async def _whole(response):
    """The engine's error answer, or None when it is too large or too slow to be passed on."""
    try:
        async with timeout(ERROR_BODY_TIME):
            body = b""
            while len(body) <= MAX_ERROR_BODY:
                data = await response.content.readany()
                if not data:
                    return Answer(response.status, list(response.headers.items()), body)
                body += data
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
        pass
    return None


async def _note_reuse(_session, context, _params):
    trace = context.trace_request_ctx
    if trace is not None:
        trace.reused = True


def _text(error):
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
