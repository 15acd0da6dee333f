# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every public endpoint with the official client."""

import openai
import pytest

from .support.engine import WORDS
from .support.router import instance

TEXT = " ".join(WORDS)
PROCESSES = 1  # what is shown here does not depend on their number
HELLO = [{"role": "user", "content": "hello"}]


async def test_the_official_client_through_every_endpoint(engines, router):
    chat, embedding = (await engines(1))[0], (await engines(1, "vectors"))[0]
    entries = [instance(chat), instance(embedding)]
    running = await router(entries, models=[{"name": "tiny", "aliases": ["gpt-4o-mini"]}, {"name": "vectors"}])
    client = running.client()

    assert [m.id for m in (await client.models.list()).data] == ["tiny", "vectors"]
    assert (await client.models.retrieve("gpt-4o-mini")).id == "gpt-4o-mini"
    answer = await client.chat.completions.create(model="tiny", messages=HELLO)
    assert answer.choices[0].message.content == TEXT
    assert answer.usage.completion_tokens == len(WORDS)
    stream = await client.chat.completions.create(model="tiny", messages=HELLO, stream=True)
    assert "".join([c.choices[0].delta.content async for c in stream]).strip() == TEXT
    assert (await client.completions.create(model="tiny", prompt="a")).choices[0].text == TEXT
    stream = await client.completions.create(model="tiny", prompt="a", stream=True)
    assert "".join([c.choices[0].text async for c in stream]).strip() == TEXT
    vectors = await client.embeddings.create(model="vectors", input="a", encoding_format="float")
    assert vectors.data[0].embedding == [0.25, 0.5, 1.0]
    for path in ("/healthz", "/readyz"):
        async with running.http.get(path) as response:
            assert response.status == 200


async def test_the_body_reaches_the_engine_as_it_came_unless_it_knows_the_model_by_another_name(engines, router):
    same, other = await engines(2)
    entries = [
        instance(same, model="a", id="a-0", served_model_name="a"),
        instance(other, model="b", id="b-0", served_model_name="/models/b.gguf"),
    ]
    running = await router(entries, models=[{"name": "a"}, {"name": "b", "aliases": ["bee"]}])
    await running.post({"model": "a", "messages": HELLO, "extra": [1, {"deep": "é"}]})
    assert same.requests[0]["body"] == {"model": "a", "messages": HELLO, "extra": [1, {"deep": "é"}]}
    await running.post({"model": "bee", "messages": HELLO, "extra": [1, {"deep": "é"}]})
    assert other.requests[0]["body"] == {"model": "/models/b.gguf", "messages": HELLO, "extra": [1, {"deep": "é"}]}


async def test_credentials_cookies_and_hop_by_hop_headers_do_not_cross(engines, router, tmp_path):
    (engine,) = await engines(1)
    key = tmp_path / "tiny.key"
    key.write_text("the-engine-key\n")
    running = await router([instance(engine, credential_file=str(key))])
    sent = {
        "Authorization": "Bearer mine",
        "Cookie": "c=1",
        "X-Api-Key": "k",
        "Connection": "keep-alive, X-Private",
        "X-Private": "1",
        "X-Request-Id": "trace-7",
        "X-Mine": "kept",
        "Accept-Encoding": "gzip",
    }
    status, headers, _ = await running.post({"model": "tiny"}, headers=sent)
    seen = engine.requests[0]["headers"]
    assert status == 200
    assert seen["Authorization"] == "Bearer the-engine-key"
    assert (seen["X-Mine"], seen["X-Request-Id"], seen["Accept-Encoding"]) == ("kept", "trace-7", "identity")
    assert not {"cookie", "x-api-key", "x-private"} & {name.lower() for name in seen}
    assert headers["x-modelfleet-instance"] == "tiny-0"
    assert headers["x-request-id"] == "trace-7"
    assert "set-cookie" not in headers
    await running.until(lambda: engine.probes)
    assert engine.probes[0]["Authorization"] == "Bearer the-engine-key"


@pytest.mark.parametrize(
    "method,path,status,code",
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/v1/models/gpt-9", 404, "model_not_found"),
    ],
)
async def test_what_is_not_served_is_refused_in_openai_shape(engines, router, method, path, status, code):
    running = await router(await engines(1))
    async with running.http.request(method, path) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["type"]) == (status, code, "invalid_request_error")


async def test_an_unknown_model_is_answered_with_the_known_ones(engines, router):
    running = await router(await engines(1), models=[{"name": "tiny", "aliases": ["small"]}])
    with pytest.raises(openai.NotFoundError, match="Known models: tiny, small") as caught:
        await running.client().chat.completions.create(model="gpt-9", messages=HELLO)
    assert caught.value.code == "model_not_found"


async def test_an_ambiguous_body_is_refused_and_never_reaches_an_engine(engines, router):
    (engine,) = await engines(1)
    running = await router([engine])
    for body in (b"", b'{"model": "tiny"} x', b'{"model": "tiny", "model": "other"}', b'["tiny"]'):
        status, _, document = await running.post(body)
        assert (status, document["error"]["type"]) == (400, "invalid_request_error")
    assert engine.requests == []


async def test_compressed_bodies_are_refused(engines, router):
    (engine,) = await engines(1)
    running = await router([engine])
    status, _, document = await running.post({"model": "tiny"}, headers={"Content-Encoding": "gzip"})
    assert (status, engine.requests) == (400, [])
    assert "Compressed" in document["error"]["message"]


async def test_a_prompt_of_many_megabytes_passes(engines, router):
    (engine,) = await engines(1)
    running = await router([engine])
    status, _, _ = await running.post({"model": "tiny", "prompt": "x" * (20 << 20)}, "/v1/completions")
    assert status == 200
    assert len(engine.requests[0]["body"]["prompt"]) == 20 << 20
