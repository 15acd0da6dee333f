"""Runs of ansible-playbook from a controller of the lab."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from .cores import core
from .store import ROOT, LabError

RESULT = re.compile(r"^(ok|changed|skipping|failed|fatal|unreachable|ignored|rescued): \[([^\]\s]+)")
RECAP = re.compile(r"^(\S+)\s+:\s+(ok=\d+.*)$")


def read_recap(output):
    """{host: {ok, changed, unreachable, failed, skipped, rescued, ignored}} of the end of a run; empty when it was cut off."""
    return {
        match.group(1): {name: int(number) for name, number in (pair.split("=") for pair in match.group(2).split())}
        for match in map(RECAP.match, output.splitlines()) if match
    }  # fmt: skip


def read_tasks(output):
    """[(task, {host: result})] in the order of the output; loops give the result of their last item, silent tasks an empty dict."""
    tasks = []
    for line in output.splitlines():
        if line.startswith(("TASK [", "RUNNING HANDLER [")):
            tasks.append((line[line.index("[") + 1 : line.rindex("]")], {}))
        elif tasks and (match := RESULT.match(line)):
            tasks[-1][1][match.group(2).split(" -> ")[0]] = match.group(1)
    return tasks


class Playbook:
    """A run that has been started. Its output grows in ``log``."""

    def __init__(self, process, log):
        self.process, self.log = process, log

    @property
    def output(self):
        return self.log.read_text(errors="replace")

    @property
    def recap(self):
        return read_recap(self.output)

    @property
    def tasks(self):
        return read_tasks(self.output)

    def tasks_of(self, host):
        """The names of the tasks that ran on ``host`` (skipped ones did not)."""
        return [name for name, results in self.tasks if results.get(host, "skipping") != "skipping"]

    @property
    def changed(self):
        """How many tasks changed something, over all hosts."""
        return sum(numbers["changed"] for numbers in self.recap.values())

    def wait(self, seconds=600):
        """Waits for the end and returns self. Kills it and raises LabError when it takes longer."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LabError("the playbook did not end within %d s:\n%s" % (seconds, self.tail())) from None
        return self

    @property
    def code(self):
        """The exit code; None while it runs."""
        return self.process.poll()

    def ok(self):
        """Returns self after a run that ended well. Raises AssertionError with the end of its output otherwise."""
        assert self.wait().code == 0, "exit %s, log %s:\n%s" % (self.code, self.log, self.tail())
        return self

    def tail(self, lines=60):
        return "\n".join(self.output.splitlines()[-lines:])

    def wait_for(self, pattern, seconds=120):
        """Waits until the output has a line that matches, and returns the match. Raises LabError when the run ends without it."""
        end = time.monotonic() + seconds
        while True:
            over = self.code is not None or time.monotonic() > end
            match = re.search(pattern, self.output, re.MULTILINE)
            if match:
                return match
            if over:
                raise LabError("no line matches %r:\n%s" % (pattern, self.tail()))
            time.sleep(0.02)

    def kill(self):
        """As if the controller died: kill -9 of it and everything that it started. What runs on hosts already goes on there."""
        if self.code is None:
            self.process.send_signal(signal.SIGSTOP)        # no new ones meanwhile; workers lead sessions of their own
            for pid in [self.process.pid, *_descendants(self.process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()


def _descendants(ancestor):
    """The pids of all processes that a process started, directly or not."""
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as stat:
                children.setdefault(int(stat.read().rpartition(")")[2].split()[1]), []).append(int(pid))
        except OSError:
            continue        # it ended meanwhile
    found = [ancestor]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def start_playbook(lab, playbook, *arguments, inventory=None, extra=None, version=None, controller=None, env=None, cwd=ROOT):
    """Starts ansible-playbook in a controller's namespace (the lab's own by default) and returns a Playbook.

    ``playbook``: a path, or the name of an installed one. ``extra``: {variable: value} for -e. ``version``: of ansible-core, like "2.16".
    ``inventory``: a path; the lab's inventory/hosts.yml by default. ``env`` may say ANSIBLE_DISPLAY_SKIPPED_HOSTS=1: then tasks are named
    in the output when they start, not at their first result.
    """
    bin_folder = core(version)
    words = [bin_folder / "python", "-m", "ansible", "playbook", "-i", inventory or lab.folder / "inventory" / "hosts.yml", playbook]
    if extra:
        words += ["-e", json.dumps(extra)]
    variables = {
        **os.environ,
        "PATH": "%s:%s" % (bin_folder, os.environ["PATH"]),
        "PYTHONUNBUFFERED": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        **(env or {}),
    }
    logs = lab.folder / "logs"
    logs.mkdir(exist_ok=True)
    log = logs / ("%03d-%s.log" % (len(list(logs.iterdir())), Path(playbook).stem))
    with open(log, "wb") as output:
        process = (controller or lab.controller).start(
            *words, *arguments, env=variables, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    return Playbook(process, log)


def run_playbook(lab, playbook, *arguments, seconds=600, **options):
    """:func:`start_playbook`, and waits for its end."""
    return start_playbook(lab, playbook, *arguments, **options).wait(seconds)
