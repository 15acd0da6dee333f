# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the header of one safetensors file: the names, types and sizes of its tensors.

Source: the format's description (safetensors README, "Format"): 8 bytes little endian with the length of the header, the header
(JSON, may end with spaces), then the tensors without gaps up to the end of the file.
"""

from __future__ import annotations

import json
import struct
from typing import NamedTuple

from ..counts import is_count
from ..errors import ModelError
from ..mistaken import BYTES, mistaken
from ..reader import HeaderReader

# The reference implementation refuses longer ones.
LONGEST_HEADER = 100 * 1000 * 1000
_LENGTH = struct.Struct("<Q")


class Tensor(NamedTuple):
    """``dtype``: as in the header, e.g. "BF16"."""

    name: str
    dtype: str
    dimensions: tuple
    bytes: int


class Header(NamedTuple):
    """``header_bytes``: with the 8 bytes of its length. ``digest``: hex, of the header's bytes."""

    tensors: list
    header_bytes: int
    file_bytes: int
    digest: str


def read_header(stream, size):
    """The :class:`Header` of the safetensors file in ``stream`` (binary, at its beginning) of ``size`` bytes.

    Reads the header's bytes and no more. Raises ModelError with a sentence for anything that is no sound safetensors file,
    also when the tensors are cut off.
    """
    reader = HeaderReader(stream, size)
    start = reader.take(min(size, 8))
    length = _LENGTH.unpack(start)[0] if len(start) == 8 else 0
    if not 2 <= length <= LONGEST_HEADER or mistaken(start, size):
        start += reader.take(min(size, BYTES) - len(start))
        raise ModelError(mistaken(start, size) or "not a safetensors file: its header would have %d bytes" % length)
    reader.expect(length)
    tensors, data_bytes = _tensors(reader.take(length))
    expected = 8 + length + data_bytes
    if size < expected:
        raise ModelError("the file is cut off: %d bytes are missing (%d of %d are there); copy or download it again"
                         % (expected - size, size, expected))
    if size > expected:
        raise ModelError("the file is broken: it is %d bytes longer than its header says; copy or download it again" % (size - expected))
    return Header(tensors, 8 + length, size, reader.digest())


def _tensors(text):
    """([Tensor], bytes of all data) of a header's JSON."""
    try:
        entries = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ModelError("the header is broken: it is no JSON; copy or download the file again")
    if not isinstance(entries, dict):
        raise ModelError("the header is broken: it is no JSON object; copy or download the file again")
    entries.pop("__metadata__", None)
    end = 0
    tensors = []
    for name, entry in entries.items():
        dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets")) if isinstance(entry, dict) else (None,) * 3
        if not isinstance(dtype, str) or not _counts(shape) or not _counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
            raise ModelError("the header is broken: its entry for the tensor %s makes no sense" % name)
        tensors.append(Tensor(name, dtype, tuple(shape), offsets[1] - offsets[0]))
        end = max(end, offsets[1])
    return tensors, end


def _counts(value):
    return isinstance(value, list) and all(is_count(item) for item in value)
