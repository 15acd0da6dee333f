# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what is made from the models of definitions: the JSON Schema for editors and the table in the documentation.

``PYTHONPATH=.collections python -m
ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions.schema docs``
writes definition.schema.json and the table in definitions.md of the folder docs.
"""

from __future__ import annotations

import json
import os
import sys

from .models import Definition

BEGIN = "<!-- fields: made by `make docs` from the models, do not edit -->"
END = "<!-- end of fields -->"


def json_schema():
    """JSON Schema (draft 2020-12) of one definition."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Definition.model_json_schema()}
    _without_titles(schema)
    return {**schema, "title": "modelfleet definition"}


def schema_text():
    """What definition.schema.json holds."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def table_text():
    """The fields as a Markdown table, parts of parts after what they belong to."""
    schema = json_schema()
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    rows += ["| %s |" % " | ".join(row) for row in _rows(schema, schema, "")]
    return "\n".join(rows) + "\n"


def with_table(page):
    """The documentation page with the current table between its two marks. ValueError when a mark is missing."""
    before, mark, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError("the page lacks %r or %r" % (BEGIN, END))
    return before + BEGIN + "\n\n" + table_text() + "\n" + END + after


def _without_titles(part):
    """pydantic repeats each key as its title: noise in editors."""
    if isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        for value in part.values():
            _without_titles(value)
    elif isinstance(part, list):
        for value in part:
            _without_titles(value)


def _rows(schema, part, prefix):
    for key, field in part["properties"].items():
        target = _resolve(schema, field)
        required = "required" if key in part.get("required", []) else ""
        if "properties" in target and not prefix:
            yield "`%s`" % key, "mapping", required, target["description"]
            yield from _rows(schema, target, key + ".")
        else:
            default = required or _default(target)
            yield "`%s%s`" % (prefix, key), _kind(schema, field), default, field["description"].replace("|", "\\|")


def _resolve(schema, field):
    # Older releases of pydantic wrap a reference that has a description.
    reference = next((part["$ref"] for part in [field, *field.get("allOf", [])] if "$ref" in part), None)
    return schema["$defs"][reference.rsplit("/", 1)[1]] if reference else field


def _default(field):
    if field.get("default") is not None:
        return "`%s`" % json.dumps(field["default"])
    return {"array": "`[]`", "object": "`{}`"}.get(field.get("type"), "")


def _kind(schema, field):
    field = _resolve(schema, field)
    if "anyOf" in field:
        return ", ".join(_kind(schema, part) for part in field["anyOf"] if part.get("type") != "null")
    if "enum" in field or "const" in field:
        return ", ".join("`%s`" % value for value in field.get("enum") or [field["const"]])
    if "properties" in field:
        return "`{%s: n}`" % next(iter(field["properties"]))
    if field["type"] == "array":
        return "list of %s" % _kind(schema, field["items"])
    if field["type"] == "object":
        return "mapping of names to texts"
    if field["type"] == "integer":
        return "%d to %d" % (field["minimum"], field["maximum"])
    return {"string": "text", "boolean": "true or false"}[field["type"]]


def main(folder):
    """Writes both files of ``folder``."""
    with open(os.path.join(folder, "definition.schema.json"), "w", encoding="utf-8") as stream:
        stream.write(schema_text())
    path = os.path.join(folder, "definitions.md")
    with open(path, encoding="utf-8") as stream:
        page = stream.read()
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(with_table(page))


if __name__ == "__main__":
    main(sys.argv[1])
