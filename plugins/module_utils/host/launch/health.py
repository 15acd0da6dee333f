# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an engine is healthy, tied to the process that was started: an orphan on the port must not answer for a new instance.

Standard library only and without relative imports: the launcher uses this file on the host as it is.
"""

from __future__ import annotations

import http.client
import os
import socket

HEALTHY = "healthy"
BUSY = "busy"
"""It accepts connections and does not answer in time: not a reason to restart it."""
NOT_READY = "not ready"
CLOSED = "nothing listens on its port"
FOREIGN = "another process listens on its port"


def check(pid, address, port, path, timeout):
    """One of the words above for the engine ``pid`` at ``address``:``port``. ``timeout`` in seconds."""
    inodes = listening_inodes(port)
    if not inodes:
        return CLOSED
    if not owns_socket(pid, inodes):
        return FOREIGN
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return HEALTHY if connection.getresponse().status < 400 else NOT_READY
    except (socket.timeout, TimeoutError):
        return BUSY
    except (OSError, http.client.HTTPException):
        return NOT_READY
    finally:
        connection.close()


def listening_inodes(port, root="/proc"):
    """Inodes of the TCP sockets that listen on ``port``."""
    inodes = set()
    for name in ("tcp", "tcp6"):
        try:
            with open(os.path.join(root, "net", name)) as file:
                inodes.update(inode for number, inode in parse_listening(file) if number == port)
        except OSError:
            continue
    return inodes


def parse_listening(lines):
    """(port, inode) of every listening socket in the lines of /proc/net/tcp or tcp6."""
    for line in lines:
        fields = line.split()
        if len(fields) > 9 and fields[3] == "0A":
            yield int(fields[1].rsplit(":", 1)[1], 16), fields[9]


def owns_socket(pid, inodes, root="/proc"):
    """Whether ``pid`` or one of its descendants holds one of these sockets."""
    return any(holds_socket(member, inodes, root) for member in family(pid, root))


def holds_socket(pid, inodes, root="/proc"):
    """Whether the process itself has one of these sockets open."""
    return bool({"socket:[%s]" % inode for inode in inodes} & _sockets(pid, root))


def family(pid, root="/proc"):
    """``pid`` and its descendants."""
    children = {}
    for name in os.listdir(root):
        if name.isdigit():
            parent = _parent(name, root)
            children.setdefault(parent, []).append(int(name))
    found, queue = [], [int(pid)]
    while queue:
        member = queue.pop()
        found.append(member)
        queue.extend(children.get(member, []))
    return found


def _parent(name, root):
    try:
        with open(os.path.join(root, name, "stat")) as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _sockets(pid, root):
    folder = os.path.join(root, str(pid), "fd")
    links = set()
    try:
        for name in os.listdir(folder):
            try:
                links.add(os.readlink(os.path.join(folder, name)))
            except OSError:
                continue
    except OSError:
        pass
    return links
