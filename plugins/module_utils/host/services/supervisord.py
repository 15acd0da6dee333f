# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""supervisord, where there is no systemd or no root: instances are programs, the settings of each are a file in conf.d.

It is installed and started by the role `supervisord`, in a directory of its own. What it lacks is made up for: programs of a supervisord that was killed
are ended here and by the launcher (launch/alone.py), how a program ended is read from its log (supervisord_log.py).
"""

from __future__ import annotations

import re
import shlex
import time
import xmlrpc.client

from ...common.names import file_stem, program_name
from ..launch import alone
from ..system.files import make_directory, read_text, remove, write_atomic
from ..system.owner import is_root
from ..system.unix_http import UnixConnection, too_long
from .states import ServiceStatus
from .supervisord_log import ends_in, last_exit, tail

GRACE = 10
"""Seconds that supervisord waits longer than the engine may take to end its requests."""
TIMEOUT = 30
"""Seconds for one call. None of them waits for a program."""
INTERVAL = 0.1
UNREADABLE = re.compile(r"""[%;#"'\\\n]""")
"""What means something in its configuration, in places that differ from setting to setting."""
AFTER_KILL = 30

# Faults of its XML-RPC interface that say that there is nothing to do.
BAD_NAME, ALREADY_STARTED, NOT_RUNNING, ALREADY_ADDED = 10, 60, 70, 90

STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL = 0, 10, 20, 30, 40, 100, 200


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, _host):
        return UnixConnection(self.path, TIMEOUT)


class SupervisordStatus(ServiceStatus):
    """``ends``: what its log says of the program, as in supervisord_log."""

    def __init__(self, condition, pid, detail, ends):
        super().__init__(condition, pid, detail)
        self.ends = ends

    def last_exit(self, launch):
        return last_exit(self.ends, launch)


class Supervisord:
    """The supervisord of one data directory. ``user``: who runs the engines where supervisord is root, else None."""

    def __init__(self, data_dir, log_dir, run_dir, user=None):
        self.data_dir = data_dir
        self.log_dir = log_dir
        self.run_dir = run_dir
        self.user = user
        self.top = data_dir + "/supervisor"
        self.socket = run_dir + "/s.sock"

    @classmethod
    def of_host(cls, _run, options):
        return cls(options["data_dir"], options.get("log_dir"), run_directory(options), options.get("user") if is_root() else None)

    @staticmethod
    def obstacle(options):
        """Why it cannot be used here, or None."""
        for path in (options["data_dir"], options.get("log_dir") or "", options["run_dir"]):
            if UNREADABLE.search(path):
                return "supervisord cannot use the path %s: set modelfleet_data_dir, modelfleet_log_dir and modelfleet_run_dir to paths without %s" % (
                    path, "%, ;, #, backslashes and quotes"
                )
        # supervisord binds its own under a name with its pid, at most this, before it renames it.
        excess = max(too_long("%s/%s" % (run_directory(options), name)) for name in ("s.sock.4194304", options["fleet"] + "/admin.sock"))
        if excess:
            return "%s is %d characters too long for sockets: set modelfleet_run_dir to a shorter directory" % (run_directory(options), excess)
        return None

    def version(self):
        """As text, or None while it does not run."""
        try:
            return self._rpc().getSupervisorVersion()
        except OSError:
            return None

    def status(self, stems):
        """{(fleet, instance): ServiceStatus}. What a supervisord that is gone left running counts as stopped, with its pid."""
        if not stems:
            return {}
        programs, ends = self._programs(), ends_in(tail(self.top + "/supervisord.log"))
        found = {}
        for stem in stems:
            name = program_name(*stem)
            condition, pid, detail = self._condition(stem, programs.get(name))
            found[stem] = SupervisordStatus(condition, pid or alone.leader(self._run_path(*stem)), detail, ends.get(name, []))
        return found

    def settings_path(self, fleet, instance):
        return "%s/conf.d/%s.conf" % (self.top, file_stem(fleet, instance))

    def settings_differ(self, record):
        return read_text(self.settings_path(record["fleet"], record["instance"])) != self.settings_text(record)

    def write_settings(self, record):
        make_directory(self.top + "/conf.d", 0o755)
        write_atomic(self.settings_path(record["fleet"], record["instance"]), self.settings_text(record), 0o644)

    def remove_settings(self, fleet, instance):
        remove(self.settings_path(fleet, instance))

    def settings_text(self, record):
        """The program of one instance."""
        fleet, instance, spec = record["fleet"], record["instance"], record["spec"]
        stem = file_stem(fleet, instance)
        launcher = [self.top + "/env/bin/python", self.data_dir + "/launcher/launcher.py", "%s/records/%s.json" % (self.data_dir, stem)]
        settings = [
            ("command", shlex.join(launcher)),
            ("directory", self.data_dir + "/home"),
            ("environment", 'HOME="%s/home"' % self.data_dir),
            ("user", self.user),
            ("autostart", "false"),
            # The launcher waits out the backoff: supervisord starts it again at once, whatever the engine says by its exit code but "it cannot help".
            ("autorestart", "unexpected" if spec["restart"]["on_error"] else "false"),
            ("exitcodes", ",".join(str(code) for code in spec["restart"]["fatal_exit_codes"])),
            ("startsecs", "0"),
            # Only the engine itself is asked to end: it ends its helpers when it has no requests any more.
            ("stopasgroup", "false"),
            ("killasgroup", "true"),
            ("stopwaitsecs", str(spec["stop_timeout"] + GRACE)),
            ("redirect_stderr", "true"),
            ("stdout_logfile", "%s/%s.log" % (self.log_dir, stem)),
            ("stdout_logfile_maxbytes", "100MB"),
            ("stdout_logfile_backups", "8"),
        ]
        lines = ["; Written by modelfleet for %s of fleet %s." % (instance, fleet), "[program:%s]" % program_name(fleet, instance)]
        lines += ["%s=%s" % setting for setting in settings if setting[1] is not None]
        return "\n".join(lines) + "\n"

    def reload(self):
        """Nothing: settings are read when something is started."""

    def start(self, stems):
        """Starts with the settings as they are written now, and touches no other program. Does not wait. Returns None or what is wrong."""
        rpc = self._rpc()
        try:
            rpc.reloadConfig()
            for stem in stems:
                name = program_name(*stem)
                _tolerate([BAD_NAME], rpc.removeProcessGroup, name)
                _tolerate([ALREADY_ADDED], rpc.addProcessGroup, name)
                _tolerate([ALREADY_STARTED], rpc.startProcess, name, False)
        except xmlrpc.client.Fault as fault:
            return "supervisord says %s (its log is %s/supervisord.log)" % (fault.faultString, self.top)
        except OSError as error:
            return "supervisord does not answer at %s (%s): deploy again, which starts it" % (self.socket, error.strerror or error)
        return None

    def stop(self, stems):
        """Stops and waits until every process is gone, also those of an earlier supervisord. Returns None or what is wrong."""
        patience = {stem: float(self._setting(stem, "stopwaitsecs") or GRACE) for stem in stems}
        limit = time.monotonic() + max(patience.values()) + AFTER_KILL
        while True:
            try:
                busy = self._ask_to_stop(stems)
            except xmlrpc.client.Fault as fault:
                return "supervisord says %s" % fault.faultString
            if not busy:
                break
            if time.monotonic() > limit:
                return "%s did not end although killed" % ", ".join(busy)
            time.sleep(INTERVAL)
        left = [pid for stem in stems for pid in alone.end(self._run_path(*stem), patience[stem])]
        return "process %s did not end although killed" % ", ".join(map(str, left)) if left else None

    def disable(self, stems):
        for stem in stems:
            try:
                _tolerate([BAD_NAME], self._rpc().removeProcessGroup, program_name(*stem))
            except OSError:
                pass        # it does not run: it will not read what is gone

    def admin_socket(self, fleet):
        """Where the router of a fleet is asked."""
        return "%s/%s/admin.sock" % (self.run_dir, fleet)

    def runs_router(self, fleet):
        """Whether the router of a fleet runs, or is about to."""
        program = self._programs().get("modelfleet-router@" + fleet)
        return program is not None and program["state"] in (STARTING, RUNNING, BACKOFF)

    def _rpc(self):
        return xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_Transport(self.socket)).supervisor

    def _programs(self):
        """{name: what supervisord says}. Empty where it does not run."""
        try:
            return {program["name"]: program for program in self._rpc().getAllProcessInfo()}
        except OSError:
            return {}

    def _ask_to_stop(self, stems):
        """Asks those that run, and names the programs that have not ended. One that has just ended by itself is started again and asked then."""
        rpc, programs, busy = self._rpc(), self._programs(), []
        for stem in stems:
            program = programs.get(program_name(*stem))
            if self._condition(stem, program)[0] in ("running", "waiting"):
                busy.append(program["name"])
                if program["state"] in (STARTING, RUNNING, BACKOFF):
                    _tolerate([BAD_NAME, NOT_RUNNING], rpc.stopProcess, program["name"], False)
        return busy

    def _condition(self, stem, program):
        """(condition, pid, detail)."""
        state = program["state"] if program else STOPPED
        if state in (STARTING, RUNNING, STOPPING):
            return "running", program["pid"], ""
        if state == BACKOFF:
            return "waiting", 0, program["spawnerr"]
        if state == STOPPED:
            return "stopped", 0, ""
        if state == FATAL or str(program["exitstatus"]) in (self._setting(stem, "exitcodes") or "").split(","):
            return "failed", 0, program["spawnerr"] or "exit code %d" % program["exitstatus"]
        if self._setting(stem, "autorestart") != "false":
            return "waiting", 0, ""     # it has ended just now
        return ("failed", 0, program["spawnerr"]) if program["exitstatus"] else ("stopped", 0, "")

    def _setting(self, stem, key):
        """One of the settings as written, or None."""
        found = re.search("^%s=(.*)$" % key, read_text(self.settings_path(*stem)) or "", re.MULTILINE)
        return found.group(1) if found else None

    def _run_path(self, fleet, instance):
        """What the launcher notes of its process group (launch/alone.py)."""
        return "%s/state/%s.run" % (self.data_dir, file_stem(fleet, instance))


def run_directory(options):
    """Where sockets are: ``run_dir``, or below the data directory where it is empty."""
    return options["run_dir"] or options["data_dir"] + "/run"


def _tolerate(codes, call, *arguments):
    """Calls; a fault with one of ``codes`` means that there is nothing to do."""
    try:
        call(*arguments)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in codes:
            raise
