# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd: instances are units of the template modelfleet@.service; the settings of each are a drop-in."""

from __future__ import annotations

import contextlib
import os

from ...common.names import unit_name
from ..system.files import make_directory, read_text, remove, write_atomic
from ..system.owner import is_root
from .states import ServiceStatus

UNIT_DIR = "/etc/systemd/system"
SHOWN = "Id,ActiveState,SubState,MainPID,Result"
GRACE = 10
"""Seconds that systemd waits longer than the engine may take to end its requests."""


class Systemd:
    """``run``: (argv) -> (exit code, stdout, stderr)."""

    def __init__(self, run, unit_dir=UNIT_DIR):
        self.run = run
        self.unit_dir = unit_dir

    @classmethod
    def of_host(cls, run, _options):
        return cls(run)

    @staticmethod
    def obstacle(_options):
        """Why systemd cannot be used here, or None (sd_booted(3) says how to find it)."""
        if not os.path.isdir("/run/systemd/system"):
            return "systemd does not run this host"
        if not is_root():
            return "systemd needs root: set modelfleet_become to true, or modelfleet_service_manager to supervisord"
        return None

    def version(self):
        """As text, or None."""
        code, out, _err = self.run(["systemctl", "--version"])
        words = out.split()
        return words[1] if code == 0 and len(words) > 1 else None

    def status(self, stems):
        """{(fleet, instance): ServiceStatus} in one call."""
        if not stems:
            return {}
        units = {unit_name(*stem): stem for stem in stems}
        _code, out, _err = self.run(["systemctl", "show", "--property=" + SHOWN] + sorted(units))
        return {units[unit]: status for unit, status in parse_show(out).items() if unit in units}

    def settings_path(self, fleet, instance):
        return os.path.join(self.unit_dir, unit_name(fleet, instance) + ".d", "instance.conf")

    def settings_differ(self, record):
        return read_text(self.settings_path(record["fleet"], record["instance"])) != drop_in_text(record)

    def write_settings(self, record):
        path = self.settings_path(record["fleet"], record["instance"])
        make_directory(os.path.dirname(path))
        write_atomic(path, drop_in_text(record), 0o644)

    def remove_settings(self, fleet, instance):
        path = self.settings_path(fleet, instance)
        remove(path)
        with contextlib.suppress(OSError):   # drop-ins of the administrator stay
            os.rmdir(os.path.dirname(path))

    def reload(self):
        self.run(["systemctl", "daemon-reload"])

    def start(self, stems):
        """Enables and starts without waiting. Returns None or what systemd said."""
        units = [unit_name(*stem) for stem in stems]
        self.run(["systemctl", "reset-failed"] + units)
        self.run(["systemctl", "enable", "--quiet"] + units)
        code, _out, err = self.run(["systemctl", "start", "--no-block"] + units)
        return None if code == 0 else err.strip()

    def stop(self, stems):
        """Stops and waits until every process of the units is gone. Returns None or what systemd said."""
        units = [unit_name(*stem) for stem in stems]
        code, _out, err = self.run(["systemctl", "stop"] + units)
        self.run(["systemctl", "reset-failed"] + units)
        return None if code == 0 else err.strip()

    def disable(self, stems):
        self.run(["systemctl", "disable", "--quiet"] + [unit_name(*stem) for stem in stems])

    def admin_socket(self, fleet):
        """Where the router of a fleet is asked; its unit makes the directory."""
        return "/run/modelfleet-router/%s/admin.sock" % fleet

    def runs_router(self, fleet):
        """Whether the router of a fleet runs, or is about to."""
        _code, out, _err = self.run(["systemctl", "show", "--property=" + SHOWN, "modelfleet-router@%s.service" % fleet])
        return any(status.condition in ("running", "waiting") for status in parse_show(out).values())


def drop_in_text(record):
    """What systemd must know of one instance."""
    spec = record["spec"]
    lines = [
        "# Written by modelfleet for %s of fleet %s." % (record["instance"], record["fleet"]),
        "[Service]",
        "TimeoutStopSec=%d" % (spec["stop_timeout"] + GRACE),
        "RestartPreventExitStatus=%s" % " ".join(str(code) for code in spec["restart"]["fatal_exit_codes"]),
    ]
    if not spec["restart"]["on_error"]:
        lines.append("Restart=no")
    return "\n".join(lines) + "\n"


def parse_show(text):
    """{unit: ServiceStatus} of the output of ``systemctl show``: blocks of KEY=value, divided by empty lines."""
    found = {}
    for block in text.strip().split("\n\n"):
        shown = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if shown.get("Id"):
            found[shown["Id"]] = ServiceStatus(_condition(shown), int(shown.get("MainPID") or 0), shown.get("Result", ""))
    return found


def _condition(shown):
    state, sub = shown.get("ActiveState"), shown.get("SubState")
    if "auto-restart" in (sub or ""):
        return "waiting"
    if state == "failed":
        return "failed"
    if state in ("active", "activating", "reloading", "deactivating"):
        return "running"    # deactivating: it may still be at work, and whether it is started again is not known yet
    return "stopped"
