# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Completes a plan: target records, registry, fleet.json before and after, and whether anything changes at all."""

from __future__ import annotations

from ..backends.table import BACKENDS
from . import registry as registries
from .fleet_document import entry_of, final_document, intent_document, same_content
from .notes import notes_of
from .requirements import host_requirements, routers_to_install


def complete(request, definitions, needs, actual, world, log, before, waves, pending):
    """The plan without its text. ``before``: {id: registry entry}."""
    stopped = {action["instance"] for action in log.actions if action["action"] == "stop"}
    stopped -= {replica.id for replica in actual.duplicates}
    records = {replica.id: replica.record or _record_of(actual.fleet, replica)
               for replica in actual.replicas.values() if replica.id not in stopped}
    records.update(log.records)
    plan = {
        "version": 1,
        "fleet": request["fleet"],
        "run": request["run"],
        "generation": world.generation,
        "instances": sorted(records.values(), key=_order),
        "actions": _actions(log, records, actual),
        "pending": pending,
        "waves": waves,
        "log_patterns": _log_patterns(waves),
        "hosts": host_requirements(waves, needs, world.hosts, world.targets),
        "registry": {
            "models": _models(request, definitions, needs, actual, records),
            "before": before,
            "after": {name: registries.active(record["registry"]) for name, record in sorted(records.items())},
        },
    }
    _fleet_documents(plan, request, definitions, needs, actual, world, records)
    to_install = routers_to_install(request)
    notes = _differences(plan, request, actual, to_install)
    plan["changed"] = bool(waves or notes)
    if not plan["changed"]:
        plan["generation"] = actual.generation
        plan["final"] = plan["intent"] = {**plan["final"], "generation": actual.fleet["generation"]}
    plan["routers"] = [name for name in sorted(request["routers"]) if _is_written(name, request)] if plan["changed"] else []
    plan["routers_to_install"] = to_install
    plan["notes"] = notes_of(request, actual, plan) + log.notes + ([] if waves else notes)
    return plan


def _log_patterns(waves):
    """{name: patterns} of what starts. They are long, and no part of a record: a better sentence must not restart an engine."""
    present = [record for wave in waves for host in wave["hosts"].values() for record in host["present"]]
    return {name: BACKENDS[name].LOG_PATTERNS for name in sorted({record["spec"]["log_patterns"] for record in present})}


def _is_written(router, request):
    """Whether a router takes part: all do that were seen, and those that were not until somebody says that it may be without them."""
    if request["router_reports"].get(router):
        return True
    return request["options"]["routers_lost"] == "stop" and router not in request["options"]["replace_hosts"]


def _order(record):
    return record["deployment"], record["ordinal"]


def _record_of(fleet, replica):
    """What is known of an instance whose record cannot be seen: everything but its spec."""
    address = fleet["hosts"][replica.host].get("address")
    members = [{"host": replica.host, "role": "leader", "address": address, "port": replica.port}]
    return {"version": 1, "fleet": fleet["fleet"], "instance": replica.id, "member": 0, "members": members, "spec": None, **replica.entry}


def _actions(log, records, actual):
    """The actions of the log and, for everything else that exists, `keep`; in order of deployments and ordinals."""
    done = {(action["instance"], action["host"]) for action in log.actions} | {
        (action["instance"], action["from_host"]) for action in log.actions}
    actions = list(log.actions)
    for replica in actual.replicas.values():
        if replica.id in records and (replica.id, replica.host) not in done:
            why = actual.unseen.get(replica.host)
            reason = "%s cannot be seen: %s" % (replica.host, why) if why else ("it is starting" if replica.waiting else "nothing changed")
            actions.append({"action": "keep", "instance": replica.id, "host": replica.host, "from_host": None, "reason": reason})
    return sorted(actions, key=lambda action: (_id_order(action["instance"]), action["host"], action["action"]))


def _id_order(identifier):
    deployment, _dash, ordinal = identifier.rpartition("-")
    return deployment, int(ordinal)


def _models(request, definitions, needs, actual, records):
    """The models of the registry; those that are not served any more after the plan are marked as leaving."""
    remove = request["options"]["remove"]
    removed = set()
    if remove:
        served = {record["deployment"] for record in records.values()}
        removed = {name for name in needs if (remove["all"] or name in remove["deployments"]) and name not in served}
    known = {model["name"]: model for registry in actual.registries.values() for model in registry["models"]}
    categories = {}
    for name, need in needs.items():
        metadata, _backend = need.any_metadata()
        categories[name] = metadata["categories"] if metadata else known.get(name, {}).get("categories", [])
    staying = [definition for definition in definitions if definition["name"] not in removed]
    gone = {replica.deployment for replica in actual.replicas.values()} - {definition["name"] for definition in staying}
    leaving = []
    for name in sorted(gone):
        applied = actual.fleet["deployments"].get(name, {}).get("applied") or known.get(name) or {}
        leaving.append({"name": name, "aliases": applied.get("aliases", []), "categories": applied.get("categories", [])})
    return registries.registry_models(staying, categories, leaving)


def _fleet_documents(plan, request, definitions, needs, actual, world, records):
    """Sets intent and final."""
    definitions = [_anywhere(definition) for definition in definitions]
    existing, wanted = {}, {}
    for name, host in world.hosts.items():
        existing[name], wanted[name] = {}, {"address": host.address, "instances": {}}
    for name in request["options"]["replace_hosts"]:
        if name in actual.fleet["hosts"] and name not in world.hosts:
            wanted[name] = {"address": actual.fleet["hosts"][name].get("address"), "instances": {}}
    for replica in list(actual.replicas.values()) + actual.duplicates:
        if replica.seen:
            existing[replica.host][replica.id] = replica.entry
    for record in records.values():
        if record["spec"] is not None:
            wanted[record["members"][0]["host"]]["instances"][record["instance"]] = entry_of(record)
    for content in wanted.values():
        content["instances"] = dict(sorted(content["instances"].items()))
    changing = {name for name in existing if existing[name] != wanted[name]["instances"]}
    routers = {name: {} for name in request["routers"]}
    routers.update({name: {"gone": True} for name in request["options"]["replace_hosts"]
                    if name in actual.fleet["routers"] and name not in request["routers"]})
    plan["final"] = final_document(actual.fleet, plan["generation"], request["run"], wanted, changing,
                                   _deployments(plan, request, definitions, needs, actual), routers)
    plan["intent"] = intent_document(actual.fleet, plan["final"], {item["name"]: item for item in definitions}, existing)


def _anywhere(definition):
    """A definition without the path of its file, which differs between checkouts (AWX makes one for each job)."""
    return {key: value for key, value in definition.items() if key != "file"}


def _deployments(plan, request, definitions, needs, actual):
    """{name: {"applying", "applied"}}: what is not completely there is still being applied."""
    known = actual.fleet["deployments"]
    if request["options"]["remove"]:
        return {name: {"applying": None, "applied": None} for name in known
                if name not in {definition["name"] for definition in definitions}
                and name not in {record["deployment"] for record in plan["instances"]}}
    unfinished = {entry["deployment"] for entry in plan["pending"]} | _outdated(plan, needs)
    result = {name: {"applying": None, "applied": None} for name in known}
    for definition in definitions:
        name = definition["name"]
        applied = known.get(name, {}).get("applied")
        result[name] = ({"applying": definition, "applied": applied} if name in unfinished
                        else {"applying": None, "applied": definition})
    return result


def _outdated(plan, needs):
    """Deployments with an instance that stays although its definition changed."""
    return {record["deployment"] for record in plan["instances"]
            if record["deployment"] in needs and record["definition_digest"] != needs[record["deployment"]].digest}


def _differences(plan, request, actual, to_install):
    """Sentences about routers and hosts that have to be written although no instance changes."""
    target = registries.final_registry(plan)
    sentences = ["the router %s is installed or upgraded" % name for name in to_install]
    seen = {name: report for name, report in {**request["router_reports"], **request["hosts"]}.items() if report}
    for name in sorted(request["routers"]):
        if request["router_reports"].get(name) and not registries.same_registry(actual.registries.get(name), target):
            sentences.append("the router %s has another registry than the fleet, it is written again" % name)
    behind = [name for name in sorted(seen) if not same_content(seen[name]["fleet"], plan["final"])]
    if behind:
        sentences.append("the copy of fleet.json is brought up to date on %s" % ", ".join(behind))
    return sentences
