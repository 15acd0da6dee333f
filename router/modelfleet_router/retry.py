# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which failures are tried again, and where. Pure: one ``RetryBudget`` a process, one ``Retries`` a request.

All of this is before the first byte of an engine's body: after it nothing is tried again.
"""

from __future__ import annotations

import enum

MAX_STALE = 2  # pooled connections that may turn out dead before it counts as the instance's failure


class Failure(enum.Enum):
    """What went wrong with an attempt before the first body byte. The value is the label in metrics."""

    REFUSED = "refused"  # no connection: nothing was sent
    CONNECT_TIMEOUT = "connect_timeout"  # nothing was sent
    STALE = "stale"  # a reused connection was closed before any answer
    RESET = "reset"  # a fresh connection broke, or the answer ended before its first byte
    GARBAGE = "garbage"  # not HTTP
    UNAVAILABLE = "unavailable"  # 502, 503, 504
    SERVER_ERROR = "server_error"  # 500
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"


class Verdict(enum.Enum):
    SAME = "same"  # again on the same instance
    ELSEWHERE = "elsewhere"
    NO = "no"


class RetryBudget:
    """Retries that may still be made, so that ill engines do not get their load multiplied."""

    def __init__(self, ratio: float, per_second: float, burst: float, now: float):
        self._ratio = ratio
        self._per_second = per_second
        self._burst = burst
        self._saved = burst
        self._at = now

    def request(self) -> None:
        """A request came in: it earns ``ratio`` retries."""
        self._saved = min(self._burst, self._saved + self._ratio)

    def take(self, now: float) -> bool:
        self._saved = min(self._burst, self._saved + (now - self._at) * self._per_second)
        self._at = now
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


class Retries:
    """The failures of one request so far."""

    def __init__(self, budget: RetryBudget, attempts: int):
        self._budget = budget
        self._left = attempts - 1
        self._stale = 0
        self._server_errors = 0

    def judge(self, failure: Failure, now: float) -> Verdict:
        """What to do after ``failure``. Where nothing was sent, trying elsewhere is free."""
        if failure in (Failure.REFUSED, Failure.CONNECT_TIMEOUT):
            return Verdict.ELSEWHERE
        if failure is Failure.FIRST_BYTE_TIMEOUT:
            # It may be at work on a long prompt; paying that prefill twice would make an overload worse.
            return Verdict.NO
        if failure is Failure.STALE and self._stale < MAX_STALE:
            self._stale += 1
            return Verdict.SAME
        if failure is Failure.SERVER_ERROR:
            self._server_errors += 1
            if self._server_errors > 1:
                return Verdict.NO
        if self._left < 1 or not self._budget.take(now):
            return Verdict.NO
        self._left -= 1
        return Verdict.ELSEWHERE
