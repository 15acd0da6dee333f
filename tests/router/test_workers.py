# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes come and go; the endpoint stays."""

import asyncio
import os
import signal
import socket
import sys
import time

from .support.engine import WORDS
from .support.load import Load
from .support.router import Router, instance, registry

CHAT = {"model": "tiny", "messages": []}


async def pids(running):
    return [w["pid"] for w in (await running.status())["workers"]]


async def test_replacing_all_workers_under_load_fails_nothing(engines, router):
    three = await engines(3)
    for engine in three:
        engine.delay = 0.02
    running = await router(three)
    before = await pids(running)
    async with Load(running) as load:
        for count in (4, 6):
            running.signal(signal.SIGHUP)
            await running.until(lambda n=count: len(running.events("worker_ready")) == n)
            await load.more()

        async def replaced():
            now = await pids(running)
            return len(now) == 2 and not set(now) & set(before)

        await running.until(replaced)
        await load.more()
    assert load.failures == []


async def test_old_workers_that_still_stream_count_as_workers(engines, router):
    (engine,) = await engines(1)
    engine.delay = 0.12
    running = await router([engine], processes=1)
    client = running.client()
    stream = await client.chat.completions.create(**CHAT, stream=True)
    running.signal(signal.SIGHUP)

    async def two():
        workers = (await running.status())["workers"]
        return len(workers) == 2 and any(w["draining"] for w in workers) and workers

    old = next(w for w in await running.until(two) if w["draining"])
    assert (old["responsive"], old["in_flight"]) == (True, {"tiny-0": 1})
    status = await running.reload(registry([instance(engine, state="draining")], revision=2))
    assert [w["revision"] for w in status["workers"]] == [2, 2]
    assert await running.in_flight() == {"tiny-0": 1}
    async for _ in stream:
        pass

    async def gone():
        return len(await pids(running)) == 1

    await running.until(gone)


async def test_a_killed_worker_costs_only_what_it_had_in_flight(engines, router):
    both = await engines(2)
    for engine in both:
        engine.delay = 0.02
    running = await router(both)
    victim = (await pids(running))[0]
    async with Load(running, clients := 12) as load:
        os.kill(victim, signal.SIGKILL)
        await running.until(lambda: len(running.events("worker_ready")) == 3)
        await load.more()
    assert len(load.failures) <= clients  # one each: what was in flight
    assert all(
        failure.startswith(("APIConnectionError", "RemoteProtocolError", "ReadError")) for failure in load.failures
    )
    assert victim not in await pids(running)
    async with Load(running) as load:
        await load.more()
    assert load.failures == []


async def test_a_stopped_worker_is_not_responsive_and_does_not_acknowledge(engines, router):
    (engine,) = await engines(1)
    running = await router([engine])
    stopped = (await pids(running))[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        running.write(registry([instance(engine, state="draining")], revision=2))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        workers = {w["pid"]: w for w in (await running.status())["workers"]}
        assert time.monotonic() - began < 2
        assert (workers[stopped]["responsive"], workers[stopped]["revision"]) == (False, 1)
        assert [(w["responsive"], w["revision"]) for pid, w in workers.items() if pid != stopped] == [(True, 2)]
    finally:
        os.kill(stopped, signal.SIGCONT)
    workers = (await running.status())["workers"]
    assert [(w["responsive"], w["revision"]) for w in workers] == [(True, 2)] * 2


async def test_a_stop_finishes_streams_and_refuses_new_connections(engines, router):
    (engine,) = await engines(1)
    engine.delay = 0.1
    running = await router([engine])
    client = running.client()
    stream = await client.chat.completions.create(**CHAT, stream=True)
    running.signal(signal.SIGTERM)
    await running.until(lambda: running.events("stopping"))
    host, port = running.address.split(":")
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))):
                break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("it still accepts")
    assert "".join([event.choices[0].delta.content async for event in stream]).split() == WORDS
    assert await running.wait() == 0
    assert not running.socket.exists()


async def test_a_stop_that_takes_too_long_tells_the_streams(engines, router):
    (engine,) = await engines(1)
    engine.delay = 1
    running = await router([engine], drain_timeout=0.3)
    async with running.http.post("/v1/chat/completions", json={**CHAT, "stream": True}) as response:
        running.signal(signal.SIGTERM)
        text = b""
        try:
            async for data in response.content.iter_any():
                text += data
        except Exception:
            text += b"<broken>"
    assert b"The router is being stopped" in text
    assert text.endswith(b"<broken>")
    assert await running.wait() == 0


async def test_a_stop_that_takes_too_long_answers_those_who_still_wait(engines, router):
    (engine,) = await engines(1)
    engine.mode = "hang"
    running = await router([engine], drain_timeout=0.3)
    waiting = asyncio.ensure_future(running.post(CHAT))
    await running.until(lambda: engine.working)
    began = time.monotonic()
    running.signal(signal.SIGTERM)
    status, headers, document = await waiting
    assert (status, headers["Retry-After"], document["error"]["code"]) == (503, "1", "router_stopping")
    assert await running.wait() == 0
    assert time.monotonic() - began < 4
    assert engine.cancelled == 1


async def test_an_idle_client_of_an_old_worker_is_answered_or_disconnected_but_never_left_hanging(engines, router):
    (engine,) = await engines(1)
    engine.delay = 0.25
    running = await router([engine], processes=1)
    stream = await running.client().chat.completions.create(**CHAT, stream=True)  # keeps the old worker busy
    host, port = running.address.split(":")
    clients = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
    ask = b"GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n"
    for reader, writer in clients:
        writer.write(ask)
        await reader.readuntil(b"}")
    running.signal(signal.SIGHUP)
    await running.until(lambda: len(running.events("worker_ready")) == 2)
    await asyncio.sleep(0.5)
    clients[0][1].write(ask)
    answer = await asyncio.wait_for(clients[0][0].read(-1), 1)
    assert answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer
    for reader, writer in clients[1:]:
        assert await asyncio.wait_for(reader.read(-1), 4) == b""
        writer.close()
    assert not running.events("worker_ended")
    assert "".join([event.choices[0].delta.content async for event in stream]).split() == WORDS


async def test_workers_end_with_their_supervisor(engines, router):
    running = await router(await engines(1))
    workers = await pids(running)
    running.signal(signal.SIGKILL)
    await running.wait()
    deadline = time.monotonic() + 3
    while any(os.path.exists(f"/proc/{pid}/fd") and os.listdir(f"/proc/{pid}/fd") for pid in workers):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_counters_never_fall_when_workers_are_replaced(engines, router):
    running = await router(await engines(1), processes=1)
    for _ in range(5):
        await running.post(CHAT)
    key = ("requests_total", ("instance", "tiny-0"), ("model", "tiny"), ("status", "200"))
    assert (await running.metrics())[key] == 5
    running.signal(signal.SIGHUP)
    await running.until(lambda: running.events("worker_ended"))
    await running.post(CHAT)
    metrics = await running.metrics()
    assert metrics[key] == 6
    assert metrics["request_duration_seconds_count", ("model", "tiny")] == 6
    assert metrics["time_to_first_token_seconds_bucket", ("le", "+Inf"), ("model", "tiny")] == 6


async def test_metrics_have_their_own_listener_when_asked(engines, router):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    running = await router(await engines(1), metrics_listen=address)
    async with running.http.get(f"http://{address}/metrics") as response:
        assert "modelfleet_router_registry_revision 1" in await response.text()
    async with running.http.get(f"http://{address}/status") as response:
        assert response.status == 404


async def test_sockets_given_by_the_service_manager_are_used(engines):
    (engine,) = await engines(1)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        address = sock.getsockname()
        running = Router(listen="127.0.0.1:1")
        running.write(registry([instance(engine)]))
        # What systemd does: descriptor 3, LISTEN_FDS and the pid of the process that is to use it.
        shell = 'exec 3<&$GIVEN; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        os.set_inheritable(sock.fileno(), True)
        command = ("bash", "-c", shell, "-", sys.executable, "-m", "modelfleet_router")
        try:
            await running.start((sock.fileno(),), {"GIVEN": str(sock.fileno())}, command)
            assert running.address == f"{address[0]}:{address[1]}"
            assert (await running.post(CHAT))[0] == 200
        finally:
            await running.close()


async def test_sighup_reads_the_configuration_again_and_keeps_the_old_one_when_it_is_wrong(engines, router):
    (engine,) = await engines(1)
    engine.mode = "hang"
    running = await router([engine], processes=1)
    running.write_config(timeouts={"first_byte": 0.2})
    running.signal(signal.SIGHUP)
    await running.until(lambda: running.events("worker_ended"))
    began = time.monotonic()
    assert (await running.post(CHAT))[0] == 504
    assert time.monotonic() - began < 1
    running.write_config(timeouts={"first_bite": 0.2})
    running.signal(signal.SIGHUP)
    await running.until(lambda: running.events("config_refused"))
    assert "did you mean first_byte?" in running.events("config_refused")[0]["problems"][0]
