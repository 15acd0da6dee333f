"""Asks the router as any client would: plain HTTP in the OpenAI format, with the standard library."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request

from .console import Trouble
from .place import DEPLOYMENT

PROMPT = "Who are you?"
TIMEOUT = 60
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))     # a proxy of the user's does not know 127.0.0.1


def ask(port):
    """(answer, seconds)."""
    begun = time.monotonic()
    with _post(port, stream=False) as answer:
        return json.load(answer)["choices"][0]["message"]["content"], time.monotonic() - begun


def stream(port):
    """Yields (piece of the answer, seconds since the question) as they come."""
    begun = time.monotonic()
    with _post(port, stream=True) as answer:
        for line in answer:
            field, _colon, data = line.decode().strip().partition(": ")
            if field == "data" and data != "[DONE]":
                for choice in json.loads(data)["choices"]:
                    if choice["delta"].get("content"):
                        yield choice["delta"]["content"], time.monotonic() - begun


def answered(port):
    """{instance: requests that it has answered}, from the router's metrics."""
    counts = {}
    with _open("http://127.0.0.1:%d/metrics" % (port + 1)) as answer:
        for line in answer.read().decode().splitlines():
            found = re.match(r'modelfleet_router_requests_total\{.*instance="([^"]+)".*status="200".*\} (\d+)', line)
            if found:
                counts[found.group(1)] = counts.get(found.group(1), 0) + int(found.group(2))
    return counts


def _post(port, stream):
    body = {"model": DEPLOYMENT, "stream": stream, "messages": [{"role": "user", "content": PROMPT}]}
    return _open(
        urllib.request.Request(
            "http://127.0.0.1:%d/v1/chat/completions" % port, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
    )


def _open(request):
    try:
        return _direct.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        raise Trouble("the router answered %d: %s" % (error.code, error.read().decode(errors="replace").strip())) from None
    except OSError as error:
        raise Trouble("the router does not answer (%s); its log is in .demo/logs" % error) from None
