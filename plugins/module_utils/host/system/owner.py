# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom files and processes belong to: a service user where modelfleet is root here, else the user who logged in, for everything."""

from __future__ import annotations

import os
import pwd


def is_root():
    return os.geteuid() == 0


def service_user(wanted):
    """The name of the user who runs engines (or a router): ``wanted`` where modelfleet is root, else its own."""
    if is_root():
        return wanted
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def unwritable(*directories):
    """A sentence without its full stop for each directory that neither is nor can be made by an ordinary user; root can do anything here."""
    if is_root():
        return []
    denied = [path for path in directories if not os.access(_nearest(path), os.W_OK | os.X_OK)]
    advice = "set modelfleet_data_dir to a directory of this user, or modelfleet_become to true"
    return ["%s cannot write %s: %s" % (service_user(None), path, advice) for path in denied]


def _nearest(path):
    """``path`` or what is there of the way to it."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def ids_of(user):
    """uid and gid for files of the service user ``user``. -1, as it is, where modelfleet is not root or there is no such user yet."""
    try:
        entry = pwd.getpwnam(user) if is_root() else None
    except KeyError:
        entry = None
    return (entry.pw_uid, entry.pw_gid) if entry else (-1, -1)
