# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When to try again: pure arithmetic of the launcher. Durations in seconds."""

from __future__ import annotations


def next_streak(state, boot, now, reset_after):
    """How many restarts in a row this start makes: 0 for a first start, after a reboot, or when the last run served long enough.

    ``state``: {"boot", "started" (monotonic seconds), "streak"} of the last start, or None; ``boot``: this boot's id; ``now``: monotonic.
    """
    if not state or state.get("boot") != boot or state.get("started") is None:
        return 0
    if now - state["started"] >= reset_after:
        return 1
    return state["streak"] + 1


def delay_before(streak, first_delay, max_delay):
    """Seconds to wait: the first restart comes at once, then first_delay doubles up to max_delay."""
    if streak <= 1:
        return 0
    return min(max_delay, first_delay * 2 ** min(streak - 2, 30))
