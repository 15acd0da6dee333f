"""Writes GGUF files (version 3) with nothing but the standard library: a header, metadata, tensors.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Everything is little-endian, tensors begin at multiples of 32 bytes.
"""

from __future__ import annotations

import os
import struct

ALIGNMENT = 32
F32, F16 = 0, 1
"""Types of tensors."""
SIZES = {F32: 4, F16: 2}

_CODES = {"u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"), "bool": (7, "<?")}
_STRING, _ARRAY = 8, 9


def write(path, metadata, tensors):
    """Writes a file whole or not at all.

    ``metadata``: [(key, kind, value)]; kind is u32, i32, f32, bool or str, or one of them in a list (``["str"]``) for an array.
    ``tensors``: [(name, shape, type, bytes)]; the shape is in rows, columns; bytes None stands for zeros, which take no room on the disk.
    """
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    for key, kind, value in metadata:
        head += [_text(key), _typed(kind, value)]
    places, offset = [], 0
    for name, shape, kind, data in tensors:
        size = SIZES[kind]
        for length in shape:
            size *= length
        if data is not None and len(data) != size:
            raise ValueError("%s has %d bytes, its shape needs %d" % (name, len(data), size))
        head += [_text(name), struct.pack("<I%dQIQ" % len(shape), len(shape), *reversed(shape), kind, offset)]
        places.append((offset, data))
        offset = _aligned(offset + size)
    head = b"".join(head)
    partial = "%s.partial" % path
    with open(partial, "wb") as stream:
        stream.write(head)
        for place, data in places:
            if data is not None:
                stream.seek(_aligned(len(head)) + place)
                stream.write(data)
        stream.truncate(_aligned(len(head)) + offset)
    os.replace(partial, path)


def _aligned(number):
    return -(-number // ALIGNMENT) * ALIGNMENT


def _text(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _typed(kind, value):
    """A value behind its type."""
    if isinstance(kind, list):
        code = _STRING if kind[0] == "str" else _CODES[kind[0]][0]
        return struct.pack("<IIQ", _ARRAY, code, len(value)) + b"".join(_plain(kind[0], item) for item in value)
    return struct.pack("<I", _STRING if kind == "str" else _CODES[kind][0]) + _plain(kind, value)


def _plain(kind, value):
    return _text(value) if kind == "str" else struct.pack(_CODES[kind][1], value)
