# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients see when engines fail. Sentences are the requirement."""

import asyncio
import resource
import socket
import time

import openai
import pytest

from .support.engine import WORDS, raw_engine
from .support.router import instance, registry

TEXT = " ".join(WORDS)
PROCESSES = 1  # what is shown here does not depend on their number
HELLO = [{"role": "user", "content": "hello"}]
CHAT = {"model": "tiny", "messages": HELLO}


async def read_raw(running, body: bytes) -> bytes:
    """Everything the router sends on one connection until it ends; ConnectionResetError when it is reset."""
    host, port = running.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: r\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )
    try:
        return await asyncio.wait_for(reader.read(-1), 10)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "mode,reason",
    [
        ("500", "server_error"),
        ("502", "unavailable"),
        ("503", "unavailable"),
        ("504", "unavailable"),
        ("close", "reset"),
        ("head", "reset"),
        ("empty", "reset"),
        ("garbage", "garbage"),
        ("refuse", "refused"),
    ],
)
async def test_a_failure_before_the_first_body_byte_is_retried_on_another_instance(engines, router, mode, reason):
    bad, good = await engines(2)
    bad.mode = mode
    running = await router([bad, good])
    if mode == "refuse":
        await bad.kill()
    client = running.client()
    for stream in (False, True, False, True):
        answer = await client.chat.completions.create(model="tiny", messages=HELLO, stream=stream)
        if stream:
            assert "".join([c.choices[0].delta.content async for c in answer]).strip() == TEXT
        else:
            assert answer.choices[0].message.content == TEXT
    assert len(good.requests) == 4
    assert (await running.metrics())["retries_total", ("model", "tiny"), ("reason", reason)] >= 1
    await running.until(lambda: len(running.access_lines()) == 4)
    assert any("tiny-0" in failure for line in running.access_lines() for failure in line.get("failures", []))


async def test_a_second_500_is_passed_on_as_the_engine_wrote_it(engines, router):
    both = await engines(3)
    for engine in both:
        engine.mode = "500"
    running = await router(both)
    status, headers, document = await running.post(CHAT)
    assert status == 500
    assert document["error"]["message"] in [f"{e.name} says 500" for e in both]
    assert headers["x-modelfleet-instance"].startswith("tiny-")
    assert sum(len(e.requests) for e in both) == 2


async def test_an_answer_of_the_engine_that_blames_the_request_is_not_retried(engines, router):
    both = await engines(2)
    for engine in both:
        engine.mode = "400"
    running = await router(both)
    with pytest.raises(openai.BadRequestError, match="says 400"):
        await running.client().chat.completions.create(model="tiny", messages=HELLO)
    assert sum(len(e.requests) for e in both) == 1


async def test_all_instances_down_is_answered_at_once_with_retry_after(engines, router):
    both = await engines(2)
    running = await router(both)
    for engine in both:
        await engine.kill()
    await running.post(CHAT)
    began = time.monotonic()
    status, headers, document = await running.post(CHAT)
    assert time.monotonic() - began < 0.5
    assert (status, headers["Retry-After"], document["error"]["code"]) == (503, "1", "no_healthy_instance")


async def test_a_model_without_instances_is_503_not_404(router):
    running = await router([], models=[{"name": "tiny"}])
    status, headers, document = await running.post(CHAT)
    assert (status, headers["Retry-After"]) == (503, "1")
    assert "no instances" in document["error"]["message"]


async def test_a_returned_instance_is_in_use_within_two_seconds(engines, router):
    first, second = await engines(2)
    running = await router([first, second])
    await first.kill()
    for _ in range(4):
        assert (await running.post(CHAT))[0] == 200
    assert len(first.requests) == 0
    await first.start()
    returned = time.monotonic()
    while not first.requests:
        assert (await running.post(CHAT))[0] == 200
        assert time.monotonic() - returned < 2
        await asyncio.sleep(0.05)


async def test_an_instance_that_only_fails_requests_gets_a_trial_now_and_then(engines, router):
    bad, good = await engines(2)
    bad.mode = "500"
    running = await router([bad, good])
    statuses = [(await running.post(CHAT))[0] for _ in range(40)]
    assert set(statuses) == {200}
    assert len(bad.requests) == 5  # then it is set aside, although its health check stays good
    bad.mode = "ok"
    mended = time.monotonic()
    while len(bad.requests) == 5:
        assert (await running.post(CHAT))[0] == 200
        assert time.monotonic() - mended < 3
        await asyncio.sleep(0.05)


async def test_engines_killed_under_load_cost_nothing_that_had_no_first_byte(engines, router):
    three = await engines(3)
    for engine in three:
        engine.delay = 0.05
    running = await router(three, processes=2)
    stop = time.monotonic() + 1.5
    failures = []

    async def ask():
        while time.monotonic() < stop:
            status, _, document = await running.post(CHAT)
            if status != 200:
                failures.append(document)

    async def kill():
        await asyncio.sleep(0.5)
        await three[0].kill()
        await asyncio.sleep(0.5)
        await three[0].start()

    await asyncio.gather(kill(), *(ask() for _ in range(16)))
    assert failures == []


async def test_a_stream_whose_engine_dies_gets_an_error_event_and_a_broken_connection(engines, router):
    (engine,) = await engines(1)
    engine.mode = "die"
    engine.delay = 0.02
    running = await router([engine])
    words = []
    with pytest.raises(openai.APIError, match="tiny-0 broke off"):
        stream = await running.client().chat.completions.create(model="tiny", messages=HELLO, stream=True)
        async for event in stream:
            words.append(event.choices[0].delta.content)
    assert "".join(words).split() == WORDS[:3]

    raw = await read_raw(running, b'{"model": "tiny", "stream": true}')
    assert b'"code": "upstream_broken"' in raw
    assert not raw.endswith(b"0\r\n\r\n")
    assert b"[DONE]" not in raw
    await running.until(lambda: len(running.access_lines()) == 2)
    assert "broken" in running.access_lines()[0]


async def test_a_whole_answer_that_breaks_off_never_looks_complete(router):
    async def engine(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n" + b'{"half": '
        )
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()

    async with raw_engine(engine) as entry:
        running = await router([entry])
        raw = await read_raw(running, b'{"model": "tiny"}')
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"Content-Length: 1000" in head
    assert body == b'{"half": '


async def test_silence_in_mid_stream_ends_with_an_error_event(engines, router):
    (engine,) = await engines(1)
    engine.delay = 30
    running = await router([engine], timeouts={"gap": 0.3})
    stream = await running.client().chat.completions.create(model="tiny", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="nothing came for 0.3 s"):
        async for _ in stream:
            pass


async def test_no_first_byte_in_time_is_504_and_not_paid_twice(engines, router):
    both = await engines(2)
    for engine in both:
        engine.mode = "hang"
    running = await router(both, timeouts={"first_byte": 0.3})
    status, _, document = await running.post(CHAT)
    assert (status, document["error"]["code"]) == (504, "upstream_timeout")
    assert sum(len(e.requests) for e in both) == 1


@pytest.mark.parametrize("when", ["waiting for the first byte", "in mid-stream"])
async def test_a_client_that_leaves_cancels_the_engine_at_once(engines, router, when):
    (engine,) = await engines(1)
    engine.mode, engine.delay = ("hang", 0) if when.startswith("waiting") else ("ok", 1)
    running = await router([engine])
    host, port = running.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"model": "tiny", "stream": true}'
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: r\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await running.until(lambda: engine.working == 1)
    if when == "in mid-stream":
        await reader.readuntil(b"\n\n")
    assert await running.in_flight() == {"tiny-0": 1}
    left = time.monotonic()
    writer.transport.abort()
    await running.until(lambda: engine.cancelled == 1)
    assert time.monotonic() - left < 0.25
    await running.until(lambda: running.access_lines())
    assert running.access_lines()[0]["status"] == 499
    assert await running.in_flight() == {}


def resident(pid) -> int:
    """Bytes of memory of a process."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def test_a_client_that_does_not_read_stops_the_engine_instead_of_filling_the_router(router):
    sent = 0

    async def engine(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        try:
            while sent < 400 << 20:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        except ConnectionError:
            pass

    async with raw_engine(engine) as entry:
        running = await router([entry])
        worker = (await running.status())["workers"][0]["pid"]
        memory = resident(worker)
        with socket.socket() as client:
            client.setblocking(False)
            host, port = running.address.split(":")
            await asyncio.get_running_loop().sock_connect(client, (host, int(port)))
            body = b'{"model": "tiny", "stream": true}'
            await asyncio.get_running_loop().sock_sendall(
                client,
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: r\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
            )
            before = -1
            while before != sent or not sent:
                before = sent
                await asyncio.sleep(0.5)
            assert sent < 200 << 20  # it stopped: the rest is in the kernel's socket buffers
            assert resident(worker) - memory < 16 << 20


async def test_a_client_that_reads_late_is_not_a_silent_engine(router):
    size = 48 << 20

    async def engine(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 16):
            writer.write(b"x" * 65536)
            await writer.drain()

    async with raw_engine(engine) as entry:
        running = await router([entry], timeouts={"gap": 0.3})
        async with running.http.post("/v1/chat/completions", json=CHAT) as response:
            await asyncio.sleep(1)
            assert len(await response.read()) == size


async def test_busy_is_not_dead(engines, router):
    """An engine whose health check hangs, while its answers flow, keeps getting requests."""
    busy, idle = await engines(2)
    busy.delay = 0.05

    async def hang(_request):
        await asyncio.sleep(30)

    busy._health = hang
    await busy.kill()
    await busy.start()
    running = await router([busy, idle], health={"interval": 0.2, "recovery_interval": 0.2, "timeout": 0.2})
    client = running.client()

    async def read():
        stream = await client.chat.completions.create(model="tiny", messages=HELLO, stream=True)
        return [event async for event in stream]

    for _ in range(2):
        await asyncio.gather(read(), read(), read())
    healthy = await running.metrics()
    assert healthy["instance_healthy", ("instance", "tiny-0"), ("model", "tiny")] == 1
    await asyncio.sleep(1.5)  # now nothing flows, and probes still hang
    healthy = await running.metrics()
    assert healthy["instance_healthy", ("instance", "tiny-0"), ("model", "tiny")] == 0


async def test_the_pool_survives_an_engine_that_closes_idle_connections(router):
    """A reused connection that dies before an answer is retried on the same instance and is not its failure."""
    answered = 0

    async def engine(reader, writer):
        nonlocal answered
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        answered += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await reader.readexactly(1)  # the next request: the connection dies just as it arrives
        writer.transport.abort()

    async with raw_engine(engine) as entry:
        running = await router([entry])
        for _ in range(10):
            assert (await running.post(CHAT))[0] == 200
    assert answered == 10
    assert (await running.metrics())["retries_total", ("model", "tiny"), ("reason", "stale")] >= 4


async def test_requests_wait_for_a_registry_while_all_instances_of_their_model_drain(engines, router):
    (engine,) = await engines(1)
    running = await router([instance(engine, state="draining")])
    waiting = asyncio.ensure_future(running.post(CHAT))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    running.write(registry([instance(engine)], revision=2))
    assert (await waiting)[0] == 200
    await running.reload(registry([instance(engine, state="draining")], revision=3))
    began = time.monotonic()
    status, headers, document = await running.post(CHAT)
    assert 0.9 < time.monotonic() - began < 3
    assert (status, headers["Retry-After"]) == (503, "1")
    assert "being changed" in document["error"]["message"]
    assert len(engine.requests) == 1
