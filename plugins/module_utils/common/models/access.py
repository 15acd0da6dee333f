# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a user can read a file, judged by owner, group and other bits: without becoming that user."""

from __future__ import annotations

import errno
import os
import pwd
import stat

_BITS = {"r": 4, "x": 1}


class Reader:
    """Who reads: ``uid`` None for a user that does not exist (yet): what everybody may, it will be allowed."""

    def __init__(self, name, uid, groups):
        self.name = name
        self.uid = uid
        self.groups = frozenset(groups)

    @classmethod
    def named(cls, name):
        """The user ``name`` of this machine."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return cls(name, None, [])
        return cls(name, entry.pw_uid, os.getgrouplist(name, entry.pw_gid))

    @classmethod
    def current(cls):
        """The user that runs this."""
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
        return cls(name, uid, [os.getegid()] + os.getgroups())

    def may(self, status, need):
        """Whether the bits of an os.stat_result grant ``need`` ("r" or "x") to this user."""
        if self.uid == 0:
            return need == "r" or stat.S_ISDIR(status.st_mode) or bool(status.st_mode & 0o111)
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid in self.groups else 0
        return bool(status.st_mode >> shift & _BITS[need])


def obstacle(path, reader):
    """``(where, need)`` of the first thing on the way to ``path`` that ``reader`` may not pass, or None.

    Directories need "x", the last component "r". Things that do not exist or that this process cannot see end the walk:
    opening the file says more about them. Access lists beyond the mode bits are not judged.
    """
    walked = set()
    for walk in (os.path.abspath(path), os.path.realpath(path)):
        for where in _components(walk):
            if where in walked:
                continue
            walked.add(where)
            try:
                status = os.stat(where)
            except OSError:
                break
            needs = "x" if where != walk else "rx" if stat.S_ISDIR(status.st_mode) else "r"
            for need in needs:
                if not reader.may(status, need) and not _has_access_list(where):
                    return where, need
    return None


def first_missing(path):
    """The first component of ``path`` that does not exist, or None."""
    for where in _components(os.path.abspath(path)):
        if not os.path.lexists(where):
            return where
    return None


def _components(path):
    parts = []
    while True:
        parts.append(path)
        parent = os.path.dirname(path)
        if parent == path:
            return parts[::-1]
        path = parent


def _has_access_list(path):
    if not hasattr(os, "getxattr"):
        return False
    try:
        os.getxattr(path, "system.posix_acl_access")
    except OSError as error:
        return error.errno == errno.EACCES
    return True
