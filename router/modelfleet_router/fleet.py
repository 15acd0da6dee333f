# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one worker process knows of the fleet: the registry in force, each instance's health and requests in flight.

Pure: time is injected. ``apply`` swaps the whole routing table at once; requests in flight keep the objects they have.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection

from .balancing.table import POLICIES
from .health import Health, Standing
from .registry import InstanceEntry, ModelEntry, Registry


class Instance:
    """A replica at one URL. It lives as long as the registry names it, or a request holds it."""

    __slots__ = ("credential", "entry", "health", "outstanding", "turn")

    def __init__(self, entry: InstanceEntry, credential: str | None, health: Health):
        self.entry = entry
        self.credential = credential
        self.health = health
        self.outstanding = 0
        self.turn = 0

    def __repr__(self):
        return f"<Instance {self.entry.id} {self.entry.state} {self.health.state} outstanding={self.outstanding}>"

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def weight(self) -> float:
        return self.entry.weight

    @property
    def capacity(self) -> int:
        return self.entry.capacity


class Lease:
    """One request's place on an instance. Counted from its creation until ``close``, which may be called again."""

    __slots__ = ("_open", "instance")

    def __init__(self, instance: Instance):
        self.instance = instance
        self._open = True
        instance.outstanding += 1

    def close(self) -> None:
        if self._open:
            self._open = False
            self.instance.outstanding -= 1
            self.instance.health.trial_over()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Model:
    """A model of the routing table with its instances. Never changed, only replaced."""

    __slots__ = ("active", "choose", "draining", "entry")

    def __init__(self, entry: ModelEntry, instances: list[Instance]):
        self.entry = entry
        self.choose = POLICIES[entry.balancing]
        self.active = tuple(i for i in instances if i.entry.state == "active")
        self.draining = tuple(i for i in instances if i.entry.state == "draining")


class Fleet:
    """The routing table in force and what is in flight."""

    def __init__(self, clock: Callable[[], float], health_limits):
        self._clock = clock
        self._limits = health_limits
        self._turns = itertools.count(1)
        self._by_name: dict[str, Model] = {}
        self._leaving: list[Instance] = []
        self._listeners: list[Callable[[], None]] = []
        self.models: tuple[Model, ...] = ()
        self.instances: dict[str, Instance] = {}
        self.registry: Registry | None = None

    def __repr__(self):
        return f"<Fleet {self.order} {list(self.instances.values())}>"

    @property
    def order(self) -> tuple[int, int]:
        """(generation, revision) in force; (0, 0) before the first registry."""
        return self.registry.order if self.registry else (0, 0)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """``listener`` is called after each ``apply``."""
        self._listeners.append(listener)

    def apply(self, registry: Registry, credentials: dict[str, str]) -> None:
        """Put ``registry`` in force. ``credentials``: the key of an instance's engine by instance id."""
        before = self.instances
        after: dict[str, Instance] = {}
        for entry in registry.instances:
            after[entry.id] = self._carried_over(before.get(entry.id), entry, credentials.get(entry.id))
        gone = [i for i in before.values() if after.get(i.id) is not i]
        self._leaving = [i for i in (*self._leaving, *gone) if i.outstanding]
        models = [Model(m, [i for i in after.values() if i.entry.model == m.name]) for m in registry.models]
        self._by_name = {name: m for m in models for name in (m.entry.name, *m.entry.aliases)}
        self.models = tuple(models)
        self.instances = after
        self.registry = registry
        for listener in self._listeners:
            listener()

    def find(self, name: str) -> Model | None:
        """The model with this name or alias."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """Every name that ``find`` knows, model names first."""
        return list(self._by_name)

    def lease(self, name: str, tried: Collection[Instance] = ()) -> Lease | None:
        """A place on the best instance of the model ``name`` that is not in ``tried``, or None.

        Draining instances get nothing. The count rises here, before anything is sent.
        """
        model = self._by_name.get(name)
        if model is None:
            return None
        now = self._clock()
        standings = [(i.health.standing(now), i) for i in model.active if i not in tried]
        best = min((standing for standing, _instance in standings), default=Standing.OUT)
        if best is Standing.OUT:
            return None
        instance = model.choose([i for standing, i in standings if standing is best])
        instance.turn = next(self._turns)
        instance.health.chosen(now)
        return Lease(instance)

    def in_flight(self) -> dict[str, int]:
        """Requests in flight by instance id, those of removed instances and old URLs included; no zeros."""
        counts: dict[str, int] = {}
        for instance in (*self.instances.values(), *self._leaving):
            if instance.outstanding:
                counts[instance.id] = counts.get(instance.id, 0) + instance.outstanding
        return counts

    def _carried_over(self, known, entry, credential):
        if known is None or known.entry.url != entry.url:
            return Instance(entry, credential, Health(self._limits, self._clock()))
        if known.entry.state == "draining" and entry.state == "active":
            # It was changed while it drained; what was seen of it then says nothing about now.
            known.health = Health(self._limits, self._clock())
        known.entry = entry
        known.credential = credential
        return known
