"""Where the demo keeps its things: everything below .demo/ of the checkout, and the link that lets Ansible find the checkout as a collection."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from pathlib import Path

from .console import Trouble

CHECKOUT = Path(__file__).resolve().parents[1]
DEMO = CHECKOUT / ".demo"
VENV = DEMO / "venv"
LOGS = DEMO / "logs"
SETTINGS = DEMO / "settings.json"
LINK = CHECKOUT / ".collections/ansible_collections/modelfleet/serving"
FLEET = "demo"
DEPLOYMENT = "hello"


@contextlib.contextmanager
def alone():
    """Only one `make demo` or `make demo-down` of a checkout at a time. The lock ends with the process, however it ends."""
    folder = os.open(CHECKOUT / "demo", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Trouble("another `make demo` or `make demo-down` of this checkout is running: wait for its end, or stop it with Ctrl-C") from None
    try:
        yield
    finally:
        os.close(folder)


def read_settings():
    """{port, wheels: folder or "", key, made_link: bool} of the demo that was set up here, or {}."""
    try:
        return json.loads(SETTINGS.read_text())
    except (OSError, ValueError):
        return {}


def write_settings(port, wheels):
    """Writes what the inventory reads (inventories/demo/group_vars/all.yml). The key is made once; nobody else may read it."""
    old = read_settings()
    settings = {
        "port": port,
        "wheels": wheels,
        "key": old.get("key") or secrets.token_hex(32),
        "made_link": old.get("made_link", not (CHECKOUT / ".collections").exists()),
    }
    if settings != old:
        partial = SETTINGS.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(settings, indent=2) + "\n")
        os.replace(partial, SETTINGS)


def instances():
    """The names of the instances that this machine has records of."""
    return sorted(path.stem.partition(".")[2] for path in (DEMO / "records").glob("%s.%s-*.json" % (FLEET, DEPLOYMENT)))


def running():
    """{pid: [words of its command line]} of every process whose program lies below .demo/."""
    mine = os.fsencode(DEMO) + b"/"
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue        # it ended meanwhile
        if words[0].startswith(mine):
            found[int(pid)] = [word.decode(errors="replace") for word in words]
    return found
