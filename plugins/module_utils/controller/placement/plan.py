# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: desired state and what exists in, what is to be done out. Pure: the same input gives the same bytes."""

from __future__ import annotations

from ...common.names import instance_id
from . import removal
from .actual import Actual
from .decide import changed_keys, decide
from .documents import complete
from .explain import explain
from .hosts import read_hosts
from .ledger import Ledger
from .need import Need
from .pending import budget_reason, pending_entry
from .registry import active
from .rollout import ANYWHERE, Rollout, Start
from .simulate import Log, World, make_waves
from .slots import assign
from .target import Targets


class Refused(Exception):
    """There can be no plan. ``errors``: sentences."""

    def __init__(self, errors):
        super().__init__("\n".join(errors))
        self.errors = errors


def make_plan(request):
    """The plan of docs/architecture.md, JSON to JSON. Raises Refused.

    ``request``: {fleet, run, deployments: [normalized definitions], inventory: [names of gpu_hosts], routers: [names],
    hosts: {name: host report, or null where it cannot be seen}, router_reports: {name: host report or null},
    lost: {name: why} of hosts and routers that were asked and did not answer, models: {host: {deployment: entry of model_info}},
    options: {refresh, replace_hosts: [..], remove: {deployments, instances, all} or null, routers_lost: "stop" or "continue"},
    secret_digests: {deployment: digest}, launchers: {backend: hex digest of its launcher}, router_setups: {router: wanted setup}}.
    """
    definitions = sorted(request["deployments"], key=lambda definition: definition["name"])
    hosts = read_hosts(request)
    actual = Actual(request, hosts)
    ledger = Ledger(hosts)
    actual.fill(ledger, hosts)
    world = World(hosts, ledger, Targets(request["fleet"], hosts, request["launchers"]), actual.generation + 1)
    needs = {definition["name"]: Need(definition, request["models"], request["secret_digests"].get(definition["name"]))
             for definition in definitions}
    _check(request, definitions, needs, actual)
    log = Log()
    for name, host in hosts.items():
        for remark in host.remarks:
            log.note("%s: %s" % (name, remark))
    rollouts, removals = _intentions(request, needs, actual, world, log)
    before = {replica.id: active(replica.entry["registry"]) for replica in actual.replicas.values()}
    waves = make_waves(rollouts, actual.duplicates, removals, world, before, _named_elsewhere(actual), log)
    pending = _pending(rollouts, world, actual, log)
    plan = complete(request, definitions, needs, actual, world, log, before, waves, pending)
    plan["text"], plan["recap"] = explain(plan, definitions, actual, hosts)
    return plan


def _intentions(request, needs, actual, world, log):
    """The rollouts of the deployments, and what stops beside them."""
    remove = request["options"]["remove"]
    replicas = list(actual.replicas.values())
    if remove:
        named, _others = removal.split(remove, replicas)
        for note in removal.still_defined(remove, request["deployments"], named):
            log.note(note)
        return [], _stoppable(named, log)
    orphans = [(replica, "no definition has it any more") for replica in replicas if replica.deployment not in needs]
    rollouts = [_rollout(needs[name], request, actual, world, log) for name in sorted(needs)]
    return rollouts, _stoppable(orphans, log)


def _rollout(need, request, actual, world, log):
    mine = [replica for replica in actual.replicas.values() if replica.deployment == need.name]
    # Old ones go first when there are too many, as after a run that was cut off between a replacement and what it replaces.
    mine.sort(key=lambda replica: (replica.entry["definition_digest"] != need.digest, replica.ordinal))
    lost = sorted((replica for replica in actual.given_up if replica.deployment == need.name and replica.id not in actual.replicas),
                  key=lambda replica: replica.ordinal)
    kept, surplus, slots = assign(need, mine, world.hosts)
    starts = [Start(slot, None, None) for slot in slots]
    if "count" in need.definition["replicas"]:
        for place, replica in enumerate(lost[:len(starts)]):
            starts[place] = Start(ANYWHERE, replica.ordinal, replica.host)
    applied = actual.fleet["deployments"].get(need.name, {}).get("applied")
    keys = changed_keys(need.definition, applied)
    works = []
    for replica in sorted(kept, key=lambda replica: replica.ordinal):
        work = _work(need, replica, world, keys, request["options"]["refresh"], log)
        if work:
            works.append(work)
    everywhere = mine + actual.duplicates + actual.unseen_duplicates + lost
    used = {replica.ordinal for replica in everywhere if replica.deployment == need.name}
    return Rollout(need, kept, works, starts, _stoppable(surplus, log), used, world, log)


def _work(need, replica, world, keys, refresh, log):
    if not replica.seen:
        if replica.entry["definition_digest"] != need.digest:
            log.note("%s keeps its old definition: %s cannot be seen" % (replica.id, replica.host))
        return None
    rendered = world.targets.rendered_again(need, replica, world.generation)
    work, note = decide(need, replica, world.hosts[replica.host], rendered, keys, refresh)
    if note:
        log.note(note)
    return work


def _stoppable(stops, log):
    """Those that can be stopped now; the others are noted."""
    for replica, why in stops:
        if not replica.seen:
            log.note("%s stays: %s, but %s cannot be seen" % (replica.id, why, replica.host))
    return [(replica, why) for replica, why in stops if replica.seen]


def _pending(rollouts, world, actual, log):
    entries = []
    for rollout in rollouts:
        used = set(rollout.used)
        for start in sorted(rollout.starts, key=lambda start: (start.ordinal is None, start.ordinal or 0)):
            ordinal = start.ordinal
            if ordinal is None:
                ordinal = next(number for number in range(len(used) + 1) if number not in used)
            used.add(ordinal)
            instance = instance_id(rollout.need.name, ordinal)
            entries.append(pending_entry(rollout.need, instance, start.slot, world, actual.unseen))
        for replica, why in rollout.stops:
            log.note("%s stays although %s: too few others serve" % (replica.id, why))
        for work in rollout.urgent + rollout.updates:
            if work.replacement or work.obstacle in ("budget", "surge"):
                log.note("%s stays as it is: %s" % (work.replica.id, budget_reason(rollout, work)))
            else:
                entries.append(pending_entry(rollout.need, work.replica.id, ANYWHERE, world, actual.unseen, work.reason))
    return sorted(entries, key=lambda entry: (entry["deployment"], entry["instance"]))


def _named_elsewhere(actual):
    """Whether a router that was seen sends requests to a duplicate that stops."""
    urls = {replica.entry["registry"]["url"] for replica in actual.duplicates}
    return any(instance["url"] in urls for registry in actual.registries.values() for instance in registry["instances"])


def _check(request, definitions, needs, actual):
    errors = [error for error in (need.parameter_error() for need in needs.values()) if error]
    given_up = set(request["options"]["replace_hosts"])
    for name, entry in sorted(actual.fleet["routers"].items()):
        if name not in request["routers"] and name not in given_up and not entry.get("gone"):
            errors.append("The fleet has a router %s that the inventory does not name, and routers have to hear of every change: run over the "
                          "whole inventory (in AWX with one job slice), or add it to the group routers; if it is gone for good, give it up "
                          "with -e modelfleet_replace_hosts=%s" % (name, name))
    known = set(request["inventory"]) | set(actual.fleet["hosts"]) | set(actual.fleet["routers"]) | set(request["routers"])
    for name in sorted(given_up - known):
        errors.append("modelfleet_replace_hosts: there is no host %s%s" % (name, removal.nearest(name, known)))
    remove = request["options"]["remove"]
    if remove:
        errors += removal.unknown_names(remove, definitions, list(actual.replicas.values()))
    if errors:
        raise Refused(errors)
