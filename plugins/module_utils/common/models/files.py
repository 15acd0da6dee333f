# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the files of a model on disk and reads their headers. Touches the file system, changes nothing."""

from __future__ import annotations

import os
import re
import stat

from .errors import ModelError
from .gguf import read_header
from .metadata import describe

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


def read_model(path):
    """Metadata (:func:`metadata.describe`) of the model at ``path``: a GGUF file, any part of one, or its directory.

    ``files`` of the result begins with the file that an engine is given. Raises ModelError and OSError.
    """
    paths = model_files(path)
    files = []
    for part in paths:
        try:
            files.append((part, _header(part)))
        except ModelError as error:
            raise ModelError(error.sentence, part) from error
    try:
        _check_parts(files)
        return describe(files)
    except ModelError as error:
        raise ModelError(error.sentence, error.path or paths[0]) from error


def model_files(path):
    """The files of the model at ``path`` in order. Raises ModelError when parts are missing or it is ambiguous."""
    if os.path.isdir(path):
        path = _only_model_in(path)
    match = _SHARD.fullmatch(os.path.basename(path))
    if not match:
        return [path]
    names = _parts(match)
    missing = [name for name in names if not os.path.exists(os.path.join(os.path.dirname(path), name))]
    if missing:
        sentence = "%d of its %d parts are missing beside it: %s" % (len(missing), len(names), _some(missing))
        raise ModelError(sentence, path)
    return [os.path.join(os.path.dirname(path), name) for name in names]


def _parts(match):
    count = int(match["count"])
    if not 1 <= int(match["number"]) <= count:
        raise ModelError("the name says part %s of %s" % (match["number"], match["count"]))
    return ["%s-%05d-of-%05d.gguf" % (match["stem"], number, count) for number in range(1, count + 1)]


def _only_model_in(directory):
    """The one model of a directory (a projector, mmproj*, may lie beside it)."""
    models = {}
    for name in sorted(os.listdir(directory)):
        if name.endswith(".gguf") and not name.startswith((".", "mmproj")):
            match = _SHARD.fullmatch(name)
            models.setdefault(match["stem"] if match else name, name)
    if not models:
        raise ModelError("is a directory without GGUF files")
    if len(models) > 1:
        raise ModelError("is a directory with %d models, name one: %s" % (len(models), _some(sorted(models.values()))))
    return os.path.join(directory, *models.values())


def _header(path):
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for ever
        raise ModelError("is not a regular file")
    # Without buffering: the reader itself reads large pieces, and never past the header.
    with open(path, "rb", buffering=0) as stream:
        return read_header(stream, status.st_size)


def _check_parts(files):
    values = files[0][1].values
    count = values.get("split.count")
    if isinstance(count, int) and count > 1 and count != len(files):
        raise ModelError("is one of %d parts, but not named <model>-00001-of-%05d.gguf; give the parts their names back"
                         % (count, count))
    for index, (path, header) in enumerate(files):
        number = header.values.get("split.no", index)
        if isinstance(number, int) and number != index:
            raise ModelError("is part %d by its name, but part %s by its header" % (index + 1, number + 1), path)
    tensors = values.get("split.tensors.count")
    found = sum(len(header.tensors) for _path, header in files)
    if isinstance(tensors, int) and tensors != found:
        raise ModelError("its parts do not belong together: %d tensors expected, %d found" % (tensors, found))


def _some(names):
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
