"""Writes GGUF files byte by byte, independently of the reader under test, so that they can also be wrong."""

import io
import struct

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def packed(kind, value):
    """A value; arrays are given as (element kind, [values])."""
    if kind == STRING:
        return text(value)
    if kind == ARRAY:
        element, items = value
        return struct.pack("<IQ", element, len(items)) + b"".join(packed(element, item) for item in items)
    return struct.pack("<" + FORMATS[kind], value)


def header(values, tensors, version=3):
    """``values``: [(key, kind, value)], ``tensors``: [(name, dimensions, type, offset)]."""
    parts = [b"GGUF", struct.pack("<IQQ", version, len(tensors), len(values))]
    for key, kind, value in values:
        parts += [text(key), struct.pack("<I", kind), packed(kind, value)]
    for name, dimensions, kind, offset in tensors:
        parts += [text(name), struct.pack("<I", len(dimensions)), struct.pack("<%dQ" % len(dimensions), *dimensions)]
        parts += [struct.pack("<IQ", kind, offset)]
    return b"".join(parts)


def model(
    values=(), tensors=(("token_embd.weight", (64, 10), 0), ("output_norm.weight", (64,), 0)), version=3, alignment=32
):
    """A sound file: tensors [(name, dimensions, type 0 (F32) or 1 (F16))] one after the other, data zero."""
    values = [("general.architecture", STRING, "llama"), *values]
    placed, offset = [], 0
    for name, dimensions, kind in tensors:
        placed.append((name, dimensions, kind, offset))
        size = 4 if kind == 0 else 2
        for dimension in dimensions:
            size *= dimension
        offset += -(-size // alignment) * alignment
    start = header(values, placed, version)
    return start + bytes(-len(start) % alignment) + bytes(offset)


class Counting(io.BytesIO):
    """A file that remembers up to where it was read."""

    furthest = 0
    calls = 0

    def read(self, size=-1):
        self.calls += 1
        data = super().read(size)
        self.furthest = max(self.furthest, self.tell())
        return data
