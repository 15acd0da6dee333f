# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every fleet: nothing is over-committed at any moment, enough replicas serve, a plan that was carried out is the last."""

from __future__ import annotations

import copy
import random

from ansible_collections.modelfleet.serving.plugins.module_utils.common.canonical import canonical_json
from ansible_collections.modelfleet.serving.plugins.module_utils.common.registry_document import registry_document
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.plan import make_plan
from fleets import GIB, MIB, applied, carry_out_wave, definition, gpu, host, metadata, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelfleet_router.registry import parse_registry

NAMES = ("alpha", "beta", "gamma")


@st.composite
def hosts(draw):
    found = []
    for number in range(draw(st.integers(1, 4))):
        name = "h%d" % number
        cards = [gpu(name, index, total=draw(st.sampled_from([2, 3, 8])) * GIB, foreign=draw(st.sampled_from([0, GIB])),
                     vendor=draw(st.sampled_from(["nvidia", "declared"])))
                 for index in range(draw(st.integers(0, 2)))]
        report = host(name, ram=draw(st.sampled_from([3, 6, 12])) * GIB, gpus=cards, labels={"zone": draw(st.sampled_from("ab"))},
                      config={"maintenance": draw(st.sampled_from([False, False, False, True]))})
        report["memory"]["ram_foreign"] = draw(st.sampled_from([0, 500 * MIB]))
        found.append(report)
    return found


@st.composite
def definitions(draw):
    found = []
    for name in NAMES[:draw(st.integers(1, 3))]:
        found.append(definition(
            name,
            draw(st.one_of(st.integers(0, 4), st.just({"per_host": 1}), st.just({"per_gpu": 1}))),
            parameters=draw(st.sampled_from([[], ["--ctx-size=1024"], ["--ctx-size=16384"]])),
            placement={"strategy": draw(st.sampled_from(["spread", "binpack"])), "cpu_offload": draw(st.booleans()),
                       "host_labels": draw(st.sampled_from([{}, {}, {"zone": "a"}]))},
            update={"max_unavailable": draw(st.integers(0, 2)), "max_surge": draw(st.integers(0, 2))},
        ))
    return found


MODELS = {"alpha": metadata(600 * MIB, layers=4, context=32768), "beta": metadata(2 * GIB, layers=12, context=32768),
          "gamma": metadata(300 * MIB, layers=2, context=32768)}


@st.composite
def stories(draw):
    """A fleet that was deployed and something that happened to it since."""
    asked = request(draw(definitions()), draw(hosts()), routers=["h0"], model=MODELS)
    asked = applied(make_plan(asked), asked)
    changed = {item["name"]: item for item in draw(definitions())}
    asked["deployments"] = [changed.get(item["name"], item) for item in asked["deployments"]]
    for name in sorted(asked["hosts"]):
        happened = draw(st.sampled_from(["nothing", "nothing", "ends", "starts", "lost", "limited", "given up"]))
        report = asked["hosts"][name]
        if happened in ("ends", "starts") and report["instances"]:
            item = report["instances"][draw(st.integers(0, len(report["instances"]) - 1))]
            if happened == "ends":
                report["ports"].remove(item["record"]["port"])
            item.update({"state": "failed", "healthy": False} if happened == "ends" else {"state": "starting", "healthy": None})
        elif happened in ("lost", "limited") and name != "h0":
            asked["hosts"][name] = None
            asked["models"].pop(name)
            if happened == "lost":
                asked["lost"][name] = "it cannot be reached: timed out"
        elif happened == "given up":
            asked["options"]["replace_hosts"].append(name)
    return asked


BOUNDED = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def used_by(records, host_name):
    mine = [record["claim"] for record in records if record["members"][0]["host"] == host_name]
    gpus = {}
    for claim in mine:
        for uuid, size in claim["gpus"].items():
            gpus[uuid] = gpus.get(uuid, 0) + size
    return sum(claim["ram"] for claim in mine), gpus


def check_capacity(asked, records):
    for name, report in asked["hosts"].items():
        if not report:
            continue
        ram, gpus = used_by(records, name)
        config = report["config"]
        assert ram + report["memory"]["ram_foreign"] + config["reserved_ram"] <= report["memory"]["ram_total"] or ram == 0
        for card in report["gpus"]:
            size = gpus.get(card["uuid"], 0)
            assert size == 0 or size + card["memory_foreign"] + config["reserved_gpu"] <= card["memory_total"]


def larger(one, other):
    """The record with the larger claim, resource by resource: what an in-place restart may take on the way."""
    uuids = set(one["claim"]["gpus"]) | set(other["claim"]["gpus"])
    claim = {"ram": max(one["claim"]["ram"], other["claim"]["ram"]),
             "gpus": {uuid: max(one["claim"]["gpus"].get(uuid, 0), other["claim"]["gpus"].get(uuid, 0)) for uuid in uuids}}
    return {**other, "claim": claim}


def records_of(asked):
    return {(name, item["record"]["instance"]): item for name, report in asked["hosts"].items() if report
            for item in report["instances"]}


def check_waves(asked, plan):
    now = copy.deepcopy(asked)
    wanted = {item["name"]: item for item in asked["deployments"]}
    elsewhere = [record for record in plan["instances"] if not asked["hosts"].get(record["members"][0]["host"])]
    reachable = [record for record in elsewhere if record["members"][0]["host"] not in asked["lost"]]
    surplus = {note.split()[0] for note in plan["notes"] if " stays although " in note or " stays: " in note}
    seen = set()
    for wave in plan["waves"]:
        assert not seen & set(wave["instances"]), "an instance is changed once"
        seen |= set(wave["instances"])
        before = records_of(now)
        during = {key: item["record"] for key, item in before.items()}
        for name, at in wave["hosts"].items():
            for record in at["present"]:
                key = (name, record["instance"])
                during[key] = larger(during[key], record) if key in during else record
        check_capacity(asked, during.values())
        for name, item in wanted.items():
            serving = [key for key, found in before.items() if found["record"]["deployment"] == name and found["state"] == "active"]
            left = [key for key in serving
                    if key[1] not in wave["hosts"].get(key[0], {"restart": [], "absent": []})["restart"]
                    and key[1] not in wave["hosts"].get(key[0], {"restart": [], "absent": []})["absent"]]
            unseen = sum(record["deployment"] == name for record in reachable)
            there = {key[1] for key in during}
            # Replicas that are too many and still have to stay are no part of what is wanted.
            target = sum(record["deployment"] == name and (record["instance"] in there or not record["spec"])
                         and record["instance"] not in surplus for record in plan["instances"])
            target = min(target, item["replicas"].get("count", target))
            least = target - max(1, item["update"]["max_unavailable"])
            assert len(left) + unseen >= min(len(serving) + unseen, least)
        carry_out_wave(wave, now["hosts"])
    assert {key: item["record"] for key, item in records_of(now).items()} == {
        (record["members"][0]["host"], record["instance"]): record for record in plan["instances"] if record["spec"]}


def check_documents(plan):
    """Every registry of the plan is valid, and each is above the one before."""
    orders = []
    moments = [(index, phase) for index in range(len(plan["waves"])) for phase in ("drain", "done")] + [(len(plan["waves"]), "final")]
    for wave, phase in moments:
        document = registry_document(plan, wave, phase)
        parse_registry(canonical_json(document).encode("utf-8"))
        orders.append(document["revision"])
    assert orders == sorted(set(orders))


@BOUNDED
@given(stories())
def test_a_plan_is_safe_at_every_moment_and_the_last_one(asked):
    plan = make_plan(asked)
    check_capacity(asked, [record for record in plan["instances"] if record["spec"]])
    check_waves(asked, plan)
    check_documents(plan)
    ports = [(record["members"][0]["host"], record["port"]) for record in plan["instances"]]
    assert len(ports) == len(set(ports))
    assert sorted({record["instance"] for record in plan["instances"]}) == sorted(record["instance"] for record in plan["instances"])
    after = applied(plan, asked)
    again = make_plan(after)
    if not again["changed"]:
        return
    # What could not be changed while replicas were down or starting follows once they are up, and that is all.
    last = make_plan(applied(again, after))
    assert not last["changed"], "\n".join(plan["text"] + again["text"] + last["text"])


@BOUNDED
@given(definitions(), hosts())
def test_the_second_run_changes_nothing(wanted, found):
    asked = request(wanted, found, routers=["h0"], model=MODELS)
    plan = make_plan(asked)
    check_capacity(asked, plan["instances"])
    again = make_plan(applied(plan, asked))
    assert not again["changed"] and again["waves"] == [] and again["generation"] == plan["generation"]
    assert [entry["instance"] for entry in again["pending"]] == [entry["instance"] for entry in plan["pending"]]


@BOUNDED
@given(stories(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_means_nothing(asked, chance):
    assert canonical_json(make_plan(asked)) == canonical_json(make_plan(shuffled(asked, chance)))


def shuffled(value, chance):
    """The same request with maps and the lists that are sets in another order."""
    value = shuffled_maps(copy.deepcopy(value), chance)
    for key in ("deployments", "inventory", "routers"):
        chance.shuffle(value[key])
    chance.shuffle(value["options"]["replace_hosts"])
    for report in value["hosts"].values():
        if report:
            chance.shuffle(report["instances"])
            chance.shuffle(report["gpus"])
            chance.shuffle(report["ports"])
    return value


def shuffled_maps(value, chance):
    if isinstance(value, dict):
        keys = list(value)
        random.Random(chance.random()).shuffle(keys)
        return {key: shuffled_maps(value[key], chance) for key in keys}
    return [shuffled_maps(item, chance) for item in value] if isinstance(value, list) else value
