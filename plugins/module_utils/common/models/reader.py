# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a file's header from its beginning: in large pieces, and yet not one byte beyond the header.

How long a header is, is known only at its end. But at each point it is known how many bytes must at least still come
(each string that is still to come has a length of 8 bytes, and so on): so far, and no further, is read ahead.
"""

from __future__ import annotations

import hashlib
import struct

from .errors import ModelError

PIECE = 256 * 1024
# Headers of real models have 1 to 16 MB (the vocabulary); a larger one is a broken count.
LONGEST_HEADER = 256 * 1024 * 1024


class HeaderReader:
    """Takes bytes from ``stream`` (binary, at its beginning) of a file of ``size`` bytes.

    ``after`` is set by the caller: bytes that must at least follow what is being read now.
    """

    def __init__(self, stream, size):
        self._stream = stream
        self._size = size
        self._buffer = b""
        self._at = 0
        self._ahead = 0
        self._hash = hashlib.sha256()
        self.position = 0
        self.after = 0

    def expect(self, count):
        """At least ``count`` more bytes, then those of ``after``, belong to the header. ModelError if they cannot."""
        end = self.position + count + self.after
        if end > self._size:
            raise ModelError(
                "the header is cut off or broken: it needs at least %d bytes, the file has %d" % (end, self._size))
        if end > LONGEST_HEADER:
            raise ModelError("the header is broken: it claims at least %d bytes" % end)
        self._ahead = end

    def take(self, count):
        """The next ``count`` bytes."""
        if len(self._buffer) - self._at < count:
            self._fetch(count)
        start = self._at
        self._at += count
        self.position += count
        return self._buffer[start:self._at]

    def number(self, layout):
        """The next value of a struct.Struct with one value."""
        return layout.unpack(self.take(layout.size))[0]

    def skip(self, count):
        """Passes over ``count`` bytes without keeping them."""
        self.expect(count)
        while count:
            piece = min(count, PIECE)
            self.take(piece)
            count -= piece

    def skip_strings(self, count):
        """Passes over ``count`` strings (8 bytes of length, then the text)."""
        unpack = struct.Struct("<Q").unpack_from
        while count:
            self.expect(8 * count)
            if len(self._buffer) - self._at < 8:
                self._fetch(8)
            buffer, at, end = self._buffer, self._at, len(self._buffer)
            before = at
            while count and at + 8 <= end:
                following = at + 8 + unpack(buffer, at)[0]
                if following > end:
                    break
                at = following
                count -= 1
            self.position += at - before
            self._at = at
            if count and at == before:
                length = unpack(self.take(8))[0]
                count -= 1
                self.after += 8 * count
                self.skip(length)
                self.after -= 8 * count

    def digest(self):
        """SHA-256 (hex) of all bytes read so far."""
        return self._hash.hexdigest()

    def _fetch(self, count):
        wanted = max(self.position + count, min(self._ahead, self.position + PIECE))
        if self.position + count > self._size:
            raise ModelError("the file ends inside its header, after %d bytes" % self._size)
        rest = self._buffer[self._at:]
        pieces = [rest]
        missing = wanted - self.position - len(rest)
        while missing:
            piece = self._stream.read(missing)
            if not piece:
                raise ModelError("the file became shorter while it was read")
            self._hash.update(piece)
            pieces.append(piece)
            missing -= len(piece)
        self._buffer = b"".join(pieces)
        self._at = 0
