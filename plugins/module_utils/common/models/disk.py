# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reading a model's files has in common. Touches the file system, changes nothing."""

from __future__ import annotations

import contextlib
import os
import stat

from .errors import ModelError


@contextlib.contextmanager
def opened(path):
    """``(stream, size)`` of the regular file at ``path``. Raises ModelError and OSError; a ModelError from inside gets the path."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for ever
        raise ModelError("is not a regular file", path)
    # Without buffering: the readers themselves read large pieces, and never past a header.
    with open(path, "rb", buffering=0) as stream:
        try:
            yield stream, status.st_size
        except ModelError as error:
            raise ModelError(error.sentence, error.path or path) from error


def some(names):
    """The first five names, for a sentence."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
