"""The wheels that hosts without a way out need: engines, the router's locked dependencies and those of the demo, for the Pythons of all suites."""

from __future__ import annotations

import hashlib
import os
import re
import sys

from .store import ROOT, built, command

PYTHONS = ("3.11", "3.13")
PLATFORMS = tuple("manylinux_2_%d_x86_64" % minor for minor in range(36, 4, -1)) + ("manylinux2014_x86_64", "linux_x86_64")
LOCK = ROOT / "router" / "requirements.lock"
DEMO = ROOT / "demo" / "requirements.txt"


def engines():
    """Requirements of the backends that are installed from wheels, in the versions that the plan takes by default."""
    sys.path.insert(0, os.fspath(ROOT / ".collections"))
    from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends import llama_cpp

    return ["xllamacpp==%s" % llama_cpp.DEFAULT_VERSION]


def service_manager():
    """The requirement of the role `supervisord`."""
    found = re.search(r"^supervisord_version: (\S+)$", (ROOT / "roles" / "supervisord" / "vars" / "main.yml").read_text(), re.MULTILINE)
    return "supervisor==%s" % found.group(1)


def folder():
    """A folder with all of them, from the package index the first time that these versions are asked for."""
    wanted = [*engines(), service_manager()]
    locked = LOCK.read_text() if LOCK.exists() else ""
    version = hashlib.sha256(repr((wanted, locked, DEMO.read_text(), PYTHONS)).encode()).hexdigest()[:8]
    return built("wheels-%s" % version, lambda target: _download(target, wanted, bool(locked)))


def download_words(target, python):
    """A command that fetches the requirements behind it for the hosts' platform and one Python."""
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--dest", target,
             "--implementation", "cp", "--python-version", python]  # fmt: skip
    return words + [word for platform in PLATFORMS for word in ("--platform", platform)]


def _download(target, wanted, locked):
    for python in PYTHONS:
        words = download_words(target, python)
        command(*words, *wanted)
        command(*words, "-r", DEMO)
        if locked:
            command(*words, "--require-hashes", "-r", LOCK)
