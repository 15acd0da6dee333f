# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a definition: where it is, and one sentence."""

from __future__ import annotations

import difflib
from typing import NamedTuple


class Mark(NamedTuple):
    """Where something stands in a file (from 1); ``text`` is a plain scalar as it was written, else None."""

    line: int
    column: int
    text: str | None = None


class Problem(NamedTuple):
    """``message`` is the sentence without the place; ``key`` the path of the key (``placement.gpus[0]``) or empty.

    ``syntax``: the column helps, so it is shown.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    syntax: bool = False

    def sentence(self):
        """``file:line: message``, as compilers write it."""
        if not self.line:
            return "%s: %s" % (self.file, self.message)
        place = "%d:%d" % (self.line, self.column) if self.syntax else "%d" % self.line
        return "%s:%s: %s" % (self.file, place, self.message)

    def as_data(self):
        """What the module returns of it."""
        return {"file": self.file, "line": self.line, "key": self.key, "message": self.message}


def key_path(path):
    """``("placement", "gpus", 0)`` gives ``placement.gpus[0]``."""
    text = ""
    for part in path:
        text += "[%d]" % part if isinstance(part, int) else "." + str(part) if text else str(part)
    return text


def did_you_mean(word, known):
    """``", did you mean gpus?"`` for the nearest of ``known`` names, or nothing when none is near."""
    near = difflib.get_close_matches(str(word), sorted(known), n=1, cutoff=0.6)
    return ", did you mean %s?" % near[0] if near else ""
