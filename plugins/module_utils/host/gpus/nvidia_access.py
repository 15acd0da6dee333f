# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the user who runs engines may use NVIDIA's device files."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat


def closed_device(user, root):
    """A sentence about the first device file that is closed to the user, or None."""
    folder = os.path.join(root, "dev")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if re.fullmatch(r"nvidia(\d+|ctl|-uvm)", name):
            status = os.stat(os.path.join(folder, name))
            if not _may_use(user, status):
                return "/dev/%s is closed to the user %s (mode %04o): let everybody use it (NVreg_DeviceFileMode=0666), or give it to the group video" % (
                    name, user, stat.S_IMODE(status.st_mode))
    return None


def _may_use(user, status):
    if status.st_mode & 0o006 == 0o006:
        return True
    if status.st_mode & 0o060 == 0o060 and status.st_gid in _groups(user):
        return True
    try:
        return status.st_mode & 0o600 == 0o600 and pwd.getpwnam(user).pw_uid == status.st_uid
    except KeyError:
        return False


def _groups(user):
    """The ids of the user's groups; the role `host` adds video and render, perhaps only later in this run."""
    found = set()
    for group in grp.getgrall():
        if group.gr_name in ("video", "render") or user in group.gr_mem:
            found.add(group.gr_gid)
    return found
