# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which headers pass the router, in both directions. Pure: lists of (name, value)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

Headers = list[tuple[str, str]]

HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)
# Not hop-by-hop, but the client's own business with the router, or about what the router sets itself.
# Accept-Encoding: the router writes into streams that break, so engines must not compress them.
KEPT_FROM_ENGINES = frozenset(
    "accept-encoding api-key authorization content-encoding content-length cookie expect forwarded host x-api-key "
    "x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip x-request-id".split()
)
KEPT_FROM_CLIENTS = frozenset(
    "date server set-cookie www-authenticate x-accel-buffering x-modelfleet-instance x-request-id".split()
)
REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


def request_id(given: str | None) -> str:
    """The client's request id when it is one, else a new one."""
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return "req-" + os.urandom(12).hex()


def to_engine(headers: Iterable[tuple[str, str]], credential: str | None, identity: str) -> Headers:
    """A client's request headers as an engine gets them, with the engine's own ``credential`` and the request id."""
    headers = list(headers)
    dropped = HOP_BY_HOP | KEPT_FROM_ENGINES | _nominated(headers)
    passed = [(name, value) for name, value in headers if name.lower() not in dropped]
    passed += [("Accept-Encoding", "identity"), ("X-Request-Id", identity)]
    if credential is not None:
        passed.append(("Authorization", f"Bearer {credential}"))
    return passed


def to_client(headers: Iterable[tuple[str, str]], instance: str, identity: str) -> Headers:
    """An engine's response headers as a client gets them; which instance answered is added."""
    headers = list(headers)
    dropped = HOP_BY_HOP | KEPT_FROM_CLIENTS | _nominated(headers)
    passed = [(name, value) for name, value in headers if name.lower() not in dropped]
    return [*passed, ("x-modelfleet-instance", instance), ("x-request-id", identity)]


def _nominated(headers):
    """Headers that the Connection header names belong to this hop too."""
    return {
        part.strip().lower() for name, value in headers if name.lower() == "connection" for part in value.split(",")
    }
