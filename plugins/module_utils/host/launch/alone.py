# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a service the only one of its name: what an earlier start of it left running is ended first.

A service manager that is killed leaves its services behind, and an engine that ends may leave processes of its own. So every start notes its process
group in a file, and the next one ends what is left of that group. systemd has ended it before; supervisord has not.

Standard library only and without relative imports: on a host this file is used as it is, by the launcher and as a program:
``alone.py FILE SECONDS ARGV...`` makes itself the only one and becomes ARGV. Durations in seconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time

NOT_NOW = 75
INTERVAL = 0.05
AFTER_KILL = 10


def take_over(path, seconds):
    """Ends what ``path`` notes and notes this process there, which leads a process group from now on.

    ``seconds``: how long the earlier start may take to end by itself. Returns None, or a sentence when it could not be ended.
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)        # of two starts at the same moment, one ends the other
        left = end(path, seconds)
        if left:
            return "processes of an earlier start cannot be ended: %s" % ", ".join(map(str, left))
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "boot": _boot(), "began": _stat(os.getpid())[2]}))
    return None


def end(path, seconds):
    """Ends what is left of the start that ``path`` notes: its leader is asked to and has ``seconds``, all others are killed.

    Returns the pids that are left all the same, which is nothing but for processes stuck in the kernel.
    """
    note = _noted(path)
    if not members(note):
        return []
    if leader(path):
        _signal(os.kill, note["pid"], signal.SIGTERM)
        _wait(lambda: not leader(path), seconds)
    if members(note):
        _signal(os.killpg, note["pid"], signal.SIGKILL)
        _wait(lambda: not members(note), AFTER_KILL)
    return members(note)


def leader(path):
    """The pid of the start that ``path`` notes while that process runs, else 0."""
    note = _noted(path)
    return note["pid"] if note and note["pid"] in members(note) else 0


def members(note):
    """The pids of a noted process group that run, zombies aside. None of another boot, and none of a group that got the same number later."""
    if not note or note["boot"] != _boot():
        return []
    first = _stat(note["pid"])
    if first and first[2] != note["began"]:
        return []
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        seen = _stat(name)
        if seen and seen[1] == note["pid"] and seen[0] not in "ZX":
            found.append(int(name))
    return found


def _noted(path):
    """{pid, boot, began: clock ticks since boot} or None."""
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def _boot():
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _stat(pid):
    """(state, process group, start in clock ticks since boot) of a process, or None (proc_pid_stat(5))."""
    try:
        with open("/proc/%s/stat" % pid) as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[2]), int(fields[19])


def _signal(send, number, what):
    try:
        send(number, what)
    except ProcessLookupError:
        pass


def _wait(over, seconds):
    limit = time.monotonic() + seconds
    while not over() and time.monotonic() < limit:
        time.sleep(INTERVAL)


if __name__ == "__main__":
    said = take_over(sys.argv[1], float(sys.argv[2]))
    if said:
        sys.stdout.write("modelfleet: %s\n" % said)
        raise SystemExit(NOT_NOW)
    os.execv(sys.argv[3], sys.argv[3:])
