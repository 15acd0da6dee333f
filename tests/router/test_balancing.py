# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The balancing policy: tables of cases and properties."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelfleet_router.balancing.least_outstanding import least_outstanding


@dataclass
class Candidate:
    name: str
    outstanding: int
    weight: float = 1.0
    capacity: int = 8
    turn: int = 0


def chosen(*candidates):
    return least_outstanding(candidates).name


@pytest.mark.parametrize(
    "candidates,best",
    [
        ([("a", 3), ("b", 1), ("c", 2)], "b"),
        # a weight of two carries twice the load
        ([("a", 2, 2.0), ("b", 2, 1.0)], "a"),
        ([("a", 4, 2.0), ("b", 2, 1.0)], "a"),
        ([("a", 6, 2.0), ("b", 2, 1.0)], "b"),
        # an engine without a free slot would only queue
        ([("a", 1, 1.0, 1), ("b", 4, 1.0, 8)], "b"),
        # all full: the fewest in flight again
        ([("a", 9, 1.0, 4), ("b", 8, 1.0, 8)], "b"),
        # equal: more free capacity, then whose turn it is
        ([("a", 2, 1.0, 4), ("b", 2, 1.0, 8)], "b"),
        ([("a", 0, 1.0, 8, 7), ("b", 0, 1.0, 8, 3)], "b"),
    ],
)
def test_the_least_outstanding_wins(candidates, best):
    assert chosen(*(Candidate(*c) for c in candidates)) == best


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        name=st.uuids().map(str),
        outstanding=st.integers(0, 20),
        weight=st.floats(0.1, 10),
        capacity=st.integers(1, 16),
        turn=st.integers(0, 100),
    ),
    min_size=1,
    max_size=12,
)


@given(CANDIDATES)
def test_the_order_of_candidates_does_not_matter_and_nothing_free_is_passed_over(candidates):
    best = least_outstanding(candidates)
    assert (best.outstanding, best.weight) == (
        (other := least_outstanding(candidates[::-1])).outstanding,
        other.weight,
    )
    free = [c for c in candidates if c.outstanding < c.capacity]
    if free:
        assert best.outstanding < best.capacity
        assert all((best.outstanding + 1) / best.weight <= (c.outstanding + 1) / c.weight for c in free)


@given(st.integers(2, 8), st.integers(1, 60))
def test_equal_instances_share_equally_and_take_turns(count, requests):
    candidates = [Candidate(str(n), 0, capacity=1000) for n in range(count)]
    for turn in range(requests):
        best = least_outstanding(candidates)
        best.outstanding += 1
        best.turn = turn + 1
    loads = [c.outstanding for c in candidates]
    assert max(loads) - min(loads) <= 1
