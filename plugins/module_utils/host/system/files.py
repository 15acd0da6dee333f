# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written whole or not at all, and trouble with them in one sentence."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil


class Trouble(Exception):
    """What is wrong on this host, as one sentence for a person."""


def write_atomic(path, text, mode, uid=-1, gid=-1):
    """Replaces ``path`` by ``text`` at once. Raises Trouble, for example when the disk is full; the old file then stays."""
    partial = "%s.%d.new" % (path, os.getpid())
    try:
        remove(partial)
        # Some directories belong to the service user: a link that lies there must not lead root elsewhere.
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            _write_all(descriptor, text.encode("utf-8"))
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise Trouble(explain(error, path))


def _write_all(descriptor, data):
    """A disk that is nearly full takes a part without an error."""
    while data:
        data = data[os.write(descriptor, data):]


def make_directory(path, mode=0o755, uid=-1, gid=-1):
    """Makes ``path`` and what is above it; an existing one is left as it is. Raises Trouble."""
    try:
        if not os.path.isdir(path):
            os.makedirs(path)
            os.chmod(path, mode)
            os.chown(path, uid, gid)
    except OSError as error:
        raise Trouble(explain(error, path))


def read_text(path):
    """The text of a file, or None when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Trouble(explain(error, path))


def read_json(path):
    """The value in a JSON file, or None when there is no such file. Raises Trouble when it is broken."""
    text = read_text(path)
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise Trouble("%s is not JSON (%s): restore it, or delete it and deploy again." % (path, error))


def remove(path):
    """Removes a file; one that is not there is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def explain(error, path):
    """The sentence for an OSError on ``path``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full: %s cannot be written, %d bytes are free there; free some space and run again." % (path, _free(path))
    return "%s cannot be used: %s." % (path, error.strerror)


def _free(path):
    while path != "/" and not os.path.isdir(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free
