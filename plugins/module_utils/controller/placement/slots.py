# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The places that a deployment wants filled: any place, or one on a certain host or GPU."""

from __future__ import annotations

from collections import namedtuple

# host and gpu (a uuid) are None where any will do.
Slot = namedtuple("Slot", "host gpu")


def assign(need, replicas, hosts):
    """``(kept, surplus, open_slots)``: what stays of ``replicas`` (sorted by ordinal), [(replica, why)] of what is too much, slots to fill.

    ``replicas: n`` keeps the lowest ordinals. ``per_host`` and ``per_gpu`` keep the lowest ones of each place; those on hosts that
    cannot be seen stay, since nobody knows what fits there now.
    """
    wanted = need.definition["replicas"]
    if "count" in wanted:
        number = wanted["count"]
        surplus = [(replica, "replicas is %d" % number) for replica in replicas[number:]]
        return replicas[:number], surplus, [Slot(None, None)] * (number - len(replicas))
    places = _places(need, hosts)
    number = wanted.get("per_host") or wanted.get("per_gpu")
    kept, surplus, counts = [], [], {}
    for replica in replicas:
        if not replica.seen:
            kept.append(replica)
            continue
        place = _place_of(replica, places, "per_gpu" in wanted)
        if place is None:
            surplus.append((replica, "%s is no place for it any more" % replica.host))
        elif counts.get(place, 0) >= number:
            surplus.append((replica, "replicas is %d %s" % (number, "a host" if place.gpu is None else "a GPU")))
        else:
            counts[place] = counts.get(place, 0) + 1
            kept.append(replica)
    open_slots = [place for place, takes_new in places.items() if takes_new for _more in range(number - counts.get(place, 0))]
    return kept, surplus, open_slots


def _places(need, hosts):
    """{Slot: whether something new may be placed there} of the hosts, or GPUs, that suit the definition."""
    places = {}
    for name, host in sorted(hosts.items()):
        pins = need.pinned(host)
        if not host.in_inventory or host.given_up or need.label_mismatch(host) or pins == []:
            continue
        if "per_host" in need.definition["replicas"]:
            places[Slot(name, None)] = not host.maintenance
            continue
        for gpu in host.gpus_by_index():
            if pins is None or gpu.index in pins:
                places[Slot(name, gpu.uuid)] = not host.maintenance and not gpu.problem
    return places


def _place_of(replica, places, per_gpu):
    gpu = (replica.record["gpus"] or [None])[0] if per_gpu else None
    place = Slot(replica.host, gpu)
    return place if place in places else None
