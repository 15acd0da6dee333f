# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry is replaced while requests run; a drained instance is idle when every worker says so."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from .support.engine import WORDS
from .support.load import Load
from .support.router import SOURCE, Router, instance, registry

CHAT = {"model": "tiny", "messages": []}


def orders(status):
    return [(w["responsive"], w["generation"], w["revision"]) for w in status["workers"]]


async def test_registries_replaced_under_load_lose_nothing(engines, router):
    three = await engines(3)
    for engine in three:
        engine.delay = 0.01
    running = await router(three)
    async with Load(running) as load:
        for revision in range(2, 22):
            drained = revision % 3
            entries = [instance(e, n, state="draining" if n == drained else "active") for n, e in enumerate(three)]
            running.write(registry(entries, revision=revision))
            await asyncio.sleep(0.1)
        await load.more()
    assert load.failures == []
    status = await running.status()
    assert orders(status) == [(True, 1, 21)] * 2


async def test_the_file_is_watched_and_every_worker_acknowledges(engines, router):
    (engine,) = await engines(1)
    running = await router([engine])
    assert orders(await running.status()) == [(True, 1, 1)] * 2
    running.write(registry([instance(engine)], generation=2, revision=0))

    async def applied():
        return orders(await running.status()) == [(True, 2, 0)] * 2

    await running.until(applied, 2)
    status = await running.status()
    assert (status["fleet"], status["generation"], status["revision"], status["refused"]) == ("test", 2, 0, None)
    assert {w["pid"] for w in status["workers"]} == {e["worker"] for e in running.events("worker_ready")}
    assert (await running.metrics())["registry_generation",] == 2


async def test_a_draining_instance_gets_nothing_new_and_is_idle_when_its_streams_have_ended(engines, router):
    leaving, staying = await engines(2)
    leaving.delay = 0.1
    running = await router([leaving, instance(staying, 1, state="draining")])
    client = running.client()
    stream = await client.chat.completions.create(**CHAT, stream=True)
    assert await running.in_flight() == {"tiny-0": 1}
    status = await running.reload(registry([instance(leaving, state="draining"), instance(staying, 1)], revision=2))
    assert orders(status) == [(True, 1, 2)] * 2
    for _ in range(10):
        assert (await running.post(CHAT))[0] == 200
    assert len(leaving.requests) == 1
    assert await running.in_flight() == {"tiny-0": 1}
    assert "".join([c.choices[0].delta.content async for c in stream]).split() == WORDS
    await running.until(lambda: not leaving.working)
    assert await running.in_flight() == {}


async def test_in_flight_counts_survive_a_move_and_a_removal(engines, router):
    old, new = await engines(2)
    old.delay = 0.1
    running = await router([old], processes=1)
    client = running.client()
    stream = await client.chat.completions.create(**CHAT, stream=True)
    await running.reload(registry([instance(new, 0)], revision=2))
    assert await running.in_flight() == {"tiny-0": 1}
    await running.reload(registry([], revision=3, models=[{"name": "tiny"}]))
    assert await running.in_flight() == {"tiny-0": 1}
    assert "".join([c.choices[0].delta.content async for c in stream]).split() == WORDS
    assert await running.in_flight() == {}


@pytest.mark.parametrize(
    "change,says",
    [
        ({"revision": 0}, "generation 1 revision 0 is lower than generation 1 revision 1"),
        ({"generation": 0, "revision": 9}, "generation 0 revision 9 is lower"),
        ({"fleet": "other"}, "is of the fleet 'other', this router serves 'test'"),
        ({"version": 2}, "version"),
        ({"instances": [{"id": "x", "model": "nope", "url": "http://a:1"}]}, "which is not in models"),
        (
            {"instances": [{"id": "x", "model": "tiny", "url": "http://a:1", "credential_file": "keys/none.key"}]},
            "keys/none.key of x cannot be read",
        ),
        (b"{", "is not JSON"),
    ],
)
async def test_a_registry_that_must_not_come_into_force_is_refused_and_the_old_one_serves(
    engines, router, change, says
):
    (engine,) = await engines(1)
    running = await router([engine], processes=1)
    good = registry([instance(engine)], revision=1)
    status = await running.reload(change if isinstance(change, bytes) else {**good, "revision": 2, **change})
    assert says in status["refused"]
    assert orders(status) == [(True, 1, 1)]
    assert (await running.post(CHAT))[0] == 200
    assert (await running.admin("/reload", "POST"))[0] == 422
    status = await running.reload({**good, "revision": 3})
    assert status["refused"] is None
    assert orders(status) == [(True, 1, 3)]


async def test_a_router_without_a_registry_waits_for_one(engines):
    (engine,) = await engines(1)
    empty = await Router().start()
    try:
        status = await empty.status()
        assert "cannot be read" in status["refused"]
        assert (status["generation"], status["revision"]) == (0, 0)
        async with empty.http.get("/readyz") as response:
            assert response.status == 503
        assert (await empty.post(CHAT))[0] == 503
        empty.write(registry([instance(engine)]))

        async def ready():
            async with empty.http.get("/readyz") as response:
                return response.status == 200

        await empty.until(ready, 3)
        assert (await empty.post(CHAT))[0] == 200
    finally:
        await empty.close()


async def test_a_changed_key_is_used_after_a_reload(engines, router):
    (engine,) = await engines(1)
    running = await router([])
    (running.folder / "keys").mkdir()
    (running.folder / "keys" / "tiny.key").write_text("one")
    document = registry([instance(engine, credential_file="keys/tiny.key")], revision=2)
    await running.reload(document)
    await running.post(CHAT)
    (running.folder / "keys" / "tiny.key").write_text("two")
    await running.reload(document)
    await running.post(CHAT)
    assert [r["headers"]["Authorization"] for r in engine.requests] == ["Bearer one", "Bearer two"]


async def test_unknown_fields_are_ignored_with_a_warning(engines, router):
    (engine,) = await engines(1)
    running = await router([engine])
    status = await running.reload({**registry([instance(engine, colour="red")], revision=2), "shade": 1})
    assert status["refused"] is None
    warnings = {event["warning"] for event in running.events("registry_warning")}
    assert warnings == {"instances[].colour: unknown field, ignored", "shade: unknown field, ignored"}


async def test_the_admin_socket_is_for_its_user_only_and_a_second_router_does_not_take_it(engines, router):
    running = await router(await engines(1))
    assert running.socket.stat().st_mode & 0o777 == 0o600
    command = [sys.executable, "-m", "modelfleet_router", "serve", "--config", str(running.folder / "router.yml")]
    second = await asyncio.to_thread(
        subprocess.run,
        command,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert second.returncode == 1
    assert "another router is serving it" in second.stderr
    assert json.loads((await running.admin("/status"))[1])["fleet"] == "test"
