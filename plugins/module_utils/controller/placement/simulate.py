# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the waves: lets every deployment take what it can, wave after wave, until nothing more can happen."""

from __future__ import annotations

from collections import namedtuple

from .wave import Wave

# What the rollouts share. generation: of the records that this plan changes.
World = namedtuple("World", "hosts ledger targets generation")


class Log:
    """What the plan does: actions and target records by instance, notes."""

    def __init__(self):
        self.actions = []
        self.records = {}
        self.notes = []

    def act(self, action, instance, host, from_host, reason, record=None):
        self.actions.append({"action": action, "instance": instance, "host": host, "from_host": from_host, "reason": reason})
        if record:
            self.records[instance] = record

    def note(self, sentence):
        if sentence not in self.notes:
            self.notes.append(sentence)


def make_waves(rollouts, duplicates, removals, world, before, named_elsewhere, log):
    """The waves, as the plan holds them.

    ``duplicates``: replicas that lost their id to another host; ``removals``: [(replica, why)] of no deployment's rollout;
    ``before``: {id: registry entry}; ``named_elsewhere``: whether a router sends to a duplicate, so that the registry has to be
    written before it stops.
    """
    waves, removals, duplicates = [], list(removals), list(duplicates)
    while True:
        wave = Wave(len(waves), world.ledger, before)
        if duplicates and named_elsewhere and not waves:
            wave.registry_first = True
        elif duplicates:
            _stop_duplicates(wave, duplicates, log)
        for step in ("bring_back", "start_new", "update"):
            for rollout in rollouts:
                getattr(rollout, step)(wave)
        if wave.empty:
            _stop(wave, rollouts, removals, log)
        if wave.empty:
            if not _unblock(rollouts):
                return waves
            continue
        waves.append(wave.close())
        for rollout in rollouts:
            rollout.end_wave()


def _stop_duplicates(wave, duplicates, log):
    for replica in duplicates:
        wave.stop_duplicate(replica)
        log.act("stop", replica.id, replica.host, None, "it is also on another host, from a later run")
    del duplicates[:]


def _stop(wave, rollouts, removals, log):
    """What is too much stops when nothing else is left to be done before it."""
    for rollout in rollouts:
        rollout.stop_surplus(wave)
    for replica, why in removals:
        wave.stop(replica)
        log.act("stop", replica.id, replica.host, None, why)
    del removals[:]


def _unblock(rollouts):
    """Starts for which there is no room stop holding back other changes, which may make room. Whether that changes anything."""
    blocked = [rollout for rollout in rollouts
               if rollout.starts and not rollout.starts_blocked and (rollout.updates or rollout.stops)]
    for rollout in blocked:
        rollout.starts_blocked = True
    return bool(blocked)
