# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks over several keys or several definitions. They look at plain data, so they also run where types are wrong."""

from __future__ import annotations

from .backends import flag_of, reserved_flags
from .problems import key_path
from .reserved_env import reason


def check_documents(documents):
    """All Problems of ``documents`` (each with a mapping as data) that concern more than one key."""
    problems = []
    for document in documents:
        problems += _set_twice(document)
        problems += _own_flags(document)
        problems += _own_env(document)
        problems += _stuck_update(document)
        problems += _nowhere_to_install(document)
    return problems + _names(documents)


def find_templates(documents):
    """A sentence for each text that looks like a template: it stays as it is, which may surprise."""
    problems = []
    for document in documents:
        for path, value in _texts(document.data, ()):
            if "{{" in value or "{%" in value:
                sentence = "%s looks like a template; definitions are never templated, it stays as it is"
                problems.append(document.problem(path, sentence % key_path(path)))
    return sorted(problems)


def _texts(value, path):
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, path + (key,))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, path + (index,))


def _part(document, key, kind):
    """The value of a top-level key if it has the right type, else an empty one: its type is reported elsewhere."""
    value = document.data.get(key)
    return value if isinstance(value, kind) else kind()


def _set_twice(document):
    both = set(_part(document, "env", dict)) & set(_part(document, "secrets", dict))
    sentence = "secrets.%s is also set by env, remove one of them"
    return [document.problem(("secrets", name), sentence % name) for name in both]


def _own_flags(document):
    reserved = reserved_flags(document.data.get("backend", "auto"))
    problems = []
    for index, word in enumerate(_part(document, "parameters", list)):
        flag = flag_of(word.split(" ", 1)[0]) if isinstance(word, str) else None
        if flag in reserved:
            sentence = "parameters[%d] sets %s, which modelfleet sets itself; remove it" % (index, flag)
            problems.append(document.problem(("parameters", index), sentence))
    return problems


def _own_env(document):
    problems = []
    for key in ("env", "secrets"):
        for name in _part(document, key, dict):
            why = reason(name) if isinstance(name, str) else None
            if why:
                problems.append(document.problem((key, name), "%s.%s cannot be set: %s" % (key, name, why)))
    return problems


def _stuck_update(document):
    update = _part(document, "update", dict)
    if update.get("max_unavailable") == 0 and update.get("max_surge", 0) == 0:
        return [document.problem(
            ("update", "max_unavailable"),
            "update.max_unavailable and update.max_surge are both 0, so nothing could ever change; raise one of them")]
    return []


def _nowhere_to_install(document):
    """Packages go into an environment that modelfleet makes; an executable has its own."""
    if document.data.get("backend_executable") and document.data.get("backend_packages"):
        return [document.problem(("backend_packages",), "backend_packages has no effect with backend_executable, since nothing is "
                                                        "installed then; remove one of them")]
    return []


def _names(documents):
    """Names and aliases are one space: clients ask for either."""
    problems, owners = [], {}
    for document in documents:
        name = document.data.get("name")
        if not isinstance(name, str):
            continue
        if name in owners:
            sentence = "name %s is already used in %s" % (name, _place(*owners[name]))
            problems.append(document.problem(("name",), sentence))
        else:
            owners[name] = (document, ("name",))
    for document in documents:
        for index, alias in enumerate(_part(document, "aliases", list)):
            path = ("aliases", index)
            if not isinstance(alias, str):
                continue
            if alias in owners:
                kind = "a name" if owners[alias][1] == ("name",) else "an alias"
                sentence = "%s %s is already %s in %s" % (key_path(path), alias, kind, _place(*owners[alias]))
                problems.append(document.problem(path, sentence))
            else:
                owners[alias] = (document, path)
    return problems


def _place(document, path):
    return "%s:%d" % (document.file, document.mark(path).line)
