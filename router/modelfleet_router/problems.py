# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation errors of pydantic as sentences that a person can act on."""

from __future__ import annotations

import difflib
import typing

from pydantic import BaseModel, ValidationError


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence per mistake, each beginning with the place: ``instances[2].url: ...``."""
    return [_sentence(detail, model) for detail in error.errors(include_url=False)]


def _sentence(detail, model):
    place = _place(detail["loc"])
    kind = detail["type"]
    if kind == "missing":
        return f"{place}: is required"
    if kind == "extra_forbidden":
        known = _known_keys(model, detail["loc"][:-1])
        near = difflib.get_close_matches(str(detail["loc"][-1]), known, 1)
        hint = f", did you mean {near[0]}?" if near else ""
        return f"{place}: is not known{hint} (allowed: {', '.join(known)})"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if kind == "value_error":
        return f"{place}: {message}" if place else message
    return f"{place}: {message}, found {_short(detail['input'])}" if place else message


def _place(location):
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _known_keys(model, location):
    for part in location:
        field = model.model_fields.get(part)
        if field is None:
            return []
        inner = [t for t in (field.annotation, *typing.get_args(field.annotation)) if _is_model(t)]
        if not inner:
            return []
        model = inner[0]
    return sorted(model.model_fields)


def _is_model(value):
    return isinstance(value, type) and issubclass(value, BaseModel)
