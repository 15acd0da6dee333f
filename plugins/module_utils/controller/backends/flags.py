# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters of definitions as words of a command line, and what they say about flags that the planner must know."""

from __future__ import annotations


class ParameterError(ValueError):
    """A parameter that no engine could take; its text is a sentence without the file's name."""


def split_words(parameters):
    """``["--ctx-size=4096", "--metrics"]`` gives ``["--ctx-size", "4096", "--metrics"]``: llama.cpp refuses the ``=`` form."""
    words = []
    for parameter in parameters:
        flag, equals, value = parameter.partition("=")
        if equals and flag.startswith("-"):
            words.extend([flag, value])
        else:
            words.append(parameter)
    return words


class Flags:
    """Looks up flags in ``parameters``. Names are given with all their spellings; of repeated flags the last counts."""

    def __init__(self, parameters):
        self._words = [(word, _spelling(word)) for word in split_words(parameters)]

    def has(self, names):
        """Whether one of the spellings ``names`` is given."""
        return any(spelling in names for _word, spelling in self._words)

    def value(self, names):
        """The word after the flag, or None where the flag is not given. Raises ParameterError where no word follows."""
        found = None
        for place, (word, spelling) in enumerate(self._words):
            if spelling in names:
                if place + 1 == len(self._words):
                    raise ParameterError("the parameter %s needs a value" % word)
                found = self._words[place + 1][0]
        return found

    def number(self, names, default=None):
        """The flag's value as a whole number >= 0, or ``default`` where it is not given. Raises ParameterError."""
        text = self.value(names)
        if text is None:
            return default
        if not text.isdigit():
            raise ParameterError("the parameter %s needs a whole number, not %r" % (names[0], text))
        return int(text)


def _spelling(word):
    """llama.cpp takes ``--ctx_size`` for ``--ctx-size``."""
    return "--" + word[2:].replace("_", "-") if word.startswith("--") else word
