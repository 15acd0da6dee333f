# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What model_info answers for a path of this machine: metadata, or one sentence that says what is wrong."""

from __future__ import annotations

import difflib
import os

from .access import Reader, first_missing, obstacle
from .errors import ModelError
from .files import read_model


def inspect(path, host=None, user=None):
    """``{path, found: bool, error: sentence | null, metadata}`` of the model at ``path``. Never raises for a bad file.

    ``host`` begins the sentence; ``user`` (name) is who must be able to read the files, e.g. the service user.
    """
    try:
        metadata = read_model(path)
        denied = _denied(path, metadata["files"], user)
        if denied:
            return _answer(path, host, denied[0], denied[1])
        return {"path": path, "found": True, "error": None, "metadata": metadata}
    except ModelError as error:
        return _answer(path, host, error.path or path, error.sentence)
    except FileNotFoundError as error:
        which = error.filename or path
        return _answer(path, host, which, "no such file" + _hint(which))
    except PermissionError as error:
        which = error.filename or path
        where = obstacle(which, Reader.current())
        return _answer(path, host, which, _permission(where, Reader.current().name) if where else "permission denied")
    except OSError as error:
        return _answer(path, host, error.filename or path, "cannot be read: %s" % (error.strerror or error))


def _denied(path, files, user):
    """(path, sentence) of the first thing that ``user`` cannot read, or None: what was asked for (engines list a directory) or a file."""
    if not user:
        return None
    reader = Reader.named(user)
    for needed in [path] + [entry["path"] for entry in files]:
        where = obstacle(needed, reader)
        if where:
            return needed, _permission(where, user)
    return None


def _permission(where, user):
    return "permission denied at %s (user %s needs %s)" % (where[0], user, where[1])


def _hint(path):
    """What helps to find a path that does not exist: the missing directory, or a name that is nearly the same."""
    missing = first_missing(path)
    if missing is None:
        return " (a link that leads nowhere)"
    if missing != os.path.abspath(path):
        return " (%s does not exist)" % missing
    try:
        names = [name for name in os.listdir(os.path.dirname(missing)) if not name.startswith(".")]
    except OSError:
        return ""
    near = difflib.get_close_matches(os.path.basename(missing), sorted(names), n=1, cutoff=0.8)
    return " (did you mean %s?)" % near[0] if near else ""


def _answer(path, host, where, sentence):
    text = "%s: %s" % (where, sentence)
    error = "%s: %s" % (host, text) if host else text
    return {"path": path, "found": os.path.exists(path), "error": error, "metadata": None}
