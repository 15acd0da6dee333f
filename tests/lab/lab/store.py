"""Where the lab keeps what is built once (roots, wheels, archives) and the state of running labs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The checkout."""


class LabError(Exception):
    """The lab cannot do what was asked; the text says why."""


def home():
    """The folder of the lab: MODELFLEET_LAB_HOME, or below the user's cache."""
    return Path(os.environ.get("MODELFLEET_LAB_HOME") or Path.home() / ".cache" / "modelfleet-lab")


def command(*words, **options):
    """Runs a command and returns what it wrote. Raises LabError with its last lines when it fails."""
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True, **options)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-15:]
        raise LabError("%s: exit %d: %s" % (" ".join(map(str, words)), done.returncode, "\n".join(said)))
    return done.stdout


@contextlib.contextmanager
def locked(name):
    """Only one process at a time builds ``name``."""
    home().mkdir(parents=True, exist_ok=True)
    with open(home() / ("%s.lock" % name), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built(name, build):
    """The folder ``name`` of the lab's home; ``build(folder)`` fills it the first time. An interrupted build is made anew."""
    target = home() / name
    if not target.exists():
        with locked(name.replace("/", "-")):
            if not target.exists():
                partial = target.with_name(target.name + ".partial")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
                build(partial)
                partial.rename(target)
    return target
