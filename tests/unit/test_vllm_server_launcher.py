# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher of vLLM: nobody without the key gets in, and what no restart can mend ends with 78."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAUNCHER = os.path.join(ROOT, "roles", "backend", "files", "vllm_server.py")
# Stands for vLLM's server: knows one flag, exits as argparse does, and shows what it was given.
SERVER = """
import argparse, importlib, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--model")
parser.add_argument("--middleware", action="append")
if __name__ == "__main__":
    given = parser.parse_args()
    module, name = given.middleware[0].rsplit(".", 1)
    print(given.model, getattr(importlib.import_module(module), name).__name__)
    sys.exit(int(os.environ.get("ENDS_WITH", "0")))
"""
PLATFORMS = """
class current_platform:
    def import_kernels():
        print("compiled parts are loaded")
"""


@pytest.fixture
def launcher(monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    specification = importlib.util.spec_from_file_location("vllm_server", LAUNCHER)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def answer(launcher, path, authorization=(), kind="http"):
    """What a client gets: "in" from the engine, or what the middleware sends first."""
    sent = []

    async def engine(_scope, _receive, send):
        await send("in")

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "path": path, "headers": [(b"host", b"h1"), *((b"authorization", value) for value in authorization)]}
    asyncio.run(launcher.RequireKey(engine)(scope, None, send))
    return sent[0] if sent[0] == "in" else sent[0].get("status") or sent[0]["type"]


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_what_answers_anybody(launcher, path):
    assert answer(launcher, path) == "in"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/invocations", "/tokenize", "/", "/health/../invocations", "//health", "/HEALTH"])
@pytest.mark.parametrize("authorization", [[], [b"Bearer other"], [b"secret"], [b"Bearer secret2"], [b"Bearer secret", b"Bearer secret"]])
def test_what_does_not(launcher, path, authorization):
    assert answer(launcher, path, authorization) == 401
    assert answer(launcher, path, [b"Bearer secret"]) == "in"


def test_no_way_around_by_another_protocol(launcher):
    assert answer(launcher, "/v1/realtime", kind="websocket") == "websocket.close"


def run(tmp_path, *arguments, server=SERVER, **variables):
    folder = tmp_path / "vllm" / "entrypoints" / "openai"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "api_server.py").write_text(server)
    (tmp_path / "vllm" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "vllm" / "platforms.py").write_text(PLATFORMS)
    (tmp_path / "broken.py").write_text("raise OSError('another build')\n")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "VLLM_API_KEY": "secret", **variables}
    environment = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run([sys.executable, LAUNCHER, *arguments], env=environment, text=True, capture_output=True, timeout=60)


def test_the_server_is_started_with_the_middleware(tmp_path):
    done = run(tmp_path, "--model", "/srv/m")
    assert (done.returncode, done.stdout) == (0, "/srv/m RequireKey\n")


def test_exit_codes(tmp_path):
    assert run(tmp_path, "--no-such-flag").returncode == 78
    assert run(tmp_path, "--model", "/srv/m", ENDS_WITH="1").returncode == 1
    without = run(tmp_path, "--model", "/srv/m", VLLM_API_KEY=None)
    assert without.returncode == 78 and "VLLM_API_KEY is not set; deploy again" in without.stderr


def test_the_check_of_an_installation(tmp_path):
    assert run(tmp_path, "--version").stdout == "compiled parts are loaded\n1.2.3\n"
    assert run(tmp_path, "--version", server="import no_such_library\n").returncode == 1
    assert run(tmp_path, "--unusable", "broken", "json", "not_installed").stdout == "broken\n"
