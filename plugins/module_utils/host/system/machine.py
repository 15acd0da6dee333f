# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host is: operating system, processors, disks."""

from __future__ import annotations

import os
import platform
import shutil


def read_os_release(text):
    """(name, version) from the text of /etc/os-release."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return values.get("NAME", "Linux").strip('"'), values.get("VERSION_ID", "").strip('"')


def describe():
    """{os, os_version, arch, kernel, cpus, boot_id, logrotate}."""
    name, version = read_os_release(_text("/etc/os-release"))
    return {
        "os": name,
        "os_version": version,
        "arch": platform.machine(),
        "kernel": platform.release(),
        "cpus": len(os.sched_getaffinity(0)),
        "boot_id": _text("/proc/sys/kernel/random/boot_id").strip(),
        "logrotate": os.path.isdir("/etc/logrotate.d"),
    }


def free_bytes(path):
    """Free for ordinary users where ``path`` is or would be."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free


def _text(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
