# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health state machine, as tables of what happens and what follows."""

from types import SimpleNamespace

import pytest
from modelfleet_router.health import Health, Standing

LIMITS = SimpleNamespace(probe_failures=3, request_failures=2)
READY, LAST_RESORT, OUT = Standing.READY, Standing.LAST_RESORT, Standing.OUT


def after(*happenings, at=100.0):
    """Health after ``happenings`` (name, times...), and its standing at ``at``."""
    health = Health(LIMITS, 0.0)
    for name, *times in happenings:
        getattr(health, name)(*times)
    return health.standing(at)


@pytest.mark.parametrize(
    "happenings,standing",
    [
        ([], READY),
        ([("refused", 1)], OUT),
        ([("refused", 1), ("probe_good", 2)], READY),
        # an answer that was on its way before the refusal proves nothing, bytes of a stream neither
        ([("refused", 5), ("answered", 6, 1)], OUT),
        ([("refused", 5), ("bytes_seen", 6)], OUT),
        ([("refused", 5), ("answered", 7, 6)], READY),
        ([("unanswered", 1)], LAST_RESORT),
        ([("unanswered", 1), ("bytes_seen", 2)], READY),
        ([("unanswered", 1), ("answered", 3, 2)], READY),
        # three probes without an answer, unless bytes came meanwhile
        ([("probe_unanswered", 4, 2), ("probe_unanswered", 6, 4)], READY),
        ([("probe_unanswered", 4, 2), ("probe_unanswered", 6, 4), ("probe_unanswered", 8, 6)], LAST_RESORT),
        (
            [("probe_unanswered", 4, 2), ("probe_unanswered", 6, 4), ("bytes_seen", 7), ("probe_unanswered", 8, 6)],
            READY,
        ),
        (
            [("probe_unanswered", 4, 2), ("probe_unanswered", 6, 4), ("probe_good", 7), ("probe_unanswered", 9, 8)],
            READY,
        ),
        ([("probe_not_ready", 4, 2)], LAST_RESORT),
        ([("bytes_seen", 3), ("probe_not_ready", 4, 2)], READY),
        # failed requests in a row
        ([("failed", 1)], READY),
        ([("failed", 1), ("answered", 2, 1), ("failed", 3)], READY),
        # a good probe does not clear an instance that fails requests
        ([("failed", 99.5), ("failed", 99.5), ("probe_good", 99.6)], LAST_RESORT),
        ([("failed", 1), ("failed", 1), ("answered", 3, 2)], READY),
    ],
)
def test_standing_follows_from_what_happened(happenings, standing):
    assert after(*happenings) is standing


def test_an_erring_instance_gets_one_trial_at_a_time_and_at_least_every_two_seconds():
    health = Health(LIMITS, 0.0)
    health.failed(0)
    health.failed(0)
    assert health.standing(0.9) is LAST_RESORT
    assert health.standing(1.0) is READY
    health.chosen(1.0)
    assert health.standing(1.1) is LAST_RESORT
    health.failed(1.2)
    assert health.standing(3.1) is LAST_RESORT
    assert health.standing(3.2) is READY
    for now in (3.2, 5.2, 7.2):
        health.chosen(now)
        health.failed(now)
    assert health.standing(9.2) is READY
    health.chosen(9.2)
    health.trial_over()
    assert health.standing(9.3) is READY
