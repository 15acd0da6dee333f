# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns pydantic's errors into sentences: what the key must be, what is there, and how to mend it."""

from __future__ import annotations

import re

from .compat import BaseModel
from .models import Definition
from .problems import did_you_mean, key_path
from .sources.table import SOURCES
from .texts import RULES
from .validators import OWN_ERROR, show


def explain(document, error):
    """The Problem of one entry of ``ValidationError.errors()`` for ``document``."""
    path = tuple(error["loc"])
    if path and path[-1] == "[key]":
        return document.problem(path[:-1], "%s must be %s" % (_shown(path[:-1]), RULES[error["ctx"]["pattern"]]))
    return document.problem(path, "%s %s" % (_shown(path), _predicate(document, path, error)))


def _shown(path):
    return key_path(path) or "the definition"


def _predicate(document, path, error):
    kind, context, value = error["type"], error.get("ctx", {}), error.get("input")
    if kind == OWN_ERROR:
        return context["predicate"]
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        allowed = allowed_keys(document.data, path[:-1])
        return "is an unknown key%s allowed: %s" % (did_you_mean(path[-1], allowed) or ";", ", ".join(allowed))
    if kind in _WANTED:
        return _wrong_type(_WANTED[kind], value, document.marks.get(path))
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        if not isinstance(value, str):
            return _wrong_type("one of %s" % ", ".join(allowed), value, document.marks.get(path))
        return "must be one of %s, not %s%s" % (", ".join(allowed), show(value), did_you_mean(value, allowed))
    if kind == "string_pattern_mismatch":
        return "must be %s, not %s" % (RULES[context["pattern"]], show(value))
    if kind == "greater_than_equal":
        return "must be at least %s, not %s" % (context["ge"], show(value))
    if kind == "less_than_equal":
        return "must be at most %s, not %s" % (context["le"], show(value))
    return "is not valid: %s" % error["msg"]


_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def _wrong_type(wanted, value, mark):
    if value is None:
        return "must be %s, and there is nothing: give a value or remove the key" % wanted
    if isinstance(value, (dict, list)):
        return "must be %s, not a %s" % (wanted, "list" if isinstance(value, list) else "mapping")
    if isinstance(value, str):
        if wanted in ("a whole number", "true or false") and re.fullmatch(r"\d+|true|false", value):
            return 'must be %s, not the text "%s": remove the quotes' % (wanted, value)
        return "must be %s, not the text %s" % (wanted, show(value))
    written = mark.text if mark and mark.text is not None else show(value)
    if wanted in ("text",) or wanted.startswith("one of"):
        return 'must be %s, but YAML reads %s as %s: quote it, "%s"' % (wanted, written, _kind(value), written)
    return "must be %s, not %s" % (wanted, written)


def _kind(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return "a number" if isinstance(value, (int, float)) else "a date"


def allowed_keys(data, path):
    """The keys that the mapping at ``path`` of a definition (its plain ``data``) may have, sorted."""
    model = Definition
    for key in path:
        if key == "source":
            model = next((SOURCES[name] for name in data["source"] if name in SOURCES), model)
        else:
            kind = model.model_fields[key].annotation
            model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else model
    return sorted(model.model_fields)
