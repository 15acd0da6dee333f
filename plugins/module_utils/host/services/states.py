# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states in which an instance can be, whatever the service manager."""

from __future__ import annotations

ACTIVE = "active"
STARTING = "starting"
BACKING_OFF = "backing_off"
FAILED = "failed"
STOPPED = "stopped"


class ServiceStatus:
    """What a service manager says of one service. ``condition``: running, waiting (for its next try), failed or stopped."""

    def __init__(self, condition, pid=0, detail=""):
        self.condition = condition
        self.pid = pid
        self.detail = detail

    def last_exit(self, launch):
        """How the service ended the last time, such as ``exited 1`` or ``killed KILL``, or None. ``launch``: the launcher's state file or {}."""
        return launch.get("last_exit")


def instance_state(status, launch, now):
    """The state of an instance. ``launch``: the launcher's state file or None; ``now``: epoch seconds."""
    if status.condition == "failed":
        return FAILED
    if status.condition == "stopped":
        return STOPPED
    launch = launch or {}
    if status.condition == "waiting" or (launch.get("next_try") or 0) > now:
        return BACKING_OFF
    return ACTIVE if launch.get("healthy_pid") == status.pid else STARTING
