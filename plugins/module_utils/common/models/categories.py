# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model can be for. Each format has its own rules; a model's name is the last resort of all of them."""

from __future__ import annotations

import re

CATEGORIES = ("llm", "embedding", "reranker", "image", "speech_to_text", "text_to_speech")
# The rule of a model that no rule speaks of.
NO_RULE = ("llm", "no other rule fits")

_NAMES = (
    ("reranker", re.compile(r"(^|[^a-z])rerank", re.IGNORECASE)),
    ("embedding", re.compile(r"(^|[^a-z])embed(ding)?s?($|[^a-z])", re.IGNORECASE)),
)


def by_name(name):
    """``(category, rule)`` that a name such as ``Qwen3-Reranker-4B`` tells, or None."""
    for category, pattern in _NAMES:
        if name and pattern.search(name):
            return category, "its name is %s" % name
    return None
