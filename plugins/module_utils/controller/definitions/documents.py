# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the documents of a YAML file and remembers on which line each key stands."""

from __future__ import annotations

from typing import Any, NamedTuple

from .compat import SafeLoader, yaml
from .problems import Mark, Problem, key_path

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map"))
_MERGE = _TAG + "merge"
# Aliases can make a small file very large; a definition has some dozens of values.
_MOST_VALUES = 20000


class Document(NamedTuple):
    """``data``: plain Python values. ``marks``: path (tuple of keys and indexes) -> Mark, () is the document itself.

    ``broken``: paths whose values could not be read (they are None in ``data``), which is already reported.
    """

    file: str
    data: Any
    marks: dict
    broken: frozenset = frozenset()

    def is_broken(self, path):
        """Whether something at or around ``path`` could not be read."""
        return any(tuple(path[:length]) in self.broken for length in range(len(path) + 1))

    def mark(self, path):
        """The mark of ``path``, or of the nearest thing around it."""
        path = tuple(path)
        while path not in self.marks:
            path = path[:-1]
        return self.marks[path]

    def problem(self, path, message):
        """A Problem at ``path``."""
        mark = self.mark(path)
        return Problem(self.file, mark.line, mark.column, key_path(path), message)


def read_documents(file, content):
    """``(documents, problems)`` of a file's ``content`` (bytes). ``file`` is how sentences name it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return [], [Problem(file, line, 1, "", "is not UTF-8 text; save the file as UTF-8")]
    documents, problems = [], []
    try:
        loader = SafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            walk = _Walk(loader, file)
            data = walk.value(node, ())
            documents.append(Document(file, data, walk.marks, frozenset(walk.broken)))
            problems.extend(walk.problems)
    except yaml.MarkedYAMLError as error:
        problems.append(_syntax(file, error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.append(Problem(file, line, 1, "", "holds the character %s, which YAML does not allow"
                                % ascii(chr(error.character))))
    except RecursionError:
        problems.append(Problem(file, 1, 1, "", "is nested too deeply"))
    if not documents and not problems:
        problems.append(Problem(file, 1, 1, "", "holds no definition; to remove a deployment delete its file"))
    return documents, problems


def _syntax(file, error):
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = error.problem or error.context or "unreadable"
    if "'\\t'" in problem:
        problem = "a tab; YAML is indented with spaces"
    elif problem == "mapping values are not allowed here":
        problem = "a colon where no key can be; indent it right, or quote a text that holds a colon"
    elif error.context and error.problem:
        problem = "%s, %s" % (error.context, problem)
    return Problem(file, line, column, "", "YAML syntax: " + problem, syntax=True)


class _Walk:
    """Turns the nodes of one document into plain values, and collects marks and problems."""

    def __init__(self, loader, file):
        self._loader = loader
        self._file = file
        self._open = set()
        self._count = 0
        self.marks = {}
        self.problems = []
        self.broken = set()

    def value(self, node, path, mark=None):
        """The plain value of ``node``; ``mark`` is that of its key."""
        scalar = isinstance(node, yaml.ScalarNode)
        text = node.value if scalar and node.style is None else None
        start = mark or node.start_mark
        self.marks[path] = Mark(start.line + 1, start.column + 1, text)
        self._count += 1
        if self._count == _MOST_VALUES:
            self._report(node, path, "has too many values (aliases?)")
        if self._count >= _MOST_VALUES:
            self.broken.add(path)
            return None
        if node.tag not in _PLAIN_TAGS:
            return self._unreadable(
                node, path, "has the tag %s; definitions are plain YAML, secrets are named in secrets" % node.tag)
        if scalar:
            return self._scalar(node, path)
        if id(node) in self._open:
            return self._unreadable(node, path, "contains itself (an alias of what is around it)")
        self._open.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            data = [self.value(item, path + (index,)) for index, item in enumerate(node.value)]
        else:
            data = self._mapping(node, path)
        self._open.remove(id(node))
        return data

    def _scalar(self, node, path):
        try:
            return self._loader.construct_object(node)
        except (ValueError, yaml.YAMLError):
            return self._unreadable(node, path, "is no valid %s: quote it, \"%s\"" % (node.tag[len(_TAG):], node.value))

    def _mapping(self, node, path):
        data, merged, lines = {}, {}, {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                self._merge(value_node, path, merged)
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TAG + "str":
                written = key if isinstance(key, str) else "here"
                self._report(key_node, path, "has the key %s, which YAML does not read as text; quote it" % written)
            elif key in data:
                self._report(key_node, path + (key,), "is there twice (first in line %d)" % lines[key])
            else:
                lines[key] = key_node.start_mark.line + 1
                data[key] = self.value(value_node, path + (key,), key_node.start_mark)
        return {**merged, **data}

    def _merge(self, node, path, merged):
        """``<<``: what the mapping itself and earlier ones of a list say counts more."""
        own = self.marks[path]
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for part in nodes:
            values = self.value(part, path, node.start_mark) if isinstance(part, yaml.MappingNode) else None
            if values is None:
                self._report(node, path, "can only merge mappings (<<)")
                continue
            for key, value in values.items():
                merged.setdefault(key, value)
        self.marks[path] = own

    def _unreadable(self, node, path, message):
        self._report(node, path, message)
        self.broken.add(path)

    def _report(self, node, path, message):
        subject = key_path(path) or "the definition"
        mark = node.start_mark
        self.problems.append(
            Problem(self._file, mark.line + 1, mark.column + 1, key_path(path), "%s %s" % (subject, message)))
