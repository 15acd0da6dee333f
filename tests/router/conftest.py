# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: ``engines(n)`` starts test engines, ``router(...)`` a router over them. Both end with the test."""

import pytest

from .support.engine import Engine
from .support.router import Router, instance, registry


@pytest.fixture
async def engines():
    started = []

    async def start(count, model="tiny"):
        made = [await Engine(f"engine{len(started) + i}", model).start() for i in range(count)]
        started.extend(made)
        return made

    yield start
    for engine in started:
        await engine.kill()


@pytest.fixture
async def router(request):
    made = []

    async def start(entries_or_engines, models=None, **config):
        entries = [e if isinstance(e, dict) else instance(e, n) for n, e in enumerate(entries_or_engines)]
        config.setdefault("processes", getattr(request.module, "PROCESSES", 2))
        router = Router(**config)
        made.append(router)
        router.write(registry(entries, models=models))
        return await router.start()

    yield start
    for router in made:
        await router.close()
