# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router that really runs: the command in a process of its own, on free ports of loopback."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import openai
import yaml

SOURCE = Path(__file__).resolve().parents[3] / "router"
FAST = {
    "timeouts": {"connect": 1.0, "first_byte": 3.0, "gap": 2.0},
    "health": {"interval": 1.0, "recovery_interval": 0.2, "timeout": 0.5},
    "queue": {"wait": 1.0},
    "drain_timeout": 10.0,
}


def instance(engine, number: int = 0, **fields) -> dict:
    """The registry entry of a test engine."""
    entry = {
        "id": f"{engine.model}-{number}",
        "model": engine.model,
        "url": engine.url,
        "host": "here",
        "backend": "llama_cpp",
        "served_model_name": engine.model,
        "state": "active",
        "weight": 1,
        "capacity": 8,
        "health_path": "/health",
        "metrics_path": None,
        "credential_file": None,
    }
    return {**entry, **fields}


def registry(instances: list[dict], generation: int = 1, revision: int = 1, models: list[dict] | None = None) -> dict:
    if models is None:
        models = [{"name": name} for name in dict.fromkeys(i["model"] for i in instances)]
    return {
        "version": 1,
        "fleet": "test",
        "generation": generation,
        "revision": revision,
        "models": models,
        "instances": instances,
    }


class Router:
    """A running ``modelfleet-router serve``."""

    def __init__(self, **config):
        self.folder = Path(tempfile.mkdtemp(prefix="mfr-"))
        self.socket = self.folder / "admin.sock"
        self.process: subprocess.Popen | None = None
        self.address = ""
        self._config = {
            "fleet": "test",
            "listen": "127.0.0.1:0",
            "processes": 2,
            "registry": "registry.json",
            "admin_socket": "admin.sock",
            **FAST,
            **config,
        }
        self._http: aiohttp.ClientSession | None = None
        self._clients: list[openai.AsyncOpenAI] = []

    def write(self, document: dict | bytes) -> None:
        """Replace the registry file as the collection does: whole, by rename."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        new = self.folder / "registry.new"
        new.write_bytes(data)
        new.rename(self.folder / "registry.json")

    def write_config(self, **changes) -> None:
        self._config.update(changes)
        (self.folder / "router.yml").write_text(yaml.safe_dump(self._config))

    async def start(self, pass_fds=(), environ=None, command=(sys.executable, "-m", "modelfleet_router")) -> Router:
        self.write_config()
        env = {**os.environ, "PYTHONPATH": str(SOURCE), **(environ or {})}
        with open(self.folder / "out", "ab") as out, open(self.folder / "err", "ab") as err:
            self.process = subprocess.Popen(
                [*command, "serve", "--config", str(self.folder / "router.yml")],
                stdout=out,
                stderr=err,
                env=env,
                pass_fds=pass_fds,
            )
        await self.until(lambda: self.events("listening"))
        self.address = self.events("listening")[-1]["address"]
        await self.until(lambda: len(self.events("worker_ready")) >= self._config["processes"])
        return self

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def client(self) -> openai.AsyncOpenAI:
        """The official client; it must never retry, or it would hide what the router does."""
        client = openai.AsyncOpenAI(base_url=self.url + "/v1", api_key="the-client-key", max_retries=0, timeout=20)
        self._clients.append(client)
        return client

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(self.url)
        return self._http

    async def post(self, body, path="/v1/chat/completions", **options):
        """(status, headers, document) of a POST with ``body`` (a dict, or bytes as they are)."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        async with self.http.post(path, data=data, headers=headers, **options) as response:
            return response.status, response.headers, json.loads(await response.read() or b"null")

    async def admin(self, path: str, method: str = "GET"):
        """(status, text) of an admin request."""
        connector = aiohttp.UnixConnector(str(self.socket))
        async with (
            aiohttp.ClientSession("http://router", connector=connector) as session,
            session.request(method, path) as response,
        ):
            return response.status, await response.text()

    async def status(self) -> dict:
        return json.loads((await self.admin("/status"))[1])

    async def reload(self, document: dict | bytes) -> dict:
        """Write a registry, let it be read at once, and give the status after it."""
        self.write(document)
        return json.loads((await self.admin("/reload", "POST"))[1])

    async def in_flight(self) -> dict[str, int]:
        """Requests in flight by instance id, over all workers."""
        counts: dict[str, int] = {}
        for worker in (await self.status())["workers"]:
            for name, count in worker["in_flight"].items():
                counts[name] = counts.get(name, 0) + count
        return counts

    async def metrics(self) -> dict[tuple, float]:
        """Samples by (name, sorted labels)."""
        from prometheus_client.parser import text_string_to_metric_families

        text = (await self.admin("/metrics"))[1]
        samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
        return {(s.name.removeprefix("modelfleet_router_"), *sorted(s.labels.items())): s.value for s in samples}

    def events(self, name: str) -> list[dict]:
        """What the router has said about itself."""
        lines = (self.folder / "err").read_text().splitlines()
        return [event for event in map(_json, lines) if event and event.get("event") == name]

    def access_lines(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "out").read_text().splitlines()]

    async def until(self, condition, limit: float = 15.0):
        """Wait until ``condition()`` (or what it awaits) is true, and give it."""
        deadline = time.monotonic() + limit
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            if self.process.poll() is not None:
                raise AssertionError(
                    f"the router ended with {self.process.returncode}:\n" + (self.folder / "err").read_text()
                )
            if time.monotonic() > deadline:
                raise AssertionError("waited in vain; the router said:\n" + (self.folder / "err").read_text())
            await asyncio.sleep(0.02)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def wait(self, limit: float = 15.0) -> int:
        """Its exit status."""
        return await asyncio.to_thread(self.process.wait, limit)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        if self._http is not None:
            await self._http.close()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            await self.wait()
        shutil.rmtree(self.folder)


def _json(line):
    try:
        return json.loads(line)
    except ValueError:
        return None
