# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until started engines are healthy, and says what is wrong with those that are not."""

from __future__ import annotations

import time

from ..launch import health
from ..services.states import FAILED, STOPPED, ServiceStatus, instance_state
from ..system import logs
from ..system.files import read_json

INTERVAL = 0.25
PROBE_TIMEOUT = 5
LOG_LINES = 15
HOPELESS_RESTARTS = 2
"""An engine that ended by itself so often since it was started will not become healthy."""


def wait_for_health(steps, store, manager, log_dir):
    """{id: {state, healthy, pid, seconds, failure}} for the instances of these steps, once each is healthy, hopeless or too late."""
    began = time.monotonic()
    outcomes, waiting = {}, {step.id: step for step in steps}
    while waiting:
        statuses = manager.status([step.stem for step in waiting.values()])
        for step in list(waiting.values()):
            status = statuses.get(step.stem) or ServiceStatus("stopped")
            outcome = _look(step, status, store, log_dir, time.monotonic() - began, len(steps))
            if outcome:
                outcomes[step.id] = outcome
                del waiting[step.id]
        if waiting:
            time.sleep(INTERVAL)
    return outcomes


def failure_of(step, summary, log_dir, cause=None):
    """{summary, cause, log}: the log is the end of what the last start wrote."""
    lines = logs.last_start(log_path(log_dir, step.record))
    return {"summary": summary, "cause": cause or logs.likely_cause(lines, step.record["spec"]["log_patterns"]), "log": lines[-LOG_LINES:]}


def log_path(log_dir, record):
    return "%s/%s.%s.log" % (log_dir, record["fleet"], record["instance"])


def _look(step, status, store, log_dir, seconds, starting):
    launch = read_json(store.state_path(*step.stem)) or {}
    state = instance_state(status, launch, time.time())
    outcome = {"state": state, "healthy": False, "pid": status.pid, "seconds": round(seconds, 1), "failure": None}
    member, asked = step.record["members"][step.record["member"]], step.record["spec"]["health"]
    answer = health.check(status.pid, member["address"], member["port"], asked["path"], PROBE_TIMEOUT) if status.pid else health.CLOSED
    if answer == health.HEALTHY:
        outcome.update(state="active", healthy=True)
    elif state == FAILED:
        outcome["failure"] = failure_of(step, "cannot be started (%s)." % (launch.get("last_exit") or status.detail), log_dir)
    elif state == STOPPED and launch.get("last_exit"):
        outcome["failure"] = failure_of(step, "ended by itself and is not restarted (%s)." % launch["last_exit"], log_dir)
    elif launch.get("restarts", 0) >= HOPELESS_RESTARTS:
        outcome["failure"] = failure_of(step, "keeps ending by itself (%s)." % launch.get("last_exit"), log_dir)
    elif _overdue(launch, asked["deadline"], seconds, starting):
        outcome["failure"] = failure_of(step, "did not become healthy within %d s (%s)." % (asked["deadline"], answer), log_dir)
    else:
        return None
    return outcome


def _overdue(launch, deadline, seconds, starting):
    """Whether the deadline is over. It counts from the start of the engine: before that, others may start on the same GPU, one by one."""
    if launch.get("started_at"):
        return time.time() - launch["started_at"] > deadline
    return seconds > deadline * starting
