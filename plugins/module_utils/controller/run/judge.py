# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges one step of a run from what every host answered: go on, or stop and say why."""

from __future__ import annotations


def judge(step, results, lost="stop"):
    """Go on or stop after ``step``.

    ``results``: {host: what its task returned}, where a task may have been skipped, failed, found the host unreachable, or returned
    ``refused`` (a sentence) or ``instances`` ({id: {"failure": null or {"summary", "cause", "line", "log"}}}).
    ``lost``: "stop" or "continue", what an unreachable host means.
    Returns {"go": bool, "reasons": [sentence], "unhealthy": [instance ids]}, sorted by host.
    """
    reasons, unhealthy = [], []
    for host in sorted(results):
        result = results[host] or {}
        if result.get("unreachable"):
            if lost == "stop":
                reasons.append("%s: %s cannot be reached: %s" % (step, host, _first_line(result.get("msg"))))
        elif result.get("failed"):
            reasons.append("%s: %s: %s" % (step, host, _failure_text(result)))
        elif result.get("refused"):
            reasons.append("%s: %s" % (host, result["refused"]))
        for instance, outcome in sorted((result.get("instances") or {}).items()):
            if outcome.get("failure"):
                unhealthy.append(instance)
                reasons.append(describe_failure(step, instance, host, outcome["failure"]))
    return {"go": not reasons, "reasons": reasons, "unhealthy": unhealthy}


def describe_failure(step, instance, host, failure):
    """A paragraph: what failed where, the likely cause, the log line that says so, the last log lines."""
    lines = ["%s: %s on %s %s" % (step, instance, host, failure["summary"])]
    if failure.get("cause"):
        lines.append("  likely cause: %s" % failure["cause"])
    if failure.get("line"):
        lines.append("  its log says: %s" % failure["line"])
    if failure.get("log"):
        lines.append("  its last log lines:")
        lines.extend("    %s" % line for line in failure["log"])
    return "\n".join(lines)


def _failure_text(result):
    return result.get("msg") or result.get("module_stderr") or result.get("exception") or "failed without a message"


def _first_line(text):
    return (str(text or "no answer").strip().splitlines() or [""])[0]
