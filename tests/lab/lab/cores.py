"""Versions of ansible-core, each in an environment of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from .store import built, command


def core(version):
    """The bin folder with ansible-playbook of ansible-core ``version`` (like "2.16"), None for the one that runs the tests."""
    if version is None:
        return Path(sys.executable).parent
    return built("core-%s-python%d.%d" % (version, *sys.version_info[:2]), lambda folder: _build(folder, version)) / "env" / "bin"


def _build(folder, version):
    env = folder / "env"
    # Scripts name their interpreter by its final path, so the environment is made to be run through `python -m`.
    command(sys.executable, "-m", "venv", env)
    command(env / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "ansible-core==%s.*" % version, "pydantic>=2", "pyyaml")  # fmt: skip
