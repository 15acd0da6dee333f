"""The demo's own Python environment, .demo/venv, with ansible-core and what the collection needs on a controller."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys

from .command import run
from .console import Trouble
from .place import CHECKOUT, DEMO, VENV

REQUIREMENTS = CHECKOUT / "demo" / "requirements.txt"
COMPLETE = VENV / ".complete"

# Read at each start of this environment's Python: whatever is run from it, by hand too, leaves nothing outside .demo/.
CONTAINED = (
    "import os, sys; "
    "sys.pycache_prefix = {demo!r} + '/pycache'; "
    "os.environ.setdefault('ANSIBLE_HOME', {demo!r} + '/ansible'); "
    "os.environ.setdefault('ANSIBLE_REMOTE_TMP', {demo!r} + '/ansible/tmp')\n"
)

WRONG = (
    (
        r"No space left on device|Disk quota exceeded",
        "the disk of {demo} is full: free about 1 GB there, then `make demo` again",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "the package index's certificate cannot be verified: `sudo apt install ca-certificates`, or name your index's with PIP_CERT",
    ),
    (
        r"Retrying \(|NewConnectionError|Temporary failure in name resolution|Network is unreachable|ProxyError|timed out",
        "no package index can be reached: connect this machine to the internet, or name an index that it reaches (PIP_INDEX_URL=https://...) or a folder of"
        " wheels (`make demo DEMO_WHEELS=/path/of/wheels`), then `make demo` again",
    ),
    (
        r"No matching distribution found for (\S+)",
        "{source} has no {0} for Python {python}: add it, or name another index (PIP_INDEX_URL=https://...) or folder (DEMO_WHEELS=...)",
    ),
)


def make(wheels, show):
    """Makes .demo/venv unless it is complete; an interrupted one is made anew. Returns what a person wants to know. Raises Trouble.

    ``wheels``: a folder to install from instead of the package index, or "". ``show``: called with each line of progress.
    """
    wanted = _digest()
    if COMPLETE.exists() and COMPLETE.read_text() == wanted:
        return "is there"
    if not (shutil.which("uv") and not wheels and not _pip_is_configured() and _with_uv(show)):
        _with_pip(wheels, show)
    site = next(VENV.glob("lib/python3*/site-packages"))
    (site / "modelfleet_demo.pth").write_text(CONTAINED.format(demo=str(DEMO)))
    COMPLETE.write_text(wanted)
    return "made in %s" % VENV.relative_to(CHECKOUT)


def pip_environment(wheels):
    """Variables for pip, here and in what Ansible runs on this machine."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels} if wheels else {}


def _digest():
    made_of = (REQUIREMENTS.read_text(), sys.version, CONTAINED, str(DEMO))
    return hashlib.sha256(repr(made_of).encode()).hexdigest()


def _pip_is_configured():
    """Whether the user told pip where packages come from: uv would not know."""
    return any(name in os.environ for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONFIG_FILE"))


def _with_uv(show):
    """Whether uv could make it."""
    show("uv makes the environment")
    for words in (
        ["uv", "venv", "--clear", "--python", sys.executable, VENV],
        ["uv", "pip", "install", "--python", VENV / "bin/python", "-r", REQUIREMENTS],
    ):
        code, _said = run(words, show)
        if code:
            return False
    return True


def _with_pip(wheels, show):
    show("python -m venv %s" % VENV.relative_to(CHECKOUT))
    _must([sys.executable, "-m", "venv", "--clear", VENV], show, wheels)
    # Compiled files go elsewhere (CONTAINED), and only those that are used.
    pip = [VENV / "bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile", "--only-binary=:all:"]
    _must([*pip, "--retries", "2", "--timeout", "10", "-r", REQUIREMENTS], show, wheels)


def _must(words, show, wheels):
    code, said = run(words, show, env={**os.environ, **pip_environment(wheels)})
    if code:
        raise Trouble(_explain(said, wheels))


def _explain(said, wheels):
    for pattern, sentence in WRONG:
        match = re.search(pattern, said)
        if match:
            source = "the folder %s" % wheels if wheels else "the package index"
            return sentence.format(*match.groups(), demo=DEMO, source=source, python="%d.%d" % sys.version_info[:2])
    return "the Python environment could not be made:\n%s" % "\n".join(said.strip().splitlines()[-8:])
