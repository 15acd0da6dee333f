# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM's OpenAI server, closed to everybody without the key, and with an exit code for what no restart can mend.

    python vllm_server.py --model DIRECTORY --host ADDRESS --port PORT [any other flag of vLLM's server]
    python vllm_server.py --version         also checks that this environment can run the server
    python vllm_server.py --unusable NAME...        prints those of the packages that are installed and cannot be imported

vLLM demands its key below /v1 only: other paths, /invocations among them, answer anybody. Here all but OPEN_PATHS demand it.
The key is the environment variable VLLM_API_KEY.

Exit codes: 0 stopped, 1 the engine failed (the log says why), 78 wrong arguments or no key: the same start can never succeed.
"""

from __future__ import annotations

import hmac
import importlib
import importlib.util
import os
import runpy
import sys

SERVER = "vllm.entrypoints.openai.api_server"
KEY = "VLLM_API_KEY"
OPEN_PATHS = frozenset(["/health", "/metrics"])
CANNOT_HELP = 78
WRONG_ARGUMENTS = 2
"""What argparse exits with."""


class RequireKey:
    """ASGI middleware: answers 401 to requests without the key."""

    def __init__(self, app):
        self._app = app
        self._expected = b"Bearer " + os.environ[KEY].encode()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan" or scope["path"] in OPEN_PATHS or self._has_key(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            body = b'{"error": {"message": "the key of this engine is missing or wrong", "type": "invalid_request_error", "code": "invalid_api_key"}}'
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _has_key(self, scope):
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


def unusable(names):
    """Those of the packages ``names`` that are installed and cannot be imported."""
    found = []
    for name in names:
        try:
            if importlib.util.find_spec(name):
                importlib.import_module(name)
        except Exception:   # whatever a broken library raises
            found.append(name)
    return found


def main(arguments):
    if arguments[:1] == ["--unusable"]:
        print("\n".join(unusable(arguments[1:])))
        return 0
    if arguments == ["--version"]:
        importlib.import_module(SERVER)
        # vLLM only warns of a library that its compiled parts lack, and cannot start without them.
        importlib.import_module("vllm.platforms").current_platform.import_kernels()
        print(importlib.import_module("vllm").__version__)
        return 0
    if not os.environ.get(KEY):
        print("vllm_server: %s is not set; deploy again" % KEY, file=sys.stderr, flush=True)
        return CANNOT_HELP
    # This file's folder is on Python's path, as that of every script.
    sys.argv = [sys.argv[0], *arguments, "--middleware", "vllm_server.RequireKey"]
    try:
        runpy.run_module(SERVER, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return CANNOT_HELP if end.code == WRONG_ARGUMENTS else end.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
