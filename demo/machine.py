"""What the demo needs of this machine, looked at before anything is changed."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import sys

from .console import Trouble
from .place import CHECKOUT, DEMO, FLEET
from .ports import first_free, is_free, is_ours, occupant

OLDEST = (3, 10)
ROOM = 900 * 10**6
"""Bytes: what .demo/ takes while it is made (wheels are unpacked beside their archives)."""
LONGEST_SOCKET = 107
"""Bytes of the path of a unix socket (unix(7): sun_path has 108, one of them ends it)."""
PACKAGES = {"venv": "python3-venv", "libgomp": "libgomp1"}
"""What may be missing, and the Debian package that brings it."""


def check(port):
    """Raises Trouble when the demo cannot run here. Returns a line that says what it found."""
    _python()
    _user()
    _missing()
    _checkout()
    for number, use in ((port, "for the endpoint"), (port + 1, "for its metrics")):
        _port(port, number, use)
    free = shutil.disk_usage(CHECKOUT).free
    return "Python %s, %.0f GB free, ports %d and %d of 127.0.0.1" % (sys.version.split()[0], free / 10**9, port, port + 1)


def _python():
    if not sys.platform.startswith("linux"):
        raise Trouble("the demo runs on Linux; this is %s" % sys.platform)
    if sys.version_info < OLDEST:
        raise Trouble(
            "Python %s is too old, the demo needs %d.%d or newer: install one and name it, like `make demo PYTHON=python3.12`"
            % (sys.version.split()[0], *OLDEST)
        )


def _user():
    if not os.geteuid():
        raise Trouble(
            "this is root, for whom modelfleet makes users of its own on the machine: run the demo as an ordinary user, whose files it stays among"
            " (in a bare container: `useradd -m me && su me`)"
        )


def _missing():
    missing = []
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        missing.append(("venv", "Python's venv module"))
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        missing.append(("libgomp", "the library libgomp.so.1, which llama.cpp needs"))
    if missing:
        raise Trouble(
            "this machine lacks %s: `sudo apt install %s` (Debian, Ubuntu), then `make demo` again"
            % (" and ".join(words for _what, words in missing), " ".join(PACKAGES[what] for what, _words in missing))
        )


def _checkout():
    if any(letter.isspace() for letter in str(CHECKOUT)):
        raise Trouble("the path of this checkout, %s, has a space in it: move it to a path without, then `make demo` again" % CHECKOUT)
    excess = len(os.fsencode(DEMO / "run" / FLEET / "admin.sock")) - LONGEST_SOCKET
    if excess > 0:
        raise Trouble("the path of this checkout, %s, is %d characters too long for unix sockets: move it to a shorter one" % (CHECKOUT, excess))
    if not os.access(CHECKOUT, os.W_OK):
        raise Trouble("%s cannot be written by this user: clone modelfleet into a folder of your own" % CHECKOUT)
    free = shutil.disk_usage(CHECKOUT).free
    if free < ROOM and not (CHECKOUT / ".demo").exists():
        raise Trouble("the disk of %s has %d MB left, the demo needs %d MB: free some, or clone onto another disk" % (CHECKOUT, free // 10**6, ROOM // 10**6))


def _port(first, port, use):
    if not is_free(port) and not is_ours(port):
        raise Trouble(
            "port %d (%s) is taken by %s: end that, or choose another port, like `make demo PORT=%d`"
            % (port, use, occupant(port)[1], first_free(first))
        )
