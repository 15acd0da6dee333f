# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GGUF models on disk: one file, or several parts that are told by their names. Touches the file system, changes nothing."""

from __future__ import annotations

import os
import re

from ..disk import opened, some
from ..errors import ModelError
from .header import read_header
from .metadata import describe

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


def models_in(directory, names):
    """See files.py. A projector (mmproj*) is no model of its own."""
    models = {}
    for name in names:
        if name.endswith(".gguf") and not name.startswith((".", "mmproj")):
            match = _SHARD.fullmatch(name)
            models.setdefault(match["stem"] if match else name, name)
    return {name: os.path.join(directory, name) for name in models.values()}


def read(path):
    """See files.py. ``path``: the file, or any part of it."""
    files = []
    for part in _parts_of(path):
        with opened(part) as (stream, size):
            files.append((part, read_header(stream, size)))
    try:
        _check_parts(files)
        return describe(files)
    except ModelError as error:
        raise ModelError(error.sentence, error.path or files[0][0]) from error


def _parts_of(path):
    match = _SHARD.fullmatch(os.path.basename(path))
    if not match:
        return [path]
    names = _names(match)
    missing = [name for name in names if not os.path.exists(os.path.join(os.path.dirname(path), name))]
    if missing:
        raise ModelError("%d of its %d parts are missing beside it: %s" % (len(missing), len(names), some(missing)), path)
    return [os.path.join(os.path.dirname(path), name) for name in names]


def _names(match):
    count = int(match["count"])
    if not 1 <= int(match["number"]) <= count:
        raise ModelError("the name says part %s of %s" % (match["number"], match["count"]))
    return ["%s-%05d-of-%05d.gguf" % (match["stem"], number, count) for number in range(1, count + 1)]


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
