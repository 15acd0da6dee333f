# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance with the fewest requests in flight for its weight."""

from __future__ import annotations


def least_outstanding(candidates):
    """The best of ``candidates`` (not empty).

    An instance with a free slot comes before one whose ``capacity`` is used up, where the request would only wait.
    Among these the smallest ``(outstanding + 1) / weight`` wins, then the largest share of free capacity, then the one
    chosen longest ago, so that idle instances take turns and nothing restarts at the first after a registry change.
    """
    return min(candidates, key=_rank)


def _rank(candidate):
    return (
        candidate.outstanding >= candidate.capacity,
        (candidate.outstanding + 1) / candidate.weight,
        candidate.outstanding / candidate.capacity,
        candidate.turn,
    )
