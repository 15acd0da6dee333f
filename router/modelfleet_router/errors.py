# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error that a client can see, in the shape that OpenAI clients understand. One place, no I/O."""

from __future__ import annotations

import json

RETRY_AFTER = 1  # seconds; a returned instance is in use again within two


class ApiError(Exception):
    """An error answer: HTTP status, a sentence, a code for programs; ``retry_after`` in seconds when waiting helps."""

    def __init__(self, status: int, message: str, code: str, param: str | None = None, retry_after: int | None = None):
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after

    @property
    def body(self) -> bytes:
        return json.dumps(self._document()).encode()

    @property
    def event(self) -> bytes:
        """The error as a server-sent event: the last thing in a stream that breaks."""
        return b"data: " + self.body + b"\n\n"

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers

    def _document(self):
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def bad_request(message: str, param: str | None = None) -> ApiError:
    return ApiError(400, message, "invalid_request", param)


def unknown_model(name: str, known: list[str]) -> ApiError:
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "") if known else "none"
    return ApiError(404, f"The model {name[:200]!r} does not exist. Known models: {shown}.", "model_not_found", "model")


def no_registry() -> ApiError:
    return ApiError(503, "The router has no registry yet.", "not_ready", retry_after=RETRY_AFTER)


def no_instance(model: str, why: str) -> ApiError:
    return ApiError(
        503, f"No instance of the model {model!r} can serve now: {why}.", "no_healthy_instance", retry_after=RETRY_AFTER
    )


def being_stopped() -> ApiError:
    return ApiError(503, "The router is being stopped.", "router_stopping", retry_after=RETRY_AFTER)


def bad_gateway(instance: str, detail: str) -> ApiError:
    return ApiError(502, f"The instance {instance} failed: {detail}.", "upstream_failed")


def gateway_timeout(instance: str, detail: str) -> ApiError:
    return ApiError(504, f"The instance {instance} did not answer in time: {detail}.", "upstream_timeout")


def broken_stream(instance: str, detail: str) -> ApiError:
    return ApiError(502, f"The answer of the instance {instance} broke off: {detail}.", "upstream_broken")


def internal() -> ApiError:
    return ApiError(500, "The router failed on this request.", "internal_error")
