"""From the driver to the status: eight cards, one lost, one that somebody else uses. The real modules `host_info` and pynvml, then the plan."""

import copy
import json
import os
import re
import subprocess
import sys

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.overview import overview
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.overview_text import overview_text
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.plan import make_plan
from fleets import GIB, actions, applied, definition, metadata, request

from tests.nvml import fake

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
HOST_INFO = "ansible_collections.modelfleet.serving.plugins.modules.host_info"
LOST = "it is lost (it has fallen off the bus): reboot the host"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return fake.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def gpu01(library, tmp_path):
    """gpu01(line of the scenario, ...): the report of a host with these cards."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)

    def gpu01(*lines):
        arguments = {"fleet": "demo", "name": "gpu01", "address": "10.0.0.1", "data_dir": str(tmp_path / "data"), "cache_dir": str(tmp_path / "models")}
        done = subprocess.run(
            [sys.executable, "-m", HOST_INFO], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), stdout=subprocess.PIPE, text=True, check=True, timeout=60,
            cwd=os.path.join(ROOT, ".collections"),
            env=dict(os.environ, PATH="%s:/usr/bin:/bin" % tmp_path, LD_LIBRARY_PATH=library, MODELFLEET_FAKE_NVML=fake.scenario(tmp_path / "s", *lines)),
        )  # fmt: skip
        report = json.loads(done.stdout)["host"]
        assert not [problem for problem in report["problems"] if "NVIDIA" in problem or "nvidia" in problem]
        # The machine of the test may have no service manager and little memory.
        report["problems"] = []
        report["system"].update(service_manager="systemd", service_manager_version="252")
        report["memory"] = {"ram_total": 512 * GIB, "ram_available": 512 * GIB, "ram_foreign": 0}
        return report

    return gpu01


def eight_cards(lost=3):
    cards = [fake.card(index) for index in range(8)]
    cards[5] = fake.card(5, used=25 * GIB // 2)
    if lost is not None:
        cards[lost] = fake.card(lost, lost=15, bus=None)
    return [*cards, "process 5 4711 %d" % (12 * GIB)]


def big(replicas):
    return definition("big", replicas=replicas, placement={"cpu_offload": False}), metadata(size=70 * GIB, layers=80)


def test_plans_go_around_a_lost_card_and_one_that_is_in_use(gpu01):
    wanted, model = big({"per_gpu": 1})
    asked = request([wanted], [gpu01(*eight_cards())], model=model)
    plan = make_plan(asked)
    assert sorted(record["gpus"][0] for record in plan["instances"]) == [fake.uuid(index) for index in (0, 1, 2, 4, 6, 7)]
    assert [entry["reason"] for entry in plan["pending"]] == ["no host has enough free memory"]
    assert "         gpu 3: left out, " + LOST in plan["text"]
    lines = overview_text(overview(applied(plan, asked), 0))
    start = lines.index("GPUs")
    head, *rows = [re.split(r"\s{2,}", line.strip()) for line in lines[start + 1:start + 10]]
    assert head == ["host", "gpu", "name", "free", "claimed", "used", "by others", "total"]
    assert rows[3] == ["gpu01", "3", "NVIDIA GPU", "-", "0 MiB", "-", "-", "-", LOST]
    assert rows[5] == ["gpu01", "5", "NVIDIA H100 80GB HBM3", "67.0 GiB", "0 MiB", "12.5 GiB", "12.5 GiB", "80.0 GiB"]
    for index in (0, 1, 2, 4, 6, 7):
        assert rows[index][1:3] == [str(index), "NVIDIA H100 80GB HBM3"] and rows[index][4] != "0 MiB" and rows[index][5:] == ["512 MiB", "512 MiB", "80.0 GiB"]


def running_on(gpu01, ill, replicas=1):
    """The request after ``big`` was started on card 0, whose line has become ``ill``."""
    wanted, model = big(replicas)
    asked = request([wanted], [gpu01(*eight_cards(lost=None))], model=model)
    after = applied(make_plan(asked), asked)
    after["hosts"]["gpu01"]["gpus"] = gpu01(ill, *eight_cards(lost=None)[1:])["gpus"]
    return after


def test_an_engine_that_died_with_its_card_moves_to_another_one(gpu01):
    after = running_on(gpu01, fake.card(0, recovery=1))
    after["hosts"]["gpu01"]["instances"][0].update(state="backing_off", healthy=False)
    plan = make_plan(after)
    assert [record["gpus"] for record in plan["instances"]] == [[fake.uuid(1)]]
    assert "GPU 0: the driver asks for a recovery of it (reset)" in plan["actions"][0]["reason"]


def test_an_engine_that_serves_stays_on_a_card_that_is_ill(gpu01):
    plan = make_plan(running_on(gpu01, fake.card(0, recovery=1)))
    assert not plan["changed"] and actions(plan) == {}
    assert plan["notes"][0].startswith("big-0 runs on, but could not be started again where it is: gpu01 GPU 0: the driver asks for a recovery of it")


def test_one_a_card_waits_for_its_card(gpu01):
    """``per_gpu``: a replica belongs to its card, so it is neither stopped nor moved elsewhere."""
    after = running_on(gpu01, fake.card(0, recovery=1), {"per_gpu": 1})
    down = next(live for live in after["hosts"]["gpu01"]["instances"] if live["record"]["gpus"] == [fake.uuid(0)])
    serving = make_plan(copy.deepcopy(after))
    assert actions(serving) == {}
    down.update(state="backing_off", healthy=False)
    plan = make_plan(after)
    assert actions(plan) == {} and any(entry["instance"] == down["record"]["instance"] and "GPU 0" in entry["reason"] for entry in plan["pending"])
