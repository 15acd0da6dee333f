"""Who listens on a TCP port of this machine."""

from __future__ import annotations

import os
import pwd
import re
import socket
from pathlib import Path

from .place import running

LISTENING = "0A"


def is_free(port):
    """Whether this user can listen on ``port`` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def first_free(port):
    """The first port after ``port`` that is free together with the one after it."""
    return next(number for number in range(port + 1, 65535) if is_free(number) and is_free(number + 1))


def occupant(port):
    """(pid or None, what a person calls it) of the process that listens on ``port``."""
    sockets = _listening(port)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = [os.readlink(entry.path) for entry in os.scandir("/proc/%s/fd" % pid)]
            name = Path("/proc", pid, "comm").read_text().strip()
        except OSError:
            continue        # it ended meanwhile, or belongs to another user
        if any(match and match.group(1) in sockets for match in (re.match(r"socket:\[(\d+)\]", link) for link in links)):
            return int(pid), "%s (pid %s)" % (name, pid)
    owners = {_user(uid) for uid in sockets.values()}
    return None, "a process of %s" % " and ".join(sorted(owners)) if owners else "a process that this user cannot see"


def is_ours(port):
    """Whether the demo itself listens on ``port``."""
    return occupant(port)[0] in running()


def _listening(port):
    """{inode: uid} of the sockets that listen on ``port``."""
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue        # a machine without IPv6
        for line in lines:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found[fields[9]] = int(fields[7])
    return found


def _user(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "user %d" % uid
