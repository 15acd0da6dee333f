# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the header of one GGUF file: what llama.cpp knows of a model before it loads the weights.

Source: the format's specification (ggml docs/gguf.md), versions 2 and 3, little endian.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..errors import ModelError
from ..mistaken import BYTES, mistaken
from ..reader import HeaderReader
from .types import tensor_bytes

MAGIC = b"GGUF"
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: struct.Struct("<B"), 1: struct.Struct("<b"), 2: struct.Struct("<H"), 3: struct.Struct("<h"), 4: _U32,
    5: struct.Struct("<i"), 6: struct.Struct("<f"), 7: struct.Struct("<?"), 10: _U64, 11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
# The fewest bytes of: a key with its value (length, type, one byte), a tensor (length, count, type, offset).
_SMALLEST_VALUE, _SMALLEST_TENSOR = 13, 24
_LONGEST_NAME = 65535
_LONGEST_TEXT = 16 * 1024 * 1024
# Arrays with one number a layer are kept, longer ones (vocabularies) are only counted.
_LONGEST_KEPT_ARRAY = 4096
_MOST_DIMENSIONS = 4
_ALIGNMENT = 32


class Counted(NamedTuple):
    """An array that was passed over: only its length is known."""

    length: int


class Tensor(NamedTuple):
    """``offset`` counts from the beginning of the tensor data; ``bytes`` without padding."""

    name: str
    dimensions: tuple
    type: int
    offset: int
    bytes: int


class Header(NamedTuple):
    """``values``: key -> number, bool, str, list or Counted. ``header_bytes``: before the padding. ``digest``: hex."""

    version: int
    values: dict
    tensors: list
    header_bytes: int
    file_bytes: int
    data_start: int
    digest: str


def read_header(stream, size):
    """The :class:`Header` of the GGUF file in ``stream`` (binary, at its beginning) of ``size`` bytes.

    Reads the header's bytes and no more. Raises ModelError with a sentence for anything that is no sound GGUF file,
    also when the tensor data is cut off.
    """
    reader = HeaderReader(stream, size)
    reader.expect(min(size, 4))
    start = reader.take(min(size, 4))
    if start != MAGIC:
        start += reader.take(min(size, BYTES) - len(start))
        raise ModelError(mistaken(start, size) or _unknown(start))
    reader.expect(20)
    version = reader.number(_U32)
    if version not in (2, 3):
        raise ModelError(_bad_version(version))
    tensor_count, value_count = reader.number(_U64), reader.number(_U64)
    values, tensors = {}, []
    for left in range(value_count - 1, -1, -1):
        reader.after = left * _SMALLEST_VALUE + tensor_count * _SMALLEST_TENSOR
        reader.expect(_SMALLEST_VALUE)
        key = _text(reader, _LONGEST_NAME)
        if key in values:
            raise ModelError("the header is broken: the key %s is there twice" % key)
        values[key] = _value(reader, reader.number(_U32), key)
    for left in range(tensor_count - 1, -1, -1):
        reader.after = left * _SMALLEST_TENSOR
        reader.expect(_SMALLEST_TENSOR)
        tensors.append(_tensor(reader))
    alignment = values.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise ModelError("the header is broken: general.alignment is %r, it must be a power of two" % (alignment,))
    data_start = (reader.position + alignment - 1) // alignment * alignment
    tensors = _sized(tensors, max(0, size - data_start))
    header = Header(version, values, tensors, reader.position, size, data_start, reader.digest())
    _refuse_cut_off(header)
    return header


def _text(reader, longest):
    length = reader.number(_U64)
    if length > longest:
        raise ModelError("the header is broken: a text of %d bytes at byte %d" % (length, reader.position - 8))
    reader.expect(length)
    return reader.take(length).decode("utf-8", "replace")


def _value(reader, kind, key):
    if kind in _SCALARS:
        return reader.number(_SCALARS[kind])
    if kind == _STRING:
        return _text(reader, _LONGEST_TEXT)
    if kind != _ARRAY:
        raise ModelError("the header is broken: the key %s has the unknown type %d" % (key, kind))
    reader.expect(12)
    element, length = reader.number(_U32), reader.number(_U64)
    if element == _STRING:
        reader.skip_strings(length)
        return Counted(length)
    if element not in _SCALARS:
        raise ModelError("the header is broken: the key %s is an array of the unknown type %d" % (key, element))
    layout = _SCALARS[element]
    if length > _LONGEST_KEPT_ARRAY or key.startswith("tokenizer."):
        reader.skip(length * layout.size)
        return Counted(length)
    reader.expect(length * layout.size)
    return [value[0] for value in layout.iter_unpack(reader.take(length * layout.size))]


def _tensor(reader):
    name = _text(reader, _LONGEST_NAME)
    count = reader.number(_U32)
    if count > _MOST_DIMENSIONS:
        raise ModelError("the header is broken: the tensor %s has %d dimensions" % (name, count))
    reader.expect(8 * count + 12)
    dimensions = tuple(reader.number(_U64) for _index in range(count))
    return Tensor(name, dimensions, reader.number(_U32), reader.number(_U64), -1)


def _sized(tensors, data_bytes):
    """Each tensor with its bytes. Of a type that we do not know yet, it is the room up to the next tensor."""
    starts = sorted({tensor.offset for tensor in tensors} | {data_bytes})
    following = dict(zip(starts, starts[1:]))
    sized = []
    for tensor in tensors:
        size = tensor_bytes(tensor.type, tensor.dimensions)
        if size is None:
            size = max(0, following.get(tensor.offset, tensor.offset) - tensor.offset)
        sized.append(tensor._replace(bytes=size))
    return sized


def _refuse_cut_off(header):
    end = max([header.data_start + tensor.offset + tensor.bytes for tensor in header.tensors], default=0)
    if end > header.file_bytes:
        raise ModelError("the file is cut off: %d bytes are missing (%d of %d are there); copy or download it again"
                         % (end - header.file_bytes, header.file_bytes, end))


def _bad_version(version):
    if version == 1:
        return "GGUF version 1 is too old; convert the model again with a current llama.cpp"
    if version & 0xFFFF == 0:
        return "a big endian GGUF file; engines here need little endian, convert the model again"
    return "unknown GGUF version %d (2 and 3 are known)" % version


def _unknown(start):
    if start[8:9] == b"{":
        return "a safetensors file; name the directory that holds it and its config.json"
    return "not a GGUF file: it begins with %s instead of GGUF" % ascii(start[:4].decode("latin-1"))
