# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request from its head to the end of its answer: what is known of it, counted and logged once at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from .metrics import Metrics

CLIENT_LEFT = 499


@dataclass
class Exchange:
    """Times are of a monotonic clock in seconds, except ``began_at`` (seconds since the epoch)."""

    request_id: str
    method: str
    path: str
    began_at: float
    began: float
    model: str = ""
    instance: str = ""
    status: int = 0
    first_byte: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    failures: list[str] = field(default_factory=list)
    broken: str | None = None

    def count(self, metrics: Metrics, now: float) -> None:
        metrics.count("requests_total", self.model, self.instance, str(self.status))
        metrics.observe("request_duration_seconds", now - self.began, self.model)
        if self.first_byte is not None:
            metrics.observe("time_to_first_token_seconds", self.first_byte - self.began, self.model)
        if self.broken is not None:
            metrics.count("broken_answers_total", self.model, self.instance)

    def line(self, now: float) -> dict:
        """The access log line; times in milliseconds, absent where there is nothing to say."""
        line = {
            "time": round(self.began_at, 3),
            "request_id": self.request_id,
            "method": self.method,
            "path": self.path,
            "model": self.model or None,
            "instance": self.instance or None,
            "status": self.status,
            "ms": round((now - self.began) * 1000, 2),
            "first_byte_ms": None if self.first_byte is None else round((self.first_byte - self.began) * 1000, 2),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "failures": self.failures or None,
            "broken": self.broken,
        }
        return {key: value for key, value in line.items() if value is not None}
