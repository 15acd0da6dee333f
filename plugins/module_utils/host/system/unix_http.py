# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP over a unix socket, and how long the path of one may be."""

from __future__ import annotations

import http.client
import os
import socket

LONGEST_PATH = 107
"""Bytes of a unix socket's path (unix(7): sun_path, without its last zero)."""


class UnixConnection(http.client.HTTPConnection):
    """A connection to the socket at ``path``. ``timeout`` in seconds."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def too_long(path):
    """By how many bytes ``path`` is too long for a socket; 0 when it is not."""
    return max(0, len(os.fsencode(path)) - LONGEST_PATH)
