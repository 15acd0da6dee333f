# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deployment on its way from what exists to what is wanted, a wave at a time.

In every wave at least ``replicas - update.max_unavailable`` replicas serve, unless fewer already did before. What is down is brought
back first and costs nothing; new ones start at once; replicas that serve are changed as far as the budget allows.
"""

from __future__ import annotations

from collections import Counter, namedtuple

from ...common.names import instance_id
from .fit import candidates
from .ledger import exceeding
from .score import choose
from .slots import Slot
from .units import count

ANYWHERE = Slot(None, None)
# Something to be started: where, as which ordinal (None: the lowest free one), and the host that it is moved from, or None.
Start = namedtuple("Start", "slot ordinal from_host")


class Rollout:
    """The state of one deployment while the waves are made.

    ``kept``: replicas that stay; ``works``: [Work] for some of them; ``starts``: [Start]; ``stops``: [(replica, why)] on hosts that were
    seen; ``used``: ordinals that may not be given to new ones. ``log`` takes actions, records and notes (see simulate.Log).
    """

    def __init__(self, need, kept, works, starts, stops, used, world, log):
        self.need = need
        self.world = world
        self.log = log
        self.starts = starts
        self.stops = stops
        self.wanted = len(kept) + len(starts)
        working = {work.replica.id for work in works}
        self.waits = [replica for replica in kept if replica.waiting and replica.id not in working]
        self.urgent = [work for work in works if not work.replica.serving]
        self.updates = [work for work in works if work.replica.serving]
        self.serving = sum(replica.serving for replica in kept) + sum(replica.serving for replica, _why in stops)
        self.unavailable = [replica for replica in kept if not replica.serving]
        self.starts_blocked = False
        self._per_place = "count" not in need.definition["replicas"]
        self.used = set(used)
        self._rising = 0
        self._places = {}               # {(host, gpu): (number of the ledger, places)}
        everything = list(kept) + [replica for replica, _why in stops]
        self._where = {replica.id: (replica.host, tuple(replica.entry["gpus"])) for replica in everything}

    # What a wave can take of this deployment.

    def bring_back(self, wave):
        """What is down is retried; what is on its way up is waited for when others wait for it."""
        if self.updates or self.stops:
            for replica in self.waits:
                wave.wait(replica)
                self._rising += 1
            self.waits = []
        self.urgent = [work for work in self.urgent if not self._change(wave, work)]

    def start_new(self, wave):
        """Starts what is missing, as far as it fits now."""
        left, hopeless = [], set()
        for start in self.starts:
            place = None if start.slot in hopeless else self._best(start.slot)
            if place is None:
                hopeless.add(start.slot)
                left.append(start)
                continue
            reason = "%s is given up" % start.from_host if start.from_host else "%s wanted" % count(self.wanted, "replica")
            self._start(wave, place, start.ordinal, reason, start.from_host)
        self.starts = left

    def update(self, wave):
        """Changes replicas that serve, as many as the budget allows."""
        surge = self.need.definition["update"]["max_surge"]
        left = []
        for work in self.updates:
            if work.replaced:
                done = self._budget(0) > 0 and self._stop_replaced(wave, work)
            elif work.replacement:
                done = False
            elif surge:
                done = self._surge(wave, work, surge)
            else:
                done = self._in_place(wave, work)
            if not done:
                left.append(work)
        self.updates = left

    def stop_surplus(self, wave):
        """Stops what is too much, as long as enough others serve."""
        left = []
        for replica, why in self.stops:
            if replica.serving and self._budget(0) < 1:
                left.append((replica, why))
                continue
            wave.stop(replica)
            self._gone(replica)
            self.log.act("stop", replica.id, replica.host, None, why)
        self.stops = left

    def end_wave(self):
        """The wave is over: what it started serves."""
        self.serving += self._rising
        self._rising = 0
        for work in self.updates:
            work.replaced = work.replacement is not None

    # How.

    def _budget(self, least):
        """How many serving replicas may be taken away now, with max_unavailable of at least ``least``."""
        base = self.wanted - (len(self.starts) if self.starts_blocked else 0)
        return self.serving - (base - max(least, self.need.definition["update"]["max_unavailable"]))

    def _in_place(self, wave, work):
        if self._budget(1) < 1:
            work.obstacle = "budget"
            return False
        if not self.need.definition["update"]["max_unavailable"]:
            self.log.note("%s: update.max_unavailable is 0, but one replica at a time has to be down to change it" % self.need.name)
        if not self._change(wave, work):
            work.obstacle = "place"
            return False
        self.serving -= 1
        return True

    def _surge(self, wave, work, surge):
        """Starts a replacement first where one fits, else changes in place."""
        if len(self._where) - self.wanted >= surge:
            work.obstacle = "surge"
            return False
        avoid = work.replica.host if work.kind == "move" else None
        place = self._best(self._slot_of(work.replica), avoid)
        if place is None:
            done = self._in_place(wave, work)
            if done:
                self.log.note("%s: there is no room for a replacement beside the old instance (update.max_surge), so it is changed in "
                              "place: %s" % (self.need.name, work.replica.id))
            return done
        work.replacement = self._start(wave, place, None, "replaces %s: %s" % (work.replica.id, work.reason), None)
        return False

    def _stop_replaced(self, wave, work):
        wave.stop(work.replica)
        self._gone(work.replica)
        self.log.act("stop", work.replica.id, work.replica.host, None, "%s replaces it" % work.replacement)
        return True

    def _gone(self, replica):
        self._where.pop(replica.id)
        self.serving -= replica.serving

    def _start(self, wave, place, ordinal, reason, from_host):
        if ordinal is None:
            ordinal = next(number for number in range(len(self.used) + 1) if number not in self.used)
        self.used.add(ordinal)
        port = self.world.ledger.free_port(place.host)
        self.world.ledger.block_port(place.host, port)
        record = self.world.targets.record(self.need, ordinal, place, port, self.world.generation)
        wave.start(record)
        self._where[record["instance"]] = (place.host, place.gpus)
        self._rising += 1
        self.log.act("move" if from_host else "start", record["instance"], place.host, from_host, reason, record)
        return instance_id(self.need.name, ordinal)

    def _change(self, wave, work):
        """Does the work in this wave if it fits now."""
        replica = work.replica
        if work.kind in ("retry", "refresh"):
            record = work.record
            if record is not replica.record:
                record = {**record, "generation": self.world.generation}
            return self._restart(wave, work, record)
        place = self._place_for(work)
        if place is None:
            return False
        port = replica.port
        if place.host != replica.host or (not replica.running and port in self.world.hosts[place.host].listening):
            port = self.world.ledger.free_port(place.host)
            if port is None:
                return False
            self.world.ledger.block_port(place.host, port)
        record = self.world.targets.record(self.need, replica.ordinal, place, port, self.world.generation)
        self._where[replica.id] = (place.host, place.gpus)
        if place.host == replica.host:
            work.kind = "restart"
            return self._restart(wave, work, record)
        wave.stop(replica)
        wave.start(record)
        self._rising += 1
        reason = work.reason if work.kind == "move" else "%s, and it no longer fits on %s" % (work.reason, replica.host)
        self.log.act("move", replica.id, place.host, replica.host, reason, record)
        return True

    def _restart(self, wave, work, record):
        wave.restart(work.replica, record, exceeding(work.replica.claim, record["claim"]))
        self._rising += 1
        self.log.act(work.kind, work.replica.id, work.replica.host, None, work.reason, record)
        return True

    def _place_for(self, work):
        """A place on the replica's own host where it may stay, else on another one."""
        replica, ledger = work.replica, self.world.ledger
        slot = self._slot_of(replica)
        if work.kind != "move":
            ledger.release(replica.host, replica.claim)
            places, _refusal = candidates(self.need, self.world.hosts[replica.host], ledger, slot.gpu, staying=True)
            ledger.hold(replica.host, replica.claim)
            own = tuple(replica.entry["gpus"])
            if places:
                best = min(place.tier for place in places)
                return min((place for place in places if place.tier == best),
                           key=lambda place: (place.gpus != own, -place.layers, -place.share, place.index))
        if work.kind == "move":
            return self._best(slot)     # which may be another GPU of the same host
        return None if self._per_place else self._best(ANYWHERE, replica.host)

    def _slot_of(self, replica):
        """Where its replacement has to be."""
        if not self._per_place:
            return ANYWHERE
        per_gpu = "per_gpu" in self.need.definition["replicas"]
        return Slot(replica.host, (replica.entry["gpus"] or [None])[0] if per_gpu else None)

    def _best(self, slot, avoid=None):
        """The best place for a new instance now, or None."""
        hosts = self.world.hosts if slot.host is None else {slot.host: self.world.hosts[slot.host]}
        places = []
        for name, host in hosts.items():
            if name != avoid:
                places += self._places_on(host, slot.gpu)
        on_hosts = Counter(host for host, _gpus in self._where.values())
        on_gpus = Counter((host, uuid) for host, gpus in self._where.values() for uuid in gpus)
        return choose(places, self.need.placement["strategy"], on_hosts, on_gpus)

    def _places_on(self, host, gpu):
        """The places on a host, looked for again only when something changed there."""
        key, number = (host.name, gpu), self.world.ledger.changes[host.name]
        if self._places.get(key, (None,))[0] != number:
            self._places[key] = number, candidates(self.need, host, self.world.ledger, gpu)[0]
        return self._places[key][1]
