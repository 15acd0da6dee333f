# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wave: what may change at the same time, and what becomes free when it is over."""

from __future__ import annotations


class Wave:
    """Collects the changes of one wave. ``before``: {id: registry entry} of what routers may know."""

    def __init__(self, index, ledger, before):
        self.index = index
        self._ledger = ledger
        self._before = before
        self._hosts = {}
        self._drain = set()
        self._changed = set()
        self._later = []
        self.registry_first = False     # an empty wave that only writes the registry

    @property
    def empty(self):
        return not self._hosts and not self.registry_first

    def start(self, record):
        """Starts a new instance where its record says."""
        host = record["members"][0]["host"]
        self._ledger.hold(host, record["claim"])
        self._at(host)["present"].append(record)
        self._changed.add(record["instance"])

    def wait(self, replica):
        """Waits for an instance that is on its way up."""
        self._at(replica.host)["present"].append(replica.record)
        self._changed.add(replica.id)

    def restart(self, replica, record, exceeding):
        """Restarts in place. ``exceeding``: what the old claim holds beyond the new one, free after the wave."""
        host = replica.host
        self._ledger.release(host, replica.claim)
        self._ledger.hold(host, record["claim"])
        self._ledger.hold(host, exceeding)
        self._later.append((host, exceeding))
        at = self._at(host)
        at["present"].append(record)
        at["restart"].append(replica.id)
        self._leave(replica)

    def stop(self, replica):
        """Stops a replica on a host that was seen."""
        self._later.append((replica.host, replica.claim))
        self._at(replica.host)["absent"].append(replica.id)
        self._leave(replica)

    def stop_duplicate(self, replica):
        """Stops the one of two that lost; routers know the other one under its id."""
        self._later.append((replica.host, replica.claim))
        self._at(replica.host)["absent"].append(replica.id)

    def close(self):
        """Ends the wave: frees what it frees and returns it as the plan holds it."""
        for host, claim in self._later:
            self._ledger.release(host, claim)
        return {
            "index": self.index,
            "drain": sorted(self._drain),
            "instances": sorted(self._changed),
            "hosts": {name: {
                "present": sorted(at["present"], key=lambda record: record["instance"]),
                "restart": sorted(at["restart"]),
                "absent": sorted(at["absent"]),
            } for name, at in sorted(self._hosts.items())},
        }

    def _leave(self, replica):
        self._changed.add(replica.id)
        if replica.running and replica.id in self._before:
            self._drain.add(replica.id)

    def _at(self, host):
        return self._hosts.setdefault(host, {"present": [], "restart": [], "absent": []})
