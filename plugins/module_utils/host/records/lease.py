# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: only one run at a time changes a fleet. Pure; times are epoch seconds of the host that keeps the lease."""

from __future__ import annotations


def is_live(lease, now):
    """Whether somebody holds it."""
    return bool(lease) and lease["run"] is not None and lease["expires"] > now


def take(lease, run, holder, now, ttl, break_run=""):
    """(the new lease, None), or (the old one, the sentence that says who holds it and what to do)."""
    if is_live(lease, now) and lease["run"] not in (run, break_run):
        return lease, (
            "run %s of %s is changing this fleet; its lease ends in %d s unless it goes on working. Wait for it and run again, or, if you know "
            "that it is dead, add -e modelfleet_break_lease=%s." % (lease["run"], lease["holder"], lease["expires"] - now + 1, lease["run"])
        )
    left = lease["left"] if lease and lease["run"] == run else None
    return {"run": run, "holder": holder, "expires": now + ttl, "left": left}, None


def renew(lease, run, now, ttl, left=None):
    """The lease for ``ttl`` more seconds; ``left``: the fence that this run leaves behind. None when the run does not hold it any more."""
    if not lease or lease["run"] != run:
        return None
    return dict(lease, expires=now + ttl, left=left or lease["left"])


def left_after_writing(left, generation):
    """What a run leaves behind when it wrote fleet.json. The records are not its work: that they are as the plan saw them stays to be checked."""
    return {"generation": generation, "digest": left["digest"] if left else None}


def release(lease, run):
    """The lease without its holder; somebody else's is left alone."""
    if not lease or lease["run"] != run:
        return lease
    return {"run": None, "holder": lease["holder"], "expires": 0, "left": None}
