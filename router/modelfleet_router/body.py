# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads of a request's body what the router decides on, and gives the bytes to send. Pure.

The backend must read the same request as the router judged: a body that two parsers may understand differently is
refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from .errors import bad_request

DECIDING = ("model", "stream")


@dataclass(frozen=True)
class Call:
    """A request as the router understands it."""

    model: str
    stream: bool
    document: dict
    data: bytes

    def data_for(self, served_model_name: str) -> bytes:
        """The body for an instance: as it came, unless the instance knows the model by another name."""
        if served_model_name == self.model:
            return self.data
        return json.dumps({**self.document, "model": served_model_name}, ensure_ascii=False).encode(
            errors="surrogatepass"
        )


def read_call(data: bytes) -> Call:
    """Raises ApiError 400 where the body is not one JSON object that names one model."""
    last: list = []

    def keep(pairs):
        last[:] = (pairs,)  # the outermost object is the last to end
        return dict(pairs)

    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=keep, parse_constant=_refuse)
    except UnicodeDecodeError:
        raise bad_request("The request body is not UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise bad_request(f"The request body is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise bad_request("The request body must be a JSON object.")
    keys = [key for key, _value in last[0]]
    for name in DECIDING:
        if keys.count(name) > 1:
            raise bad_request(f"The request body has the field {name!r} more than once.", name)
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise bad_request("The request body must name a model: the field 'model' must be a string.", "model")
    stream = document.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise bad_request("The field 'stream' must be true or false.", "stream")
    return Call(model, bool(stream), document, data)


def _refuse(text):
    raise ValueError(f"{text} is not a JSON number")
