"""The wheels that hosts without a way out need: engines and the router's locked dependencies, for the Pythons of all suites."""

from __future__ import annotations

import hashlib
import os
import sys

from .store import ROOT, built, command

PYTHONS = ("3.11", "3.13")
PLATFORMS = tuple("manylinux_2_%d_x86_64" % minor for minor in range(36, 4, -1)) + ("manylinux2014_x86_64", "linux_x86_64")
LOCK = ROOT / "router" / "requirements.lock"


def engines():
    """Requirements of the backends that are installed from wheels, in the versions that the plan takes by default."""
    sys.path.insert(0, os.fspath(ROOT / ".collections"))
    from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends import llama_cpp

    return ["xllamacpp==%s" % llama_cpp.DEFAULT_VERSION]


def folder():
    """A folder with all of them, from the package index the first time that these versions are asked for."""
    wanted = engines()
    locked = LOCK.read_text() if LOCK.exists() else ""
    version = hashlib.sha256(repr((wanted, locked, PYTHONS)).encode()).hexdigest()[:8]
    return built("wheels-%s" % version, lambda target: _download(target, wanted, bool(locked)))


def _download(target, wanted, locked):
    for python in PYTHONS:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--dest", target,
                 "--implementation", "cp", "--python-version", python]  # fmt: skip
        words += [word for platform in PLATFORMS for word in ("--platform", platform)]
        command(*words, *wanted)
        if locked:
            command(*words, "--require-hashes", "-r", LOCK)
