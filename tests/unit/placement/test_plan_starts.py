# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where new instances go, and why some go nowhere."""

from __future__ import annotations

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.plan import Refused, make_plan
from fleets import GIB, MIB, actions, applied, definition, gpu, host, metadata, request, running


def places(plan):
    return {record["instance"]: (record["members"][0]["host"], len(record["gpus"])) for record in plan["instances"]}


def only_pending(plan):
    assert len(plan["pending"]) == 1
    return plan["pending"][0]


def why(plan):
    return {entry["host"]: entry["why"] for entry in only_pending(plan)["hosts"]}


def test_spread_takes_the_host_with_the_fewest_then_the_most_free():
    plan = make_plan(request([definition(replicas=3)], [host("h1", ram=32 * GIB), host("h2", ram=64 * GIB)]))
    assert places(plan) == {"qwen3-0": ("h2", 0), "qwen3-1": ("h1", 0), "qwen3-2": ("h2", 0)}
    assert plan["waves"][0]["drain"] == [] and len(plan["waves"]) == 1


@pytest.mark.parametrize(("foreign", "chosen"), [({"h1": 3 * GIB, "h2": 1 * GIB}, "h1"), ({"h1": 40 * GIB, "h2": 1 * GIB}, "h2")])
@pytest.mark.parametrize("strategy", ["spread", "binpack"])
def test_what_else_uses_memory_decides_only_when_it_is_much(foreign, chosen, strategy):
    hosts = [host("h1"), host("h2")]
    for report in hosts:
        report["memory"]["ram_foreign"] = foreign[report["name"]]
    plan = make_plan(request([definition(placement={"strategy": strategy})], hosts))
    assert places(plan)["qwen3-0"] == (chosen if strategy == "spread" else "h1", 0)


def test_binpack_fills_the_fullest():
    hosts = [host("h1", ram=64 * GIB), host("h2", ram=32 * GIB), host("h3", ram=2 * GIB)]
    plan = make_plan(request([definition(replicas=3, placement={"strategy": "binpack"})], hosts))
    assert {place for place, _gpus in places(plan).values()} == {"h2"}


def test_spread_uses_every_gpu_of_a_host_before_one_twice():
    hosts = [host("h1", gpus=[gpu("h1", 0), gpu("h1", 1, total=20 * GIB)])]
    plan = make_plan(request([definition(replicas=2)], hosts))
    assert sorted(record["gpus"][0] for record in plan["instances"]) == ["GPU-h1-0", "GPU-h1-1"]


def test_gpus_come_before_cpus():
    plan = make_plan(request([definition(replicas=2)], [host("h1", ram=512 * GIB), host("h2", gpus=[gpu("h2", 0)])]))
    assert places(plan) == {"qwen3-0": ("h2", 1), "qwen3-1": ("h2", 1)}


def test_layers_that_do_not_fit_run_on_the_cpu():
    small = [host("h1", gpus=[gpu("h1", 0, total=3 * GIB)])]
    model = metadata(8 * GIB, layers=30)
    record = make_plan(request([definition()], small, model=model))["instances"][0]
    layers = int(record["spec"]["argv"][record["spec"]["argv"].index("--gpu-layers") + 1])
    assert 0 < layers < 31
    assert record["claim"]["gpus"]["GPU-h1-0"] <= 3 * GIB - 512 * MIB
    assert sum(record["claim"]["gpus"].values()) + record["claim"]["ram"] > 8 * GIB
    refused = make_plan(request([definition(placement={"cpu_offload": False})], small, model=model))
    assert "needed on one GPU, at most 2.5 GiB free" in why(refused)["h1"]
    assert "placement.cpu_offload: true would let it run on h1." in only_pending(refused)["advice"]


def test_declared_gpus_are_planned_like_real_ones_and_run_on_the_cpu():
    plan = make_plan(request([definition()], [host("h1", gpus=[gpu("h1", 0, vendor="declared")])]))
    record = plan["instances"][0]
    argv = record["spec"]["argv"]
    assert argv[argv.index("--gpu-layers") + 1] == "0"
    assert record["spec"]["devices"] == {"vendor": "declared", "uuids": ["declared:h1:0"]}
    assert record["claim"]["gpus"]["declared:h1:0"] > GIB and record["claim"]["ram"] > GIB


@pytest.mark.parametrize("fields, report, sentence", [
    ({"placement": {"host_labels": {"zone": "a"}}}, host("h1"), "it is not labelled zone=a"),
    ({"placement": {"host_labels": {"zone": "a"}}}, host("h1", labels={"zone": "b"}), "it is not labelled zone=a (but zone=b)"),
    ({"placement": {"gpus": [{"host": "h1", "index": 3}]}}, host("h1", gpus=[gpu("h1", 0)]), "it has no GPU 3 (it has: 0)"),
    ({"placement": {"gpus": [{"host": "h2", "index": 0}]}}, host("h1", gpus=[gpu("h1", 0)]), "placement.gpus names no GPU of it"),
    ({"placement": {"cpu_offload": False}}, host("h1"), "it has no GPU, and placement.cpu_offload is off"),
    ({}, host("h1", config={"maintenance": True}), "it is in maintenance (modelfleet_maintenance), so nothing new is placed on it"),
    ({}, host("h1", problems=["/var/lib is full"]), "it is not ready: /var/lib is full"),
    ({}, host("h1", ram=3 * GIB), "1.3 GiB of RAM needed, 1.0 GiB free"),
    ({}, host("h1", config={"port_range": [41000, 41000]}, ports=[41000]), "no port is free in modelfleet_port_range 41000-41000"),
    ({}, host("h1", gpus=[gpu("h1", 0, problem="fell off the bus")]), "GPU 0: fell off the bus"),
])
def test_why_a_host_does_not_take_an_instance(fields, report, sentence):
    assert why(make_plan(request([definition(**fields)], [report])))["h1"] == sentence


def test_a_model_that_is_missing_somewhere():
    asked = request([definition()], [host("h1"), host("h2")])
    missing = {"path": "/srv/model.gguf", "found": False, "error": "h1: /srv/model.gguf: no such file", "metadata": None}
    asked["models"]["h1"]["qwen3"] = missing
    assert places(make_plan(asked)) == {"qwen3-0": ("h2", 0)}
    del asked["models"]["h2"]
    plan = make_plan(asked)
    assert why(plan) == {"h1": "h1: /srv/model.gguf: no such file", "h2": "the model's header could not be read there"}
    assert only_pending(plan)["needed"] is None and only_pending(plan)["reason"] == "no host has the model"


def test_a_model_that_no_backend_serves():
    plan = make_plan(request([definition()], [host("h1")], model=metadata(category="image")))
    assert why(plan)["h1"] == ("no backend serves the model: llama_cpp: it serves embedding, llm, reranker, not image; "
                               "vllm: it serves safetensors, not gguf")


def test_advice_is_tried_before_it_is_given():
    long = [definition(parameters=["--ctx-size=131072"])]
    plan = make_plan(request(long, [host("h1", ram=5 * GIB)], model=metadata(GIB, context=131072)))
    advice = only_pending(plan)["advice"]
    assert any(sentence.startswith("The parameter --ctx-size=") for sentence in advice)
    tokens = int(next(sentence for sentence in advice if "ctx-size" in sentence).split("=")[1].split()[0])
    for size, fits in ((tokens, True), (tokens + 1024, False)):
        again = [definition(parameters=["--ctx-size=131072", "--ctx-size=%d" % size])]
        assert (not make_plan(request(again, [host("h1", ram=5 * GIB)], model=metadata(GIB, context=131072)))["pending"]) is fits


def test_advice_names_hosts_that_labels_and_pins_exclude():
    plan = make_plan(request([definition(placement={"host_labels": {"zone": "a"}})], [host("h1"), host("h2")]))
    assert only_pending(plan)["advice"] == ["Without placement.host_labels it would fit on h1 and h2."]
    plan = make_plan(request([definition(placement={"gpus": [{"host": "h1", "index": 1}]})], [host("h1", gpus=[gpu("h1", 0)])]))
    assert only_pending(plan)["advice"] == ["Without placement.gpus it would fit on h1."]


def test_claims_of_other_fleets_and_of_failed_instances_count():
    asked = request([definition()], [host("h1", ram=4 * GIB)])
    taken = make_plan(asked)["instances"][0]
    for fleet, state in (("other", "active"), ("other", "failed")):
        asked["hosts"]["h1"]["instances"] = [running({**taken, "fleet": fleet}, state, state == "active")]
        plan = make_plan(asked)
        assert why(plan)["h1"].startswith("1.3 GiB of RAM needed, ")
        assert only_pending(plan)["hosts"][0]["ram"]["claimed"] == taken["claim"]["ram"]


def test_ports_that_anybody_may_use_are_avoided():
    asked = request([definition(replicas=2)], [host("h1", ports=[41001])], routers=["h1"])
    taken = make_plan(asked)["instances"][0]
    asked["hosts"]["h1"]["instances"] = [running({**taken, "fleet": "other", "port": 41000})]
    entry = {**taken["registry"], "id": "x-0", "url": "http://%s:41002" % asked["hosts"]["h1"]["address"]}
    asked["router_reports"]["h1"]["router"] = {"registry": {"generation": 1, "revision": 1, "models": [], "instances": [entry]},
                                               "version": "1", "status": None}
    assert sorted(record["port"] for record in make_plan(asked)["instances"]) == [41003, 41004]


def test_replicas_per_host_and_per_gpu():
    hosts = [host("h1", gpus=[gpu("h1", 0), gpu("h1", 1)]), host("h2", gpus=[gpu("h2", 0)]), host("h3", labels={"no": "no"})]
    plan = make_plan(request([definition(replicas={"per_host": 2})], hosts))
    assert sorted(name for name, _gpus in places(plan).values()) == ["h1", "h1", "h2", "h2", "h3", "h3"]
    plan = make_plan(request([definition(replicas={"per_gpu": 1})], hosts))
    assert sorted(record["gpus"][0] for record in plan["instances"]) == ["GPU-h1-0", "GPU-h1-1", "GPU-h2-0"]
    asked = applied(plan, request([definition(replicas={"per_gpu": 1})], hosts))
    asked["hosts"]["h2"]["gpus"].append(gpu("h2", 1))
    assert actions(make_plan(asked)) == {"qwen3-3": "start"}


def test_what_hosts_have_to_install():
    asked = request([definition(backend_version="2026.8.10566"), definition("mine", backend_executable="/opt/llama-server")], [host("h1")])
    plan = make_plan(asked)
    assert plan["hosts"] == {"h1": {"deployments": ["mine", "qwen3"], "backends": [{
        "backend": "llama_cpp", "version": "2026.8.10566", "build": "2026.8.10566-01234567", "kind": "wheel",
        "requirement": "xllamacpp==2026.8.10566", "packages": [], "extra_index": "", "disk_gb": 0.5}]}}
    asked["hosts"]["h1"]["backends"] = {"llama_cpp": ["2026.8.10566-01234567"]}
    assert make_plan(asked)["hosts"]["h1"]["backends"] == []
    own = next(record for record in plan["instances"] if record["deployment"] == "mine")
    assert own["spec"]["argv"][0] == "/opt/llama-server" and own["spec"]["requires"]["executables"] == ["/opt/llama-server"]


def test_a_parameter_that_makes_no_sense_is_refused_by_name():
    with pytest.raises(Refused, match="deployments/qwen3.yml: the parameter --ctx-size needs a whole number, not 'many'"):
        make_plan(request([definition(parameters=["--ctx-size=many"])], [host("h1")]))
