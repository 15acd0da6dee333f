# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the instances of this host what a wave says: stopped, absent, started, healthy."""

from __future__ import annotations

from ..report import live_instances
from ..system import ports
from ..system.files import Trouble, remove
from .steps import steps
from .wait import Logs, failure_of, wait_for_health


class Converger:
    """``options``: the arguments of the module `instances`."""

    def __init__(self, options, store, manager):
        self.options = options
        self.store = store
        self.manager = manager
        self.fleet = options["fleet"]
        self.logs = Logs(options["log_dir"], options["log_patterns"])
        live = live_instances(store, [record for record in store.records() if record["fleet"] == self.fleet], manager)
        self.here = {instance["record"]["instance"]: instance for instance in live}
        states = {name: instance["state"] for name, instance in self.here.items()}
        self.steps = steps(store, manager, states, options["present"], options["restart"], options["secrets"], options["credentials"])
        self.leaving = [name for name in sorted(set(options["absent"])) if name in self.here]

    @property
    def changes(self):
        return bool(self.leaving) or any(step.start or step.write for step in self.steps)

    def describe(self):
        """What happens, as lines of a diff."""
        lines = ["stop and remove %s" % name for name in self.leaving]
        for step in self.steps:
            if step.start:
                lines.append("%s %s on port %d" % ("restart" if step.running else "start", step.id, step.record["port"]))
            elif step.write:
                lines.append("write the record of %s" % step.id)
        return lines

    def converge(self):
        """Does it, and returns {id: outcome} of what was started. Raises Trouble when this host cannot be changed."""
        starting, outcomes = [], {}
        for step in self.steps:
            if step.start:
                failure = self._prepare(step)      # before anything stops: where it fails, what runs goes on running
                if failure:
                    state = self.here[step.id]["state"] if step.running else "stopped"
                    outcomes[step.id] = {"state": state, "healthy": False, "pid": 0, "seconds": 0.0, "failure": failure}
                else:
                    starting.append(step)
        self._stop([(self.fleet, name) for name in self.leaving] + [step.stem for step in starting if step.running])
        self._remove()
        for step in starting:
            self.store.commit_record(*step.stem)    # not before it stopped: cut off here, the next run must see that work is left
        for step in self.steps:
            if step.write and not step.start:
                self.store.write_record(step.record)
        self._forget_credentials()
        self.manager.reload()
        if starting:
            for step in starting:
                remove(self.store.state_path(*step.stem))      # a start that was asked for begins without backoff
            said = self.manager.start([step.stem for step in starting])
            if said:
                raise Trouble("The service manager refused to start %s: %s" % (", ".join(step.id for step in starting), said))
            outcomes.update(wait_for_health(starting, self.store, self.manager, self.logs))
        return outcomes

    def _stop(self, stems):
        if stems:
            said = self.manager.stop(stems)
            if said:
                raise Trouble("The service manager could not stop %s: %s" % (", ".join(name for _fleet, name in stems), said))

    def _remove(self):
        if self.leaving:
            self.manager.disable([(self.fleet, name) for name in self.leaving])
        for name in self.leaving:
            self._remove_files(name)

    def _remove_files(self, name):
        self.manager.remove_settings(self.fleet, name)
        self.store.remove_instance(self.fleet, name)

    def _prepare(self, step):
        """Writes the files of an instance that is about to start. Returns None, or the failure that prevents it."""
        record = step.record
        holder = ports.holder(record["port"], self.here[step.id]["pid"] if step.running else 0)
        if holder:
            summary = "cannot be started: port %d is taken by %s." % (record["port"], holder)
            cause = "stop that process, or run again, since the next plan takes a free port."
            return {"summary": summary, "cause": cause, "line": None, "log": []}
        try:
            self.store.write_secrets(self.fleet, step.id, self.options["secrets"].get(record["deployment"], {}))
            self.store.write_credential(self.fleet, record["deployment"], self.options["credentials"][record["deployment"]])
            self.manager.write_settings(record)
            self.store.stage_record(record)
        except Trouble as trouble:
            if not step.running:
                self._remove_files(step.id)
            return failure_of(step, "cannot be started.", self.logs, str(trouble))
        return None

    def _forget_credentials(self):
        """A deployment of which nothing is left here leaves no key here."""
        left = {record["deployment"] for record in self.store.records() if record["fleet"] == self.fleet}
        touched = {self.here[name]["record"]["deployment"] for name in self.leaving} | {step.record["deployment"] for step in self.steps}
        for deployment in touched - left:
            self.store.remove_credential(self.fleet, deployment)
