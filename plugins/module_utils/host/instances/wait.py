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
from .exits import cause_of_end

INTERVAL = 0.25
PROBE_TIMEOUT = 5
LOG_LINES = 15
HOPELESS_RESTARTS = 2
"""An engine that ended by itself so often since it was started will not become healthy."""


class Logs:
    """Where the logs are (``directory``), and what is known of lines in them: ``patterns`` is {name: [{pattern, cause}]}, specs say which name."""

    def __init__(self, directory, patterns):
        self.directory = directory
        self.patterns = patterns

    def path(self, record):
        return "%s/%s.%s.log" % (self.directory, record["fleet"], record["instance"])

    def known(self, record):
        return self.patterns.get(record["spec"]["log_patterns"], [])


def wait_for_health(steps, store, manager, written):
    """{id: {state, healthy, pid, seconds, failure}} for the instances of these steps, once each is healthy, hopeless or too late.

    ``written``: a :class:`Logs`.
    """
    began = time.monotonic()
    outcomes, waiting = {}, {step.id: step for step in steps}
    while waiting:
        statuses = manager.status([step.stem for step in waiting.values()])
        for step in list(waiting.values()):
            status = statuses.get(step.stem) or ServiceStatus("stopped")
            outcome = _look(step, status, store, written, time.monotonic() - began, len(steps))
            if outcome:
                outcomes[step.id] = outcome
                del waiting[step.id]
        if waiting:
            time.sleep(INTERVAL)
    return outcomes


def failure_of(step, summary, written, cause=None, last_exit=None):
    """{summary, cause, line, log}: the log is the end of what the last start wrote, the line is that from which the cause is known.

    ``cause``: where it is known already; ``last_exit``: how the engine ended, for an end that left nothing in the log.
    """
    lines, line = logs.last_start(written.path(step.record)), None
    if not cause:
        cause, line = logs.likely_cause(lines, written.known(step.record))
    return {"summary": summary, "cause": cause or cause_of_end(last_exit), "line": line, "log": [logs.shown(said) for said in lines[-LOG_LINES:]]}


def _look(step, status, store, written, seconds, starting):
    launch = read_json(store.state_path(*step.stem)) or {}
    state, ended = instance_state(status, launch, time.time()), status.last_exit(launch)
    outcome = {"state": state, "healthy": False, "pid": status.pid, "seconds": round(seconds, 1), "failure": None}
    member, asked = step.record["members"][step.record["member"]], step.record["spec"]["health"]
    answer = health.check(status.pid, member["address"], member["port"], asked["path"], PROBE_TIMEOUT) if status.pid else health.CLOSED
    if answer == health.HEALTHY:
        outcome.update(state="active", healthy=True)
    elif state == FAILED:
        outcome["failure"] = failure_of(step, "cannot be started (%s)." % (ended or status.detail), written, last_exit=ended)
    elif state == STOPPED and ended:
        outcome["failure"] = failure_of(step, "ended by itself and is not restarted (%s)." % ended, written, last_exit=ended)
    elif launch.get("restarts", 0) >= HOPELESS_RESTARTS:
        outcome["failure"] = failure_of(step, "keeps ending by itself (%s)." % ended, written, last_exit=ended)
    elif _overdue(launch, asked["deadline"], seconds, starting):
        outcome["failure"] = failure_of(step, "did not become healthy within %d s (%s)." % (asked["deadline"], answer), written)
    else:
        return None
    return outcome


def _overdue(launch, deadline, seconds, starting):
    """Whether the deadline is over. It counts from the start of the engine: before that, others may start on the same GPU, one by one."""
    if launch.get("started_at"):
        return time.time() - launch["started_at"] > deadline
    return seconds > deadline * starting
