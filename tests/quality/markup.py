"""Ansible's documentation markup and option trees as Markdown."""

from __future__ import annotations

import json
import re

_MARKUP = re.compile(r"\b(C|V|O|RV|E|P|M|B|I|U)\(((?:[^()\\]|\\.)*)\)")


def text(value):
    """A description, one text or several, as one line of Markdown."""
    words = value if isinstance(value, str) else " ".join(value)
    return " ".join(_MARKUP.sub(_markdown, words).split())


def cell(value):
    return text(value).replace("|", "\\|")


def _markdown(match):
    kind, inner = match.group(1), re.sub(r"\\(.)", r"\1", match.group(2))
    if kind == "M" and inner.startswith("modelfleet.serving."):
        name = inner.rsplit(".", 1)[1]
        return "[%s](%s.md)" % (name, name)
    return {"B": "**%s**", "I": "*%s*", "U": "<%s>"}.get(kind, "`%s`") % inner.replace("ignore:", "")


def type_of(option):
    """`list of dict`, or the choices where there are some."""
    if option.get("choices"):
        return ", ".join("`%s`" % choice for choice in option["choices"])
    elements = option.get("elements")
    return "%s of %s" % (option["type"], elements) if elements else option.get("type", "str")


def default_of(option):
    """`required`, the default as JSON, or nothing."""
    if option.get("required"):
        return "required"
    default = option.get("default")
    return "" if default is None else "`%s`" % (default if isinstance(default, str) and default else json.dumps(default)).replace("|", "\\|")


def rows(options, below, prefix=""):
    """(path, option) of every option and of those below it; ``below`` is the key that holds them: suboptions, options or contains."""
    for name, option in options.items():
        yield prefix + name, option
        yield from rows(option.get(below) or {}, below, prefix + name + ".")


def table(heads, lines):
    return ["| %s |" % " | ".join(heads), "|%s" % ("---|" * len(heads)), *("| %s |" % " | ".join(line) for line in lines)]
