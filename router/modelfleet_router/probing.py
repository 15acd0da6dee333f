# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes instances: each on its own schedule, and at once when a request makes it suspect."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from .compat import timeout
from .config import HealthSettings
from .fleet import Fleet, Instance
from .upstream import Probe, Upstream

JITTER = 0.2  # share of the interval, so that processes and instances do not fall into step


class Prober:
    """Keeps one probing task for each active instance. ``close`` may be called again."""

    def __init__(
        self, settings: HealthSettings, fleet: Fleet, upstream: Upstream, clock: Callable[[], float], rng: random.Random
    ):
        self._settings = settings
        self._fleet = fleet
        self._upstream = upstream
        self._clock = clock
        self._random = rng
        self._tasks: dict[Instance, asyncio.Task] = {}
        self._suspected: dict[Instance, asyncio.Event] = {}
        fleet.subscribe(self.follow)

    def follow(self) -> None:
        """Start and end tasks so that they are those of the registry in force."""
        wanted = {i for i in self._fleet.instances.values() if i.entry.state == "active"}
        for instance in [i for i in self._tasks if i not in wanted]:
            self._end(instance)
        for instance in wanted:
            if instance not in self._tasks:
                self._suspected[instance] = asyncio.Event()
                self._tasks[instance] = asyncio.get_running_loop().create_task(self._watch(instance))

    def suspect(self, instance: Instance) -> None:
        """Probe ``instance`` now."""
        event = self._suspected.get(instance)
        if event is not None:
            event.set()

    def close(self) -> None:
        for instance in list(self._tasks):
            self._end(instance)

    def _end(self, instance):
        self._tasks.pop(instance).cancel()
        del self._suspected[instance]

    async def _watch(self, instance):
        pause = self._settings.interval * self._random.random()
        while True:
            await self._rest(instance, pause)
            started = self._clock()
            self._record(instance, await self._upstream.probe(instance, self._settings.timeout), started)
            pause = self._settings.interval if instance.health.state == "up" else self._settings.recovery_interval
            pause *= 1 + JITTER * (self._random.random() - 0.5)

    async def _rest(self, instance, pause):
        suspected = self._suspected[instance]
        if instance.health.state != "up":
            # Known to be bad: a suspicion must not become a probe per failed request.
            await asyncio.sleep(pause)
        else:
            try:
                async with timeout(pause):
                    await suspected.wait()
            except asyncio.TimeoutError:
                pass
        suspected.clear()

    def _record(self, instance, probe, started):
        health, now = instance.health, self._clock()
        if probe is Probe.GOOD:
            health.probe_good(now)
        elif probe is Probe.REFUSED:
            health.refused(now)
        elif probe is Probe.NOT_READY:
            health.probe_not_ready(now, started)
        else:
            health.probe_unanswered(now, started)
