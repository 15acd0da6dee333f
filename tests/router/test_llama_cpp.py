# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router over real llama.cpp engines that recite a known text."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ROOT / "roles" / "backend" / "files" / "llama_server.py"
KEY = "the-key-of-the-deployment"
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """(path, the text that it recites)."""
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    command = [sys.executable, "-m", "demo.recite", str(path), "--embedding"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return path, done.stdout.strip()


class LlamaCpp:
    """One llama.cpp engine in a process of its own that demands a key."""

    def __init__(self, model, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._model = model
        self.key_file = folder / "engine.key"
        self.key_file.write_text(KEY)
        self.process = None

    async def start(self):
        command = [sys.executable, str(LAUNCHER), "--model", str(self._model), "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--api-key-file", str(self.key_file), "--embeddings", "--parallel", "4"]
        command += ["--ctx-size", "4096", "--threads", "1"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{self.port}/health") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                assert self.process.poll() is None and time.monotonic() < deadline
                await asyncio.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def entry(self, number):
        return {
            "id": f"recital-{number}", "model": "recital", "url": f"http://127.0.0.1:{self.port}", "capacity": 4,
            "credential_file": str(self.key_file), "served_model_name": "recital",
        }  # fmt: skip


@pytest.fixture
async def engines(model, tmp_path):
    made = [LlamaCpp(model[0], tmp_path) for _ in range(2)]
    await asyncio.gather(*(engine.start() for engine in made))
    yield made
    for engine in made:
        engine.kill()


async def test_real_engines_answer_through_every_endpoint_and_survive_the_loss_of_one(model, engines, router):
    text = model[1]
    running = await router([engine.entry(n) for n, engine in enumerate(engines)], models=[{"name": "recital"}])
    client = running.client()

    answer = await client.chat.completions.create(model="recital", messages=HELLO)
    assert answer.choices[0].message.content.strip() == text
    stream = await client.chat.completions.create(
        model="recital", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    events = [event async for event in stream]
    assert "".join(e.choices[0].delta.content or "" for e in events if e.choices).strip() == text
    assert events[-1].usage.completion_tokens > 10
    assert (await client.completions.create(model="recital", prompt="a", max_tokens=64)).choices[0].text.strip() == text
    vectors = (await client.embeddings.create(model="recital", input=["one", "two"], encoding_format="float")).data
    assert len(vectors) == 2 and vectors[0].embedding != vectors[1].embedding
    assert await running.in_flight() == {}

    failures = []
    stop = time.monotonic() + 4

    async def ask():
        while time.monotonic() < stop:
            try:
                answer = await client.chat.completions.create(model="recital", messages=HELLO)
                if answer.choices[0].message.content.strip() != text:
                    failures.append(answer.choices[0].message.content)
            except Exception as error:
                failures.append(f"{type(error).__name__}: {error}")

    async def lose_one():
        await asyncio.sleep(1)
        os.kill(engines[0].process.pid, signal.SIGKILL)
        await asyncio.sleep(1)
        engines[0].process.wait(10)
        await engines[0].start()

    await asyncio.gather(lose_one(), *(ask() for _ in range(8)))
    assert failures == []
    served = {line.get("instance") for line in running.access_lines()[-20:]}
    assert served == {"recital-0", "recital-1"}
