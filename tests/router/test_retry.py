# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried again, and the budget that bounds it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelfleet_router.retry import Failure, Retries, RetryBudget, Verdict

SAME, ELSEWHERE, NO = Verdict.SAME, Verdict.ELSEWHERE, Verdict.NO


@pytest.mark.parametrize(
    "failures,verdicts",
    [
        ([Failure.REFUSED] * 9, [ELSEWHERE] * 9),
        ([Failure.CONNECT_TIMEOUT] * 9, [ELSEWHERE] * 9),
        ([Failure.RESET] * 3, [ELSEWHERE, ELSEWHERE, NO]),
        ([Failure.UNAVAILABLE] * 3, [ELSEWHERE, ELSEWHERE, NO]),
        ([Failure.SERVER_ERROR] * 2, [ELSEWHERE, NO]),
        ([Failure.STALE] * 5, [SAME, SAME, ELSEWHERE, ELSEWHERE, NO]),
        ([Failure.FIRST_BYTE_TIMEOUT], [NO]),
        ([Failure.REFUSED, Failure.SERVER_ERROR, Failure.RESET, Failure.RESET], [ELSEWHERE, ELSEWHERE, ELSEWHERE, NO]),
    ],
)
def test_verdicts(failures, verdicts):
    retries = Retries(RetryBudget(0.2, 10, 100, 0), attempts=3)
    assert [retries.judge(failure, 0) for failure in failures] == verdicts


def test_without_budget_only_what_was_never_sent_is_tried_elsewhere():
    budget = RetryBudget(0, 0, 1, 0)
    assert budget.take(0)
    retries = Retries(budget, attempts=3)
    assert retries.judge(Failure.RESET, 0) is NO
    assert retries.judge(Failure.REFUSED, 0) is ELSEWHERE


@given(st.lists(st.one_of(st.just("request"), st.floats(0, 5)), max_size=80))
def test_retries_never_exceed_what_was_earned(steps):
    budget = RetryBudget(ratio=0.2, per_second=2, burst=10, now=0)
    now, requests, taken = 0.0, 0, 0
    for step in steps:
        if step == "request":
            budget.request()
            requests += 1
        else:
            now += step
        taken += budget.take(now)
    assert taken <= 10 + 0.2 * requests + 2 * now + 1e-6
