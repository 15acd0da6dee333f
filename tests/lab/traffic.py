"""Steady traffic with the official openai client, every answer compared with what the model must say. Run inside the controller's namespace.

traffic.py --url http://ROUTER:8080/v1 [--url ...] --model NAME --expected FILE --until FILE [--parallel 16] [--tokens 12]

A third of the workers stream whole answers, the others ask for the first words. No retries: a request that fails is counted with its error.
Ends when the file --until exists, after the requests that are then in flight, and prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time

from openai import AsyncOpenAI


class Tally:
    """What happened so far."""

    def __init__(self):
        self.requests = 0
        self.streams = 0
        self.stream_seconds = []
        self.failures = []
        self.instances = {}

    def note(self, instance):
        self.requests += 1
        self.instances[instance] = self.instances.get(instance, 0) + 1

    def as_dict(self):
        return {
            "requests": self.requests,
            "streams": self.streams,
            "stream_seconds": [round(seconds, 1) for seconds in sorted(self.stream_seconds)],
            "failed": len(self.failures),
            "failures": self.failures[:20],
            "instances": self.instances,
        }


def words(text):
    return " ".join(text.split())


async def short_answer(client, options, expected, number):
    answer = await client.chat.completions.with_raw_response.create(
        model=options.model, max_tokens=options.tokens, messages=[{"role": "user", "content": "question %d" % number}]
    )
    text = words(answer.parse().choices[0].message.content)
    if not text or not expected.startswith(text):
        raise AssertionError("wrong answer: %r" % text)
    return answer.headers.get("x-modelfleet-instance")


async def whole_stream(client, options, expected, number):
    async with client.chat.completions.with_streaming_response.create(
        model=options.model, stream=True, messages=[{"role": "user", "content": "stream %d" % number}]
    ) as answer:
        parts, finish = [], None
        async for chunk in await answer.parse():
            if chunk.choices:
                parts.append(chunk.choices[0].delta.content or "")
                finish = chunk.choices[0].finish_reason or finish
        text = words("".join(parts))
        if text != expected or finish != "stop":
            raise AssertionError("stream ended with %r after %d of %d words" % (finish, len(text.split()), len(expected.split())))
        return answer.headers.get("x-modelfleet-instance")


async def work(number, options, expected, tally):
    client = AsyncOpenAI(base_url=options.url[number % len(options.url)], api_key="none", max_retries=0, timeout=300)
    streaming = number % 3 == 0
    while not os.path.exists(options.until):
        started = time.monotonic()
        try:
            instance = await (whole_stream if streaming else short_answer)(client, options, expected, number)
        except Exception as error:
            tally.failures.append(
                "%s worker %d (%s) after %.1f s: %s: %s"
                % (time.strftime("%H:%M:%S"), number, "stream" if streaming else "chat", time.monotonic() - started, type(error).__name__, str(error)[:300])
            )
            tally.note("failed")
            await asyncio.sleep(0.2)
            continue
        tally.note(instance)
        if not streaming:
            await asyncio.sleep(options.pause)
        else:
            tally.streams += 1
            tally.stream_seconds.append(time.monotonic() - started)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", action="append", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--expected", required=True)
    parser.add_argument("--until", required=True)
    parser.add_argument("--parallel", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=12)
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between short requests, so that they leave the streams some of the machine")
    options = parser.parse_args()
    with open(options.expected) as file:
        expected = words(file.read())
    tally = Tally()
    await asyncio.gather(*(work(number, options, expected, tally) for number in range(options.parallel)))
    print(json.dumps(tally.as_dict()))


asyncio.run(main())
