# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an instance should get requests: a state machine fed by probes and by the requests themselves.

======== ============================================ ======================= ==========================================
state    entered by                                   gets requests           left by
======== ============================================ ======================= ==========================================
up       the start: trusted until shown bad           yes                     the three below
refused  a refused connection, once                   never                   a good probe
silent   unanswered probes in a row, a connect        when nothing is better  a good probe, a good answer, flowing bytes
         timeout, a probe answered "not ready"
erring   failed requests in a row                     when nothing is better, a good answer
                                                      and one trial at a time
======== ============================================ ======================= ==========================================

Busy is not dead: a probe that is not answered counts for nothing when bytes of an answer came meanwhile.
Pure: ``now`` is a monotonic clock in seconds, given by the caller.
"""

from __future__ import annotations

import enum

TRIAL_DELAY = 1.0  # seconds until an erring instance is tried again
TRIAL_DELAY_MAX = 2.0  # an instance that works again is in use within this time


class Standing(enum.IntEnum):
    """How welcome a request is."""

    READY = 0
    LAST_RESORT = 1
    OUT = 2


class Health:
    """The health of one instance as one worker process sees it."""

    __slots__ = (
        "_delay",
        "_failures",
        "_last_sign",
        "_limits",
        "_next_trial",
        "_trial",
        "_unanswered",
        "since",
        "state",
    )

    def __init__(self, limits, now: float):
        """``limits`` has ``probe_failures`` and ``request_failures``."""
        self._limits = limits
        self._last_sign = now
        self.since = now
        self._enter("up", now)

    def __repr__(self):
        return f"<Health {self.state}>"

    def standing(self, now: float) -> Standing:
        if self.state == "up":
            return Standing.READY
        if self.state == "refused":
            return Standing.OUT
        if self.state == "erring" and now >= self._next_trial and not self._trial:
            return Standing.READY
        return Standing.LAST_RESORT

    def chosen(self, now: float) -> None:
        """A request is about to be sent: to an erring instance that is due it is the trial."""
        if self.state == "erring" and now >= self._next_trial:
            self._trial = True

    def refused(self, now: float) -> None:
        self._enter("refused", now)

    def unanswered(self, now: float) -> None:
        """Connecting took too long: saturated, or gone without a word."""
        if self.state == "up":
            self._enter("silent", now)

    def failed(self, now: float) -> None:
        """A request ended in a failure that is the instance's."""
        self._failures += 1
        if self.state == "erring":
            self._trial = False
            self._delay = min(self._delay * 2, TRIAL_DELAY_MAX)
            self._next_trial = now + self._delay
        elif self.state == "up" and self._failures >= self._limits.request_failures:
            self._enter("erring", now)

    def answered(self, now: float, sent: float) -> None:
        """The answer to a request sent at ``sent`` has begun well. One sent before a refusal proves nothing."""
        self._last_sign = now
        self._failures = 0
        if self.state != "up" and sent >= self.since:
            self._enter("up", now)

    def bytes_seen(self, now: float) -> None:
        self._last_sign = now
        if self.state == "silent":
            self._enter("up", now)

    def trial_over(self) -> None:
        """The trial request ended without a verdict (its client left)."""
        self._trial = False

    def probe_good(self, now: float) -> None:
        self._unanswered = 0
        if self.state in ("refused", "silent"):
            self._enter("up", now)

    def probe_unanswered(self, now: float, started: float) -> None:
        if self._last_sign >= started:
            self._unanswered = 0
            return
        self._unanswered += 1
        if self.state == "up" and self._unanswered >= self._limits.probe_failures:
            self._enter("silent", now)

    def probe_not_ready(self, now: float, started: float) -> None:
        """The instance itself says that it cannot serve, unless it just did."""
        if self.state == "up" and self._last_sign < started:
            self._enter("silent", now)

    def _enter(self, state, now):
        self.state = state
        self.since = now
        self._failures = 0
        self._unanswered = 0
        self._trial = False
        self._delay = TRIAL_DELAY
        self._next_trial = now + TRIAL_DELAY
