# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the places is taken. GPUs before GPUs with a rest on the CPU before CPUs; then the strategy; then names."""

from __future__ import annotations

STEP = 10000
"""Shares (millionths) count in steps of 1 %: what else runs on hosts changes all the time, and equal hosts shall stay equal."""


def choose(candidates, strategy, on_hosts, on_gpus):
    """The best candidate, or None for none.

    ``on_hosts``, ``on_gpus``: how many instances of the deployment are there already, by host name and by (host, uuid).
    spread: the host with the fewest, then the most free share. binpack: the place that is fullest afterwards.
    """
    def spread(place):
        gpu = on_gpus.get((place.host, place.gpus[0]), 0) if place.gpus else 0
        return place.tier, on_hosts.get(place.host, 0), gpu, -place.layers, -(place.share // STEP), place.host, place.index

    def binpack(place):
        return place.tier, -place.layers, place.share // STEP, place.host, place.index

    return min(candidates, key=spread if strategy == "spread" else binpack, default=None)
