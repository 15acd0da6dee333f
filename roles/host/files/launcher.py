# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the engine of one instance: `launcher.py RECORD`. Waits out the backoff, takes the start locks, then becomes the engine.

The process id stays: what the service manager started is the engine. `launcher.py --exited RECORD` notes how it ended (systemd's ExecStopPost).
Exit 78 means that trying again cannot help, 75 that it may. The other files that it needs lie beside this one.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time

import alone
import backoff
import devices
import health

CANNOT_HELP = 78
NOT_NOW = 75
HEALTH_INTERVAL = 0.25
HEALTH_TIMEOUT = 5


class Instance:
    """A record and the files that belong to it, found from the record's path."""

    def __init__(self, path):
        self.record = load(path)
        self.spec = self.record["spec"]
        self.data_dir = os.path.dirname(os.path.dirname(os.path.abspath(path)))
        stem = os.path.basename(path)
        self.state_path = os.path.join(self.data_dir, "state", stem)
        self.run_path = os.path.splitext(self.state_path)[0] + ".run"
        self.secrets_path = os.path.join(self.data_dir, "secrets", stem)
        self.credential_path = os.path.join(
            self.data_dir, "credentials", "%s.%s.key" % (self.record["fleet"], self.record["deployment"])
        )

    def state(self):
        try:
            with open(self.state_path) as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def save(self, state):
        partial = self.state_path + ".new"
        with open(partial, "w") as file:
            json.dump(state, file)
        os.replace(partial, self.state_path)


def load(path):
    try:
        with open(path) as file:
            return json.load(file)
    except OSError as error:
        refuse("%s cannot be read (%s); deploy again" % (path, error.strerror))
    except ValueError as error:
        refuse("%s is not JSON (%s); deploy again" % (path, error))


def say(text):
    print("modelfleet: " + text, flush=True)


def refuse(text):
    say("cannot be started: " + text)
    sys.exit(CANNOT_HELP)


def postpone(text):
    say("cannot be started: %s; it is tried again" % text)
    sys.exit(NOT_NOW)


def boot_id():
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def begin(instance):
    """Waits out the backoff and returns the state of this start."""
    restart, last = instance.spec["restart"], instance.state()
    boot = boot_id()
    streak = backoff.next_streak(last, boot, time.monotonic(), restart["reset_after"])
    delay = backoff.delay_before(streak, restart["first_delay"], restart["max_delay"])
    state = {
        "pid": os.getpid(),
        "boot": boot,
        "started": None,
        "started_at": None,
        "next_try": time.time() + delay if delay else None,
        "streak": streak,
        "restarts": last["restarts"] + 1 if last else 0,
        "last_exit": last["last_exit"] if last else None,
        "healthy_pid": None,
    }
    if delay:
        say("%s ended %d times in a row, next try in %d s" % (instance.record["instance"], streak, delay))
        instance.save(state)
        time.sleep(delay)
    return state


def check_requirements(instance):
    for path in instance.spec["requires"]["executables"]:
        if not os.access(path, os.X_OK):
            refuse("%s is not there or cannot be executed by this user" % path)
    for path in instance.spec["requires"]["files"]:
        if not os.access(path, os.R_OK):
            refuse("%s is not there or cannot be read by this user" % path)


def environment(instance):
    spec = instance.spec
    found = dict(os.environ, **spec["env"])
    if spec["secret_env"]:
        secrets = load(instance.secrets_path)
        missing = [name for name in spec["secret_env"] if name not in secrets]
        if missing:
            refuse("%s lacks %s; deploy again" % (instance.secrets_path, ", ".join(missing)))
        found.update((name, secrets[name]) for name in spec["secret_env"])
    if spec["credential_env"]:
        try:
            with open(instance.credential_path) as file:
                found[spec["credential_env"]] = file.read().strip()
        except OSError as error:
            refuse("%s cannot be read (%s); deploy again" % (instance.credential_path, error.strerror))
    # Last, so that nothing above can give an engine GPUs of others.
    found.update(device_environment(spec["devices"]["vendor"], spec["devices"]["uuids"]))
    return found


def device_environment(vendor, uuids):
    try:
        return devices.environment(vendor, uuids)
    except devices.Unknown as unknown:
        refuse(str(unknown))
    except devices.NotNow as reason:
        postpone(str(reason))


def take_start_locks(instance):
    """One start at a time per GPU. The locks last as long as a process holds these files open: the watcher does."""
    locks = []
    for uuid in sorted(instance.spec["devices"]["uuids"]):
        lock = open(os.path.join(instance.data_dir, "locks", uuid.replace("/", "_") + ".lock"), "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        locks.append(lock)
    return locks


def leave_watcher(instance, state):
    """A process of its own, adopted by init, that keeps the start locks until the engine is healthy, gone, or too late."""
    engine = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    try:
        watch(instance, state, engine)
    finally:
        os._exit(0)


def watch(instance, state, engine):
    member = instance.record["members"][instance.record["member"]]
    asked = instance.spec["health"]
    end = time.monotonic() + asked["deadline"]
    while time.monotonic() < end and runs(engine):
        if health.check(engine, member["address"], member["port"], asked["path"], HEALTH_TIMEOUT) == health.HEALTHY:
            instance.save(dict(state, healthy_pid=engine))
            return
        time.sleep(HEALTH_INTERVAL)


def runs(pid):
    """Whether the process exists and is no zombie."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def end_earlier_start(instance):
    """What an earlier start left must not hold the port, or memory while this one waits."""
    left = alone.take_over(instance.run_path, instance.spec["stop_timeout"])
    if left:
        postpone(left)


def start(path):
    instance = Instance(path)
    end_earlier_start(instance)
    state = begin(instance)
    locks = take_start_locks(instance)
    state.update(started=time.monotonic(), started_at=time.time(), next_try=None)
    instance.save(state)
    say("starting %s generation %d pid %d" % (instance.record["instance"], instance.record["generation"], os.getpid()))
    check_requirements(instance)
    found = environment(instance)
    leave_watcher(instance, state)
    del locks
    argv = instance.spec["argv"]
    try:
        os.execve(argv[0], argv, found)
    except OSError as error:
        refuse("%s: %s" % (argv[0], error.strerror))


def note_exit(path):
    """``EXIT_CODE`` is exited, killed or dumped, ``EXIT_STATUS`` the code or the signal's name (systemd.exec(5)).

    ``SERVICE_RESULT`` says what these do not: the kernel killed another process of the engine for its memory, and systemd stopped the rest.
    """
    if not os.path.exists(path):
        return
    instance = Instance(path)
    state = instance.state()
    if state is not None:
        code, status = os.environ.get("EXIT_CODE", ""), os.environ.get("EXIT_STATUS", "")
        result = ", oom-kill" if os.environ.get("SERVICE_RESULT") == "oom-kill" else ""
        instance.save(dict(state, last_exit="%s %s%s" % (code, status, result), healthy_pid=None))


if __name__ == "__main__":
    if sys.argv[1] == "--exited":
        note_exit(sys.argv[2])
    else:
        start(sys.argv[1])
