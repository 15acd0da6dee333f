# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What exists: the records of the hosts that answered, and what fleet.json knows of the others."""

from __future__ import annotations

from urllib.parse import urlsplit

from ...common.fleet_merge import empty_fleet, merge_fleets
from .fleet_document import entry_of

OUTSIDE = "it is outside this run (--limit)"


class Replica:
    """An instance of this fleet that exists. ``record`` is None where its host cannot be seen; ``entry`` is its form in fleet.json."""

    def __init__(self, identifier, host, entry, live=None, reachable=True):
        self.id = identifier
        self.host = host
        self.entry = entry
        self.record = live["record"] if live else None
        self.state = live["state"] if live else None
        self.healthy = live["healthy"] if live else None
        self.reachable = reachable
        self.deployment = entry["deployment"]
        self.ordinal = entry["ordinal"]
        self.generation = entry["generation"]
        self.claim = entry["claim"]
        self.port = entry["port"]

    @property
    def seen(self):
        return self.record is not None

    @property
    def serving(self):
        """Whether requests find it, as far as one can see. Hosts outside the run (--limit) are taken to serve."""
        if not self.seen:
            return self.reachable
        return self.state == "active" and self.healthy is not False

    @property
    def waiting(self):
        """Whether it is on its way up by itself."""
        return self.seen and self.state == "starting"

    @property
    def running(self):
        """Whether a process may be working on requests."""
        return self.seen and self.state in ("active", "starting")

    @property
    def condition(self):
        return "unhealthy" if self.state == "active" else (self.state or "unknown").replace("_", " ")


class Actual:
    """What exists when the plan is made.

    replicas: {id: Replica}; duplicates: replicas whose id is also elsewhere and which stop; unseen_duplicates: the same on hosts that
    cannot be seen; given_up: replicas of hosts that are given up and cannot be seen; fleet: the merged fleet.json; generation: the
    highest seen; unseen: {host: why} of hosts of the fleet that did not answer.
    """

    def __init__(self, request, hosts):
        reports = {name: report for name, report in request["hosts"].items() if report}
        routers = {name: report for name, report in request["router_reports"].items() if report}
        copies = []
        for _name, report in sorted({**routers, **reports}.items()):
            if report["fleet"] and report["fleet"] not in copies[-1:]:      # mostly all are the same
                copies.append(report["fleet"])
        self.fleet = merge_fleets(copies) if copies else empty_fleet(request["fleet"])
        self.registries = {name: report["router"]["registry"] for name, report in sorted(routers.items())
                           if report["router"] and report["router"]["registry"]}
        self.unseen = _unseen(request, hosts, self.fleet)
        self.given_up = []
        self._all_records = [(name, live["record"]) for name in sorted(reports) for live in reports[name]["instances"]]
        self.replicas, self.duplicates, self.unseen_duplicates = _resolve(self._existing(request, reports))
        self.generation = self._highest_generation(request["fleet"])

    def fill(self, ledger, hosts):
        """Books what exists: claims and ports of the records of every fleet, ports that fleet.json and routers know."""
        for name, record in self._all_records:
            ledger.hold(name, record["claim"])
            ledger.block_port(name, record["port"])
        for name, entry in self.fleet["hosts"].items():
            for instance in entry["instances"].values():
                ledger.block_port(name, instance["port"])
        names = {host.address: name for name, host in hosts.items()}
        for registry in self.registries.values():
            for instance in registry["instances"]:
                parts = urlsplit(instance["url"])
                if parts.hostname in names:
                    ledger.block_port(names[parts.hostname], parts.port)

    def _existing(self, request, reports):
        found = []
        for name in sorted(reports):
            for live in reports[name]["instances"]:
                record = live["record"]
                if record["fleet"] == request["fleet"]:
                    found.append(Replica(record["instance"], name, entry_of(record), live))
        given_up = set(request["options"]["replace_hosts"])
        for name, entry in sorted(self.fleet["hosts"].items()):
            if name in reports:
                continue
            for identifier, instance in sorted(entry["instances"].items()):
                replica = Replica(identifier, name, instance, reachable=name not in request["lost"])
                (self.given_up if name in given_up else found).append(replica)
        return found

    def _highest_generation(self, fleet):
        numbers = [self.fleet["generation"]]
        for part in ("hosts", "deployments", "overrides", "routers"):
            numbers += [entry["generation"] for entry in self.fleet[part].values()]
        numbers += [record["generation"] for _name, record in self._all_records if record["fleet"] == fleet]
        numbers += [registry["generation"] for registry in self.registries.values()]
        return max(numbers)


def _resolve(found):
    """An id on two hosts: the higher generation stays, but one that is seen is not stopped for one that cannot be seen."""
    replicas, duplicates, unseen = {}, [], []
    ranked = sorted(found, key=lambda item: (not item.seen, -item.generation, not item.serving, item.host))
    for replica in ranked:
        if replica.id not in replicas:
            replicas[replica.id] = replica
        elif replica.seen:
            duplicates.append(replica)
        else:
            unseen.append(replica)
    return dict(sorted(replicas.items())), duplicates, unseen


def _unseen(request, hosts, fleet):
    """{host: why} of hosts that the inventory or fleet.json names and that did not answer or were not asked."""
    unseen = {}
    for name in sorted(set(request["inventory"]) | {name for name, entry in fleet["hosts"].items() if entry["instances"]}):
        if name in hosts:
            continue
        if name in request["lost"]:
            unseen[name] = request["lost"][name]
        elif name in request["inventory"]:
            unseen[name] = OUTSIDE
        else:
            unseen[name] = "it is taken out of the inventory, or in another slice of the job"
    return unseen
