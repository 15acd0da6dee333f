# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The balancing policies by the name that the registry uses. A policy takes candidates and gives one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from .least_outstanding import least_outstanding


class Candidate(Protocol):
    """What a policy may look at. ``turn`` grows with every choice: the smaller, the longer ago it was chosen."""

    outstanding: int
    weight: float
    capacity: int
    turn: int


AnyCandidate = TypeVar("AnyCandidate", bound=Candidate)
Policy = Callable[[Sequence[AnyCandidate]], AnyCandidate]

POLICIES: dict[str, Policy] = {
    "least_outstanding": least_outstanding,
}
