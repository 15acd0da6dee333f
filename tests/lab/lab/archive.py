"""A real llama-server as a release archive: Debian's build from the unstable suite, unpacked with the libraries that it needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from .base import MIRROR
from .store import built, command

PACKAGES = ("llama.cpp-tools", "libggml0-backend-rpc")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
WRAPPER = """#!/bin/sh
# Debian's build on any distribution: with its own C library. It takes the best of the CPU backends that lie beside the loader.
top=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$top/lib/ld-linux-x86-64.so.2" --argv0 llama-server --library-path "$top/lib" "$top/bin/%s" "$@"
"""


def folder():
    """{bin/llama-server, bin/llama-quantize, bin/bare/..., lib/}: built the first time, in about two minutes.

    ``bin/bare/llama-server`` is the program without the wrapper: on a host it ends with the message about a missing shared library.
    """
    return built("llama.cpp-1", _build)


def _build(target):
    root = target / "root"
    command("debootstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES), "sid", root, MIRROR)
    (target / "bin" / "bare").mkdir(parents=True)
    for program in ("llama-server", "llama-quantize"):
        shutil.copy(root / "usr" / "bin" / program, target / "bin" / "bare" / program)
        wrapper = target / "bin" / program
        wrapper.write_text(WRAPPER % ("bare/" + program))
        wrapper.chmod(0o755)
    _copy_libraries(root / LIBRARIES, target / "lib")
    shutil.rmtree(root)


def _copy_libraries(source, target):
    """The loader, the backends, and what programs and backends are linked to."""
    target.mkdir()
    found = [*(source / "llama").glob("*.so"), *source.glob("ggml/backends0/*.so")]
    for program in [*found, source.parent.parent / "bin" / "llama-server", source.parent.parent / "bin" / "llama-quantize"]:
        listed = command(source / "ld-linux-x86-64.so.2", "--library-path", "%s:%s" % (source, source / "llama"), "--list", program)
        found += [Path(line.split(" => ")[1].split(" (")[0]) for line in listed.splitlines() if " => /" in line]
    for library in [source / "ld-linux-x86-64.so.2", *found]:
        shutil.copy(library, target / library.name)
