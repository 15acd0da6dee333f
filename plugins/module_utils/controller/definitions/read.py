# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a directory of definitions: all of them normalized, or everything that is wrong. Touches the file system."""

from __future__ import annotations

import os
from typing import NamedTuple

from .checks import check_documents, find_templates
from .compat import ValidationError
from .documents import read_documents
from .explain import explain
from .models import Definition
from .problems import Problem

SUFFIXES = (".yml", ".yaml")
_ON_PURPOSE = "to remove deployments on purpose run playbooks/remove.yml"


class Reading(NamedTuple):
    """``deployments``: normalized, sorted by name, empty when there are ``problems``. ``files``: how many were read."""

    deployments: list
    problems: list
    warnings: list
    files: int


def read_directory(directory, hosts, secrets, allow_empty=False):
    """The :class:`Reading` of all *.yml and *.yaml files below ``directory``; hidden ones do not count.

    ``hosts``: names of the group gpu_hosts, ``secrets``: names in modelfleet_secrets; others are problems. ``allow_empty``: no directory
    and no files are fine, for a run that removes everything on purpose.
    """
    if allow_empty and not os.path.exists(directory):
        return Reading([], [], [], 0)
    if not os.path.isdir(directory):
        what = "is not a directory" if os.path.exists(directory) else "does not exist"
        return _nothing(
            directory, "the directory of definitions %s; set modelfleet_deployments_dir; %s" % (what, _ON_PURPOSE))
    paths, problems = _find(directory)
    if not paths and not problems and not allow_empty:
        return _nothing(directory, "holds no definitions (*.yml, *.yaml); %s" % _ON_PURPOSE)
    documents = []
    for path in paths:
        try:
            with open(path, "rb") as stream:
                content = stream.read()
        except OSError as error:
            problems.append(_unreadable(path, error))
            continue
        found, wrong = read_documents(path, content)
        documents += found
        problems += wrong
    deployments, wrong = validate(documents, hosts, secrets)
    problems = sorted(set(problems + wrong))
    warnings = find_templates([document for document in documents if isinstance(document.data, dict)])
    return Reading([] if problems else deployments, problems, warnings, len(paths))


def validate(documents, hosts, secrets):
    """``(normalized definitions, problems)`` of documents."""
    definitions, problems, mappings = [], [], []
    context = {"hosts": frozenset(hosts), "secrets": frozenset(secrets)}
    for document in documents:
        if not isinstance(document.data, dict):
            if not document.is_broken(()):
                problems.append(document.problem((), _not_a_mapping(document.data)))
            continue
        mappings.append(document)
        try:
            definition = Definition.model_validate(document.data, context=context)
            definitions.append(normalize(definition, document.file))
        except ValidationError as error:
            problems += [explain(document, entry) for entry in error.errors() if not document.is_broken(entry["loc"])]
    problems += check_documents(mappings)
    return sorted(definitions, key=lambda definition: definition["name"]), problems


def normalize(definition, file):
    """A Definition as the plan knows it (docs/architecture.md, normalized definition)."""
    data = definition.model_dump()
    if isinstance(data["replicas"], int):
        data["replicas"] = {"count": data["replicas"]}
    data["placement"]["gpus"] = [
        {"host": text.rpartition(":")[0], "index": int(text.rpartition(":")[2])} for text in data["placement"]["gpus"]]
    data["file"] = file
    return data


def _find(directory):
    paths, problems, seen = [], [], set()
    pending = [directory]
    while pending:
        folder = pending.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            names = [name for name in os.listdir(folder) if not name.startswith(".")]
        except OSError as error:
            problems.append(_unreadable(folder, error))
            continue
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isdir(path):
                pending.append(path)
            elif name.endswith(SUFFIXES):
                paths.append(path)
    return sorted(paths), problems


def _nothing(directory, sentence):
    return Reading([], [Problem(os.path.abspath(directory), 0, 0, "", sentence)], [], 0)


def _unreadable(path, error):
    return Problem(path, 0, 0, "", "cannot be read: %s" % error.strerror)


def _not_a_mapping(data):
    if data is None:
        return "an empty document holds no definition; remove it (and its ---)"
    kind = "a list" if isinstance(data, list) else "a single value"
    return "a definition is a mapping of keys to values, this is %s" % kind
