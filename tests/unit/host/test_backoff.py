"""The arithmetic of restarts."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host.launch.backoff import delay_before, next_streak
from hypothesis import given
from hypothesis import strategies as st


def test_the_first_restart_is_at_once_and_then_the_delay_doubles_up_to_its_limit():
    assert [delay_before(streak, 10, 300) for streak in range(10)] == [0, 0, 10, 20, 40, 80, 160, 300, 300, 300]


@given(st.integers(0, 10**9), st.integers(1, 60), st.integers(0, 300))
def test_a_delay_never_exceeds_its_limit(streak, first, limit):
    assert 0 <= delay_before(streak, first, limit) <= limit


@pytest.mark.parametrize(
    "state, now, streak",
    [
        (None, 100, 0),
        ({"boot": "b", "started": 90, "streak": 3}, 100, 4),
        ({"boot": "b", "started": 40, "streak": 3}, 100, 1),
        ({"boot": "b", "started": 40.1, "streak": 3}, 100, 4),
        ({"boot": "before", "started": 90, "streak": 3}, 100, 0),
        ({"boot": "b", "started": None, "streak": 3}, 100, 0),
        ({}, 100, 0),
    ],
    ids=["started by the module", "ended soon", "has served", "has served not quite long enough", "rebooted", "ended while it waited", "broken"],
)
def test_how_many_in_a_row(state, now, streak):
    assert next_streak(state, "b", now, 60) == streak
