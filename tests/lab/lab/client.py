"""What threads do inside a network namespace."""

from __future__ import annotations

import ctypes
import json
import os
import urllib.error
import urllib.request

CLONE_NEWNET = 0x40000000


def enter_network(name):
    """Moves the calling thread into a named network namespace, for good. Needs root."""
    library = ctypes.CDLL(None, use_errno=True)
    with open("/run/netns/%s" % name) as namespace:
        if library.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def request(url, body=None, headers=None, timeout=30):
    """(status, text) of an HTTP request; see Controller.http."""
    headers = dict(headers or {})
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data, headers), timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
