# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person should know of hosts and routers that a run does not see, and of overrides."""

from __future__ import annotations

from .actual import OUTSIDE
from .units import count, listed


def notes_of(request, actual, plan):
    """Sentences."""
    notes = _limit(request, actual)
    for name, why in sorted(actual.unseen.items()):
        instances = sorted(replica.id for replica in actual.replicas.values() if replica.host == name)
        if name in request["options"]["replace_hosts"]:
            notes.append("%s: %s; it is given up, its instances are placed elsewhere" % (name, why))
        elif instances:
            notes.append(_existing(name, why, instances))
        elif why != OUTSIDE:
            notes.append("%s: %s; no instance of the fleet is known there" % (name, why))
    for name in sorted(request["routers"]):
        if name in request["lost"]:
            waits = ("waves go on without it (modelfleet_routers_lost)" if request["options"]["routers_lost"] == "continue" else
                     "waves stop at it; -e modelfleet_routers_lost=continue goes on without it")
            notes.append("the router %s cannot be reached; %s" % (name, waits))
    for replica in actual.unseen_duplicates:
        notes.append("%s is also known on %s, which cannot be seen; the one on %s stays until it is"
                     % (replica.id, replica.host, actual.replicas[replica.id].host))
    for name, override in sorted(plan["final"]["overrides"].items()):
        notes.append("an override is in force for %s: %s" % (name, _override_text(override)))
    return notes


def _limit(request, actual):
    """What a run with --limit changes; empty where every host of the inventory takes part."""
    outside = [name for name, why in actual.unseen.items() if why == OUTSIDE]
    if not outside:
        return []
    inside = sorted(name for name in request["inventory"] if name not in outside)
    return ["this run is limited to %d of %s (--limit): it changes instances on %s only, and tells every router; a run without --limit "
            "brings the others up to date" % (len(inside), count(len(request["inventory"]), "host"), listed(inside) if inside else "no host")]


def _existing(host, why, instances):
    """What becomes of instances on a host that is not seen."""
    one = len(instances) == 1
    counted = "%s: %s; %s there %s as existing" % (host, why, listed(instances), "counts" if one else "count")
    if why == OUTSIDE:
        return counted
    return "%s. To place %s elsewhere: -e modelfleet_replace_hosts=%s" % (counted, "it" if one else "them", host)


def _override_text(override):
    return ", ".join("%s=%s" % (key, value) for key, value in sorted(override.items()) if key != "generation")
