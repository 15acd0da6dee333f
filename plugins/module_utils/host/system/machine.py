# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host is: operating system, processors, disks, service manager."""

from __future__ import annotations

import os
import platform
import shutil


def read_os_release(text):
    """(name, version) from the text of /etc/os-release."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return values.get("NAME", "Linux").strip('"'), values.get("VERSION_ID", "").strip('"')


def describe(run):
    """{os, os_version, arch, kernel, cpus, boot_id, service_manager, service_manager_version, logrotate}. ``run`` as in services."""
    name, version = read_os_release(_text("/etc/os-release"))
    manager = find_service_manager()
    return {
        "os": name,
        "os_version": version,
        "arch": platform.machine(),
        "kernel": platform.release(),
        "cpus": len(os.sched_getaffinity(0)),
        "boot_id": _text("/proc/sys/kernel/random/boot_id").strip(),
        "service_manager": manager,
        "service_manager_version": _systemd_version(run) if manager else None,
        "logrotate": os.path.isdir("/etc/logrotate.d"),
    }


def find_service_manager():
    """The name of the service manager that runs this host, or None (sd_booted(3) says how to find systemd)."""
    return "systemd" if os.path.isdir("/run/systemd/system") else None


def free_bytes(path):
    """Free for ordinary users where ``path`` is or would be."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free


def _systemd_version(run):
    code, out, _err = run(["systemctl", "--version"])
    words = out.split()
    return words[1] if code == 0 and len(words) > 1 else None


def _text(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
