# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to instances that exist: edits, scaling, failures, hosts that are gone, removals."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.plan import Refused, make_plan
from fleets import GIB, MIB, actions, applied, carry_out_wave, definition, gpu, host, metadata, request


def fleet(*definitions, hosts=None, **fields):
    """A request for a fleet in which ``definitions`` are deployed, healthy, on three hosts with routers on two."""
    hosts = hosts or [host("h1"), host("h2"), host("h3")]
    asked = request(definitions or [definition(replicas=3)], hosts, routers=["h1", "h2"], **fields)
    return applied(make_plan(asked), asked)


def edited(asked, name="qwen3", **changes):
    for item in asked["deployments"]:
        if item["name"] == name:
            item.update(changes)
    return asked


def unseen(asked, name, why="it cannot be reached: timed out"):
    asked["hosts"][name] = None
    if name in asked["router_reports"]:
        asked["router_reports"][name] = None
    if why:
        asked["lost"][name] = why
    asked["models"].pop(name)
    return asked


def live(asked, identifier):
    return next(item for report in asked["hosts"].values() if report for item in report["instances"]
                if item["record"]["instance"] == identifier)


def down(asked, identifier, state="failed"):
    """The engine of an instance ended; nobody listens on its port."""
    item = live(asked, identifier)
    item.update(state=state, healthy=False)
    if state != "active":
        asked["hosts"][item["record"]["members"][0]["host"]]["ports"].remove(item["record"]["port"])
    return item


def where(plan, identifier):
    return [record["members"][0]["host"] for record in plan["instances"] if record["instance"] == identifier]


def test_nothing_to_do():
    plan = make_plan(fleet())
    assert not plan["changed"] and plan["waves"] == [] and plan["generation"] == 1 and actions(plan) == {} and plan["notes"] == []
    assert plan["routers"] == [] and plan["final"]["generation"] == 1


def test_an_edit_rolls_through_in_place_and_touches_nothing_else():
    asked = edited(fleet(definition(replicas=3), definition("other")), parameters=["--ctx-size=2048"])
    plan = make_plan(asked)
    assert actions(plan) == {"qwen3-0": "restart", "qwen3-1": "restart", "qwen3-2": "restart"}
    assert [wave["drain"] for wave in plan["waves"]] == [["qwen3-0"], ["qwen3-1"], ["qwen3-2"]]
    assert {action["reason"] for action in plan["actions"] if action["action"] == "restart"} == {"the definition changed: parameters"}
    by_id = {record["instance"]: record for record in plan["instances"]}
    assert by_id["qwen3-0"]["generation"] == 2 and by_id["other-0"]["generation"] == 1
    assert by_id["qwen3-0"]["port"] == live(asked, "qwen3-0")["record"]["port"]
    assert not make_plan(applied(plan, asked))["changed"]


@pytest.mark.parametrize("most, waves", [(1, 3), (2, 2), (3, 1), (9, 1), (0, 3)])
def test_waves_follow_max_unavailable(most, waves):
    asked = edited(fleet(), parameters=["--ctx-size=2048"], update={"max_unavailable": most, "max_surge": 0})
    assert len(make_plan(asked)["waves"]) == waves


def test_edits_of_two_deployments_share_waves():
    asked = fleet(definition(replicas=2), definition("other", replicas=3))
    for name in ("qwen3", "other"):
        edited(asked, name, parameters=["--ctx-size=2048"])
    assert [wave["drain"] for wave in make_plan(asked)["waves"]] == [["other-0", "qwen3-0"], ["other-1", "qwen3-1"], ["other-2"]]


@pytest.mark.parametrize("changes", [{"aliases": ["gpt"]}, {"description": "new"}, {"categories": ["llm", "embedding"]}])
def test_an_edit_that_concerns_no_engine_only_writes_files(changes):
    plan = make_plan(edited(fleet(), **changes))
    assert plan["changed"] and plan["waves"] == [] and plan["generation"] == 2
    assert plan["routers"] == ["h1", "h2"]


def test_a_new_secret_is_a_change():
    asked = fleet(definition(secrets={"TOKEN": "hub"}))
    asked["secret_digests"] = {"qwen3": "hmac-sha256:new"}
    assert actions(make_plan(asked)) == {"qwen3-0": "restart"}


def test_another_rendering_waits_for_refresh():
    asked = fleet()
    asked["launchers"] = {"llama_cpp": "ffffffffffff"}
    plan = make_plan(asked)
    assert not plan["changed"] and actions(plan) == {}
    assert ("qwen3-0: this version of modelfleet would start it differently; -e modelfleet_refresh=true restarts it") in plan["notes"]
    asked["options"]["refresh"] = True
    plan = make_plan(asked)
    assert set(actions(plan).values()) == {"refresh"} and len(plan["waves"]) == 3
    assert not make_plan(applied(plan, asked))["notes"]


def test_scaling_down_stops_the_highest_and_up_starts_the_lowest_free():
    asked = edited(fleet(), replicas={"count": 1})
    plan = make_plan(asked)
    assert actions(plan) == {"qwen3-1": "stop", "qwen3-2": "stop"} and plan["waves"][0]["drain"] == ["qwen3-1", "qwen3-2"]
    asked = edited(applied(plan, asked), replicas={"count": 3})
    assert actions(make_plan(asked)) == {"qwen3-1": "start", "qwen3-2": "start"}


def test_new_ones_start_before_old_ones_stop():
    asked = fleet(definition("old"))
    asked["deployments"] = [definition("new")]
    for models in asked["models"].values():
        models["new"] = models["old"]
    plan = make_plan(asked)
    assert [sorted(wave["instances"]) for wave in plan["waves"]] == [["new-0"], ["old-0"]]


def test_a_start_that_needs_the_memory_of_a_stop_comes_after_it():
    asked = fleet(definition("old"), hosts=[host("h1", ram=4 * GIB), host("h2", ram=GIB)])
    asked["deployments"] = [definition("new")]
    for models in asked["models"].values():
        models["new"] = models["old"]
    assert [sorted(wave["instances"]) for wave in make_plan(asked)["waves"]] == [["old-0"], ["new-0"]]


@pytest.mark.parametrize("state, drained", [("failed", False), ("stopped", False), ("backing_off", False), ("active", True)])
def test_what_is_down_is_retried(state, drained):
    asked = fleet()
    down(asked, "qwen3-1", state)
    plan = make_plan(asked)
    assert actions(plan) == {"qwen3-1": "retry"} and len(plan["waves"]) == 1
    assert plan["waves"][0]["drain"] == (["qwen3-1"] if drained else [])
    record = next(record for record in plan["instances"] if record["instance"] == "qwen3-1")
    assert record == live(asked, "qwen3-1")["record"], "a retry keeps the record"


def test_what_starts_is_left_alone():
    asked = fleet()
    live(asked, "qwen3-1").update(state="starting", healthy=None)
    assert not make_plan(asked)["changed"]


def test_what_is_down_counts_and_comes_first():
    asked = edited(fleet(), parameters=["--ctx-size=2048"])
    down(asked, "qwen3-2")
    assert [wave["instances"] for wave in make_plan(asked)["waves"]] == [["qwen3-2"], ["qwen3-0"], ["qwen3-1"]]


def test_what_starts_is_waited_for_before_others_change():
    asked = edited(fleet(), parameters=["--ctx-size=2048"])
    done = applied(make_plan(asked), asked)
    target = live(done, "qwen3-0")["record"]
    live(asked, "qwen3-0").update(record=target, state="starting", healthy=None)
    waves = make_plan(asked)["waves"]
    assert [wave["instances"] for wave in waves] == [["qwen3-0"], ["qwen3-1"], ["qwen3-2"]]
    first = [at for at in waves[0]["hosts"].values()]
    assert waves[0]["drain"] == [] and first[0]["restart"] == [] and first[0]["present"] == [target]


def test_a_taken_port_is_replaced():
    asked = fleet()
    item = down(asked, "qwen3-1")
    taken = item["record"]["port"]
    asked["hosts"][item["record"]["members"][0]["host"]]["ports"].append(taken)
    plan = make_plan(asked)
    record = next(record for record in plan["instances"] if record["instance"] == "qwen3-1")
    assert actions(plan) == {"qwen3-1": "restart"} and record["port"] != taken
    assert str(record["port"]) in record["spec"]["argv"]


def test_labels_that_no_longer_match_move_an_instance():
    asked = fleet(definition(), hosts=[host("h1", ram=128 * GIB), host("h2", labels={"zone": "a"}), host("h3")])
    edited(asked, placement={**asked["deployments"][0]["placement"], "host_labels": {"zone": "a"}})
    plan = make_plan(asked)
    assert actions(plan) == {"qwen3-0": "move"} and where(plan, "qwen3-0") == ["h2"]
    at = plan["waves"][0]["hosts"]
    assert at["h1"]["absent"] == ["qwen3-0"] and at["h2"]["present"][0]["instance"] == "qwen3-0"
    assert plan["waves"][0]["drain"] == ["qwen3-0"]
    assert not make_plan(applied(plan, asked))["changed"]


def test_an_instance_that_has_to_leave_and_cannot_stays():
    asked = fleet(definition())
    edited(asked, placement={**asked["deployments"][0]["placement"], "host_labels": {"zone": "a"}})
    plan = make_plan(asked)
    assert actions(plan) == {} and len(where(plan, "qwen3-0")) == 1
    assert plan["pending"][0]["reason"].endswith("but no host has the labels that placement.host_labels names")


def test_a_claim_that_grew_moves_where_it_fits():
    asked = fleet(definition(), hosts=[host("h1", ram=4 * GIB, labels={"a": "b"}), host("h2", ram=3 * GIB), host("h3", ram=3 * GIB)],
                  model=metadata(context=65536))
    assert where(make_plan(asked), "qwen3-0") == ["h1"]
    bigger = edited(copy.deepcopy(asked), parameters=["--ctx-size=65536"])
    assert [entry["instance"] for entry in make_plan(bigger)["pending"]] == ["qwen3-0"]
    bigger["hosts"]["h2"]["memory"]["ram_total"] = 64 * GIB
    plan = make_plan(bigger)
    assert actions(plan) == {"qwen3-0": "move"} and where(plan, "qwen3-0") == ["h2"]
    assert plan["actions"][0]["reason"] == "the definition changed: parameters, and it no longer fits on h1"


def test_a_smaller_claim_makes_room_for_one_that_was_pending():
    hosts = [host("h1", ram=4700 * MIB)]
    asked = request([definition(replicas=2, parameters=["--ctx-size=16384"])], hosts, model=metadata(context=65536))
    plan = make_plan(asked)
    assert len(plan["pending"]) == 1
    asked = edited(applied(plan, asked), parameters=["--ctx-size=1024"])
    plan = make_plan(asked)
    assert [sorted(wave["instances"]) for wave in plan["waves"]] == [["qwen3-0"], ["qwen3-1"]] and not plan["pending"]


def test_surge_starts_the_replacement_first():
    asked = edited(fleet(), parameters=["--ctx-size=2048"], update={"max_unavailable": 0, "max_surge": 1})
    plan = make_plan(asked)
    assert actions(plan) == {"qwen3-0": "stop", "qwen3-1": "stop", "qwen3-2": "stop", "qwen3-3": "start", "qwen3-4": "start",
                             "qwen3-5": "start"}
    assert plan["waves"][0]["drain"] == [] and plan["waves"][0]["instances"] == ["qwen3-3"]
    assert plan["waves"][1]["drain"] == ["qwen3-0"]
    after = applied(plan, asked)
    assert not make_plan(after)["changed"]


def test_surge_without_room_changes_in_place():
    asked = fleet(definition(), hosts=[host("h1", ram=4 * GIB)])
    edited(asked, parameters=["--ctx-size=2048"], update={"max_unavailable": 0, "max_surge": 1})
    plan = make_plan(asked)
    assert actions(plan) == {"qwen3-0": "restart"}
    assert any("no room for a replacement" in note for note in plan["notes"])


def test_a_run_that_was_cut_off_between_replacement_and_stop_is_finished():
    asked = edited(fleet(), parameters=["--ctx-size=2048"], update={"max_unavailable": 0, "max_surge": 1})
    plan = make_plan(asked)
    carry_out_wave(plan["waves"][0], asked["hosts"])
    again = make_plan(asked)
    assert "qwen3-3" not in actions(again), "the new one stays"
    assert actions(again)["qwen3-2"] == "stop" and len(again["waves"]) >= 3


def test_a_host_that_is_gone_keeps_its_instances_until_it_is_given_up():
    asked = unseen(fleet(), "h3")
    lost = next(record["instance"] for record in make_plan(asked)["instances"] if record["members"][0]["host"] == "h3")
    plan = make_plan(asked)
    assert not plan["changed"] and len(plan["instances"]) == 3
    assert lost in plan["registry"]["after"]
    assert plan["notes"] == ["h3: it cannot be reached: timed out; %s there counts as existing. To place it elsewhere: "
                             "-e modelfleet_replace_hosts=h3" % lost]
    asked["options"]["replace_hosts"] = ["h3"]
    plan = make_plan(asked)
    assert actions(plan) == {lost: "move"} and plan["final"]["hosts"]["h3"]["instances"] == {}
    assert lost not in plan["registry"]["before"] and where(plan, lost)[0] in ("h1", "h2")
    assert plan["actions"][int(lost[-1])]["from_host"] == "h3"


def test_a_host_that_returns_gives_way():
    before = fleet()
    asked = unseen(copy.deepcopy(before), "h3")
    asked["options"]["replace_hosts"] = ["h3"]
    asked = applied(make_plan(asked), asked)
    asked["options"]["replace_hosts"] = []
    asked["lost"] = {}
    asked["hosts"]["h3"] = before["hosts"]["h3"]
    asked["models"]["h3"] = asked["models"]["h1"]
    moved = before["hosts"]["h3"]["instances"][0]["record"]["instance"]
    plan = make_plan(asked)
    assert [(action["action"], action["host"]) for action in plan["actions"] if action["instance"] == moved
            and action["action"] != "keep"] == [("stop", "h3")]
    assert plan["waves"] == [{"index": 0, "drain": [], "instances": [], "hosts": {"h3": {"present": [], "restart": [], "absent": [moved]}}}]
    assert plan["registry"]["after"][moved]["host"] != "h3" and len(plan["instances"]) == 3
    assert not make_plan(applied(plan, asked))["changed"]


def test_the_registry_comes_first_when_a_router_knows_the_duplicate():
    asked = fleet(definition())
    record = copy.deepcopy(asked["hosts"]["h3"]["instances"] or asked["hosts"]["h1"]["instances"] or asked["hosts"]["h2"]["instances"])[0]
    holder = record["record"]["members"][0]["host"]
    other = next(name for name in ("h1", "h2", "h3") if name != holder)
    newer = copy.deepcopy(record)
    newer["record"].update(generation=9, members=[{**record["record"]["members"][0], "host": other}])
    newer["record"]["registry"] = {**record["record"]["registry"], "host": other, "url": "http://10.9.9.9:41000"}
    asked["hosts"][other]["instances"] = [newer]
    plan = make_plan(asked)
    assert [wave["hosts"] for wave in plan["waves"]][0] == {} and plan["waves"][1]["hosts"][holder]["absent"] == ["qwen3-0"]
    assert plan["generation"] == 10


def test_a_host_out_of_the_inventory_is_still_known_and_limits_start_nothing_twice():
    asked = unseen(fleet(), "h3", why=None)
    assert not make_plan(asked)["changed"]
    asked["inventory"].remove("h3")
    plan = make_plan(asked)
    assert not plan["changed"] and len(plan["instances"]) == 3
    assert plan["notes"][0].startswith("h3: it is taken out of the inventory, or in another slice of the job; qwen3-")


def test_the_same_definitions_in_another_checkout_change_nothing():
    asked = fleet()
    asked["deployments"] = [dict(item, file="/runner/project/" + item["file"]) for item in asked["deployments"]]
    assert not make_plan(asked)["changed"]


def test_a_limited_run_changes_what_it_sees():
    asked = edited(unseen(fleet(), "h3", why=None), parameters=["--ctx-size=2048"])
    plan = make_plan(asked)
    assert sorted(actions(plan).values()) == ["restart", "restart"]
    first, second = plan["notes"][:2]
    assert first == ("this run is limited to 2 of 3 hosts (--limit): it changes instances on h1 and h2 only, and tells every router; a run "
                     "without --limit brings the others up to date")
    assert second.startswith("h3: it is outside this run (--limit); qwen3-") and second.endswith(" there counts as existing")
    assert plan["final"]["deployments"]["qwen3"]["applying"] and plan["final"]["deployments"]["qwen3"]["applied"]["parameters"] == []


def test_an_unreachable_replica_counts_as_down():
    asked = edited(unseen(fleet(), "h3"), parameters=["--ctx-size=2048"])
    plan = make_plan(asked)
    assert actions(plan) == {} and any("update.max_unavailable is 1 and" in note and "on h3" in note for note in plan["notes"])


def test_giving_up_a_host_that_answers_moves_what_is_there():
    asked = fleet()
    asked["options"]["replace_hosts"] = ["h3"]
    plan = make_plan(asked)
    assert list(actions(plan).values()) == ["move"] and "h3" not in {record["members"][0]["host"] for record in plan["instances"]}
    assert not make_plan(applied(plan, asked))["waves"]


def test_a_host_in_maintenance_keeps_what_it_has():
    asked = fleet()
    asked["hosts"]["h1"]["config"]["maintenance"] = True
    assert not make_plan(asked)["changed"]
    edited(asked, replicas={"count": 6})
    assert {where(make_plan(asked), "qwen3-%d" % number)[0] for number in (3, 4, 5)} == {"h2", "h3"}


def test_routers_that_the_fleet_knows_must_be_named():
    asked = fleet()
    asked["routers"] = ["h1"]
    with pytest.raises(Refused, match="The fleet has a router h2 that the inventory does not name, .* with one job slice"):
        make_plan(asked)
    asked["options"]["replace_hosts"] = ["h2"]
    plan = make_plan(asked)
    assert plan["final"]["routers"]["h2"] == {"generation": 2, "gone": True}
    asked["options"]["replace_hosts"] = []
    for report in asked["hosts"].values():
        report["fleet"] = plan["final"]
    assert make_plan(asked)["generation"] >= 2


def test_a_router_that_lost_its_registry_gets_it_again():
    asked = fleet()
    asked["router_reports"]["h2"]["router"]["registry"] = None
    plan = make_plan(asked)
    assert plan["changed"] and plan["waves"] == []
    assert plan["notes"] == ["the router h2 has another registry than the fleet, it is written again"]


def test_a_router_with_another_setup_is_installed():
    asked = fleet()
    asked["router_setups"] = {"h1": "sha256:new", "h2": None}
    plan = make_plan(asked)
    assert plan["routers_to_install"] == ["h1"] and plan["changed"]


def test_a_lost_router_stops_waves_unless_told_otherwise():
    asked = edited(fleet(), parameters=["--ctx-size=2048"])
    asked["router_reports"]["h2"], asked["lost"] = None, {"h2": "it cannot be reached: no route"}
    assert make_plan(asked)["routers"] == ["h1", "h2"]
    asked["options"]["routers_lost"] = "continue"
    assert make_plan(asked)["routers"] == ["h1"]


def test_unknown_hosts_are_not_given_up():
    asked = fleet()
    asked["options"]["replace_hosts"] = ["h33"]
    with pytest.raises(Refused, match="there is no host h33, did you mean h3"):
        make_plan(asked)


@pytest.mark.parametrize("remove, stopped", [
    ({"deployments": ["qwen3"]}, ["qwen3-0", "qwen3-1", "qwen3-2"]),
    ({"instances": ["qwen3-1"]}, ["qwen3-1"]),
    ({"all": True}, ["other-0", "qwen3-0", "qwen3-1", "qwen3-2"]),
])
def test_removal_stops_only_what_is_named(remove, stopped):
    asked = fleet(definition(replicas=3), definition("other"))
    edited(asked, "other", parameters=["--ctx-size=2048"])
    asked["options"]["remove"] = {"deployments": [], "instances": [], "all": False, **remove}
    plan = make_plan(asked)
    assert actions(plan) == {identifier: "stop" for identifier in stopped} and len(plan["waves"]) == 1
    assert "deployments/qwen3.yml still defines qwen3; the next deploy starts it again" in plan["notes"]
    after = applied(plan, asked)
    asked["options"]["remove"] = None
    after["options"]["remove"] = None
    again = make_plan(after)
    assert {identifier for identifier, action in actions(again).items() if action == "start"} == set(stopped)


def test_removing_what_is_not_there():
    asked = fleet()
    asked["options"]["remove"] = {"deployments": ["qwen"], "instances": ["qwen3-7"], "all": False}
    with pytest.raises(Refused) as refused:
        make_plan(asked)
    assert refused.value.errors == [
        "modelfleet_remove_deployments: there is no deployment qwen, did you mean qwen3? (known: qwen3)",
        "modelfleet_remove_instances: there is no instance qwen3-7, did you mean qwen3-2? (known: qwen3-0, qwen3-1, qwen3-2)"]


def test_removing_everything_without_definitions():
    asked = fleet()
    asked["deployments"], asked["models"] = [], {}
    asked["options"]["remove"] = {"deployments": [], "instances": [], "all": True}
    plan = make_plan(asked)
    assert sorted(actions(plan)) == ["qwen3-0", "qwen3-1", "qwen3-2"] and plan["registry"]["after"] == {}
    assert plan["final"]["deployments"]["qwen3"] == {"generation": 2, "applying": None, "applied": None}


def test_overrides_are_carried_and_shown():
    asked = fleet()
    for report in asked["hosts"].values():
        report["fleet"]["overrides"] = {"qwen3": {"generation": 1, "scale": 2}}
    plan = make_plan(asked)
    assert plan["final"]["overrides"] == {"qwen3": {"generation": 1, "scale": 2}}
    assert "an override is in force for qwen3: scale=2" in plan["notes"]


def test_the_intent_holds_old_and_planned_instances():
    asked = edited(fleet(), replicas={"count": 4}, parameters=["--ctx-size=2048"])
    asked = edited(asked, replicas={"count": 1})
    plan = make_plan(asked)
    named = {identifier for entry in plan["intent"]["hosts"].values() for identifier in entry["instances"]}
    assert named == {"qwen3-0", "qwen3-1", "qwen3-2"}
    assert {identifier for entry in plan["final"]["hosts"].values() for identifier in entry["instances"]} == {"qwen3-0"}
    assert plan["intent"]["deployments"]["qwen3"]["applying"]["parameters"] == ["--ctx-size=2048"]
    assert plan["intent"]["deployments"]["qwen3"]["applied"]["parameters"] == []
    wanted = {key: value for key, value in asked["deployments"][0].items() if key != "file"}
    assert plan["final"]["deployments"]["qwen3"] == {"generation": 2, "applying": None, "applied": wanted}
    changed = {name for name, entry in plan["final"]["hosts"].items() if entry["generation"] == 2}
    assert changed == {name for name, entry in plan["intent"]["hosts"].items() if entry["generation"] == 2}


def test_a_partitioned_half_is_merged():
    """One half gave h3 up and placed its replica elsewhere; h3 comes back with another controller's work on it."""
    start = fleet()
    half = unseen(copy.deepcopy(start), "h3")
    half["options"]["replace_hosts"] = ["h3"]
    half = applied(make_plan(half), half)
    other = edited(copy.deepcopy(start), replicas={"count": 5})
    for name in ("h1", "h2"):
        unseen(other, name, why=None)
    other["routers"], other["router_reports"] = [], {}
    other["options"]["replace_hosts"] = ["h1", "h2"]
    other = applied(make_plan(other), other)
    merged = {**half, "lost": {}, "options": {**half["options"], "replace_hosts": []}}
    merged["hosts"] = {**half["hosts"], "h3": other["hosts"]["h3"]}
    merged["models"] = start["models"]
    plan = make_plan(merged)
    counts = [record["instance"] for record in plan["instances"]]
    assert sorted(counts) == ["qwen3-0", "qwen3-1", "qwen3-2"]
    assert not make_plan(applied(plan, merged))["waves"]


def test_two_gpus_do_not_share_a_claim():
    asked = fleet(definition(replicas=2), hosts=[host("h1", gpus=[gpu("h1", 0, total=3 * GIB), gpu("h1", 1, total=3 * GIB)]), host("h2")])
    assert sorted(record["gpus"][0] for record in make_plan(asked)["instances"]) == ["GPU-h1-0", "GPU-h1-1"]
