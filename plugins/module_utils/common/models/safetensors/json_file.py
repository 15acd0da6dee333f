# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the small JSON files of a model's directory."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from ..disk import opened
from ..errors import ModelError
from ..mistaken import BYTES, mistaken

# Indexes of the largest models have 10 MB.
LONGEST = 64 * 1024 * 1024


class Document(NamedTuple):
    """``values``: the JSON object; ``digest``: SHA-256 (hex) of the file."""

    values: dict
    digest: str


def read_json(path):
    """The :class:`Document` at ``path``. Raises ModelError with the path, and OSError."""
    with opened(path) as (stream, size):
        if size > LONGEST:
            raise ModelError("is too large for its kind: %d bytes" % size)
        data = _all(stream, size)
        try:
            values = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            what = mistaken(data[:BYTES], size) or "is no JSON (%s); copy or download it again" % error
            raise ModelError(what) from error
    return Document(values, hashlib.sha256(data).hexdigest())


def read_object(path):
    """As :func:`read_json`, and the JSON must be an object."""
    document = read_json(path)
    if not isinstance(document.values, dict):
        raise ModelError("is no JSON object; copy or download it again", path)
    return document


def _all(stream, size):
    pieces = []
    while size:
        piece = stream.read(size)
        if not piece:
            raise ModelError("the file became shorter while it was read")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
