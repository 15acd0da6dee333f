"""NVIDIA GPUs through the real pynvml, which loads a library that answers as NVIDIA's does: in a process of its own, since it is loaded once."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from tests.nvml import fake

LOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus import nvidia
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus.entry import Engine, Scan
asked = json.loads(sys.argv[2])
nvidia.TIMEOUT = asked["timeout"]
engines = [Engine(frozenset(pids), loaded, claims) for pids, loaded, claims in asked["engines"]]
found = nvidia.find(Scan("gpu01", [], engines, "root", asked["root"]))
print(json.dumps(found._asdict()))
"""

SMI = "#!/bin/sh\nexit 9\n"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return fake.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def look(library, tmp_path):
    """Finds GPUs: look(line of the scenario, ...) -> {gpus, problems, remarks}. ``tmp_path``/root is the file system."""
    root, programs = tmp_path / "root", tmp_path / "bin"
    root.mkdir()
    programs.mkdir()
    (programs / "nvidia-smi").write_text(SMI)
    (programs / "nvidia-smi").chmod(0o755)

    def look(*lines, engines=(), timeout=20, smi=None):
        if smi:
            (programs / "nvidia-smi").write_text(smi)
        said = fake.scenario(tmp_path / "scenario", *lines)
        environment = dict(os.environ, LD_LIBRARY_PATH=library, MODELFLEET_FAKE_NVML=said, PATH="%s:/usr/bin:/bin" % programs)
        asked = json.dumps({"engines": engines, "timeout": timeout, "root": str(root)})
        argv = [sys.executable, "-c", LOOK, os.path.join(ROOT, ".collections"), asked]
        done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    look.root = root
    return look


def on_the_bus(root, *indexes, driver="nvidia"):
    """Puts cards of the fake library on the PCI bus."""
    for index in indexes:
        folder = root / "sys/bus/pci/devices" / fake.bus(index)
        folder.mkdir(parents=True)
        (folder / "vendor").write_text("0x10de\n")
        (folder / "class").write_text("0x030200\n")
        if driver:
            (folder / "driver").symlink_to("../../../bus/pci/drivers/" + driver)


def kernel_module(root, version="550.54.15"):
    (root / "sys/module/nvidia").mkdir(parents=True)
    (root / "sys/module/nvidia/version").write_text(version + "\n")
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev/nvidia-uvm").write_text("")
    (root / "dev/nvidia-uvm").chmod(0o666)


def test_everything_about_a_card(look):
    found = look(fake.card(0))
    assert found == {"problems": [], "remarks": [], "gpus": [{
        "uuid": fake.uuid(0), "index": 0, "vendor": "nvidia", "name": "NVIDIA H100 80GB HBM3", "memory_total": 80 * fake.GIB, "memory_used": fake.GIB // 2,
        "memory_foreign": fake.GIB // 2, "compute_capability": "9.0", "driver_version": "560.35.03", "cuda_version": "12.6", "mig": False, "problem": None,
    }]}  # fmt: skip


def test_eight_cards_of_which_some_are_ill(look):
    on_the_bus(look.root, *range(8))
    information = look.root / "proc/driver/nvidia/gpus" / fake.bus(3)
    information.mkdir(parents=True)
    (information / "information").write_text("Model: \t\t NVIDIA H100\nGPU UUID: \t %s\n" % fake.uuid(3))
    cards = [fake.card(index) for index in range(8)]
    cards[1] = fake.card(1, used=13 * fake.GIB)
    cards[3] = fake.card(3, lost=15)
    cards[4] = fake.card(4, mig=1)
    cards[5] = fake.card(5, ecc=2, pending=1)
    cards[6] = fake.card(6, failed=1)
    cards[7] = fake.card(7, recovery=2)
    found = look(*cards, "process 1 4711 %d" % (12 * fake.GIB))
    assert [gpu["uuid"] for gpu in found["gpus"]] == [fake.uuid(index) for index in range(8)]
    assert [gpu["problem"] for gpu in found["gpus"][:3]] == [None] * 3
    assert found["gpus"][1]["memory_foreign"] == 13 * fake.GIB
    assert [gpu["problem"] for gpu in found["gpus"][3:]] == [
        "it is lost (it has fallen off the bus): reboot the host",
        "MIG is enabled on it, and modelfleet does not split cards: disable it (nvidia-smi -i 4 -mig 0)",
        "it has uncorrectable memory errors (ECC: 2) and waits for their repair: reset it (nvidia-smi --gpu-reset -i 5) or reboot the host",
        "its memory is broken (a row could not be remapped): replace the card",
        "the driver asks for a recovery of it (reboot): stop what uses it and do that",
    ]
    assert found["gpus"][3]["memory_total"] is None and found["gpus"][4]["mig"] and found["problems"] == []


def test_what_our_engines_use_is_not_foreign(look):
    ours = [[100, 101], True, {fake.uuid(0): 20 * fake.GIB}]
    found = look(fake.card(0, used=31 * fake.GIB), "process 0 101 %d" % (18 * fake.GIB), "process 0 999 %d" % (12 * fake.GIB), engines=[ours])
    assert found["gpus"][0]["memory_foreign"] == 13 * fake.GIB


def test_memory_of_a_process_that_the_driver_does_not_tell(look):
    ours = [[101], True, {fake.uuid(0): 20 * fake.GIB}]
    assert look(fake.card(0, used=31 * fake.GIB), "process 0 101 -1", engines=[ours])["gpus"][0]["memory_foreign"] == 11 * fake.GIB


def test_a_card_that_tells_nothing_beyond_its_memory(look):
    """As a GeForce with an old driver: no ECC, no MIG, no recovery action."""
    bare = {key: None for key in ("mig", "mode", "ecc", "pending", "failed", "recovery", "cc", "bus")}
    gpu = look(fake.card(0, **bare))["gpus"][0]
    assert (gpu["problem"], gpu["mig"], gpu["compute_capability"], gpu["memory_total"]) == (None, False, None, 80 * fake.GIB)


def test_a_card_that_does_not_tell_its_memory(look):
    """As one that shares the memory of the machine."""
    assert "does not tell how much memory" in look(fake.card(0, total=None))["gpus"][0]["problem"]


def test_the_kernel_log_counts_where_the_driver_tells_no_recovery(look):
    (look.root / "dev").mkdir()
    (look.root / "dev/kmsg").write_text("3,7,9,-;NVRM: Xid (PCI:%s): 79, GPU has fallen off the bus.\n" % fake.bus(1)[:-2])
    found = look(fake.card(0, recovery=None), fake.card(1, recovery=None), fake.card(2))
    assert [bool(gpu["problem"]) for gpu in found["gpus"]] == [False, True, False]
    assert found["gpus"][1]["problem"].startswith("the kernel's log has Xid 79 for it (it has fallen off the bus): ")
    assert look(fake.card(0, recovery=None), fake.card(1, recovery=0))["gpus"][1]["problem"] is None


def test_cards_that_the_driver_hides_are_named(look):
    on_the_bus(look.root, 0, 1)
    found = look(fake.card(0))
    assert [gpu["uuid"] for gpu in found["gpus"]] == [fake.uuid(0), "nvidia:" + fake.bus(1)]
    assert found["gpus"][1]["problem"].startswith("the driver does not use it")


def test_cards_for_virtual_machines_are_not_ours(look):
    on_the_bus(look.root, 0)
    on_the_bus(look.root, 1, driver="vfio-pci")
    assert len(look(fake.card(0))["gpus"]) == 1


@pytest.mark.parametrize(
    "line, said",
    [
        ("init 18", "NVIDIA's driver and its library have different versions (the kernel module is 550.54.15, the library 560.35.03): reboot, or load the "
                    "kernel module again"),
        ("init 9", "the kernel module of NVIDIA's driver is not loaded, though 2 NVIDIA GPUs are on the PCI bus: run modprobe nvidia, or reboot; after an "
                   "update of the kernel it may have to be built again"),
        ("init 4", "the user of this run may not ask NVIDIA's driver (Insufficient Permissions): look at the permissions of /dev/nvidiactl"),
        ("init 999", "NVIDIA's driver fails (Unknown Error): look for NVRM in the kernel's log (dmesg), and reboot"),
        ("hang 30", "NVIDIA's driver does not answer (NVML did not answer within 1 s): look for NVRM in the kernel's log (dmesg), and reboot"),
    ],
)  # fmt: skip
def test_a_driver_that_does_not_answer_is_explained(look, line, said):
    on_the_bus(look.root, 0, 1)
    kernel_module(look.root)
    assert look(line, timeout=1 if "hang" in line else 20) == {"gpus": [], "problems": [said], "remarks": []}


def test_a_library_without_hardware_is_nothing_to_report(look):
    assert look("init 9") == {"gpus": [], "problems": [], "remarks": []}


def test_a_library_that_crashes_is_left_to_nvidia_smi(look):
    found = look(fake.card(0), "crash", smi="#!/bin/sh\ncase $1 in -q) cat %s;; *) echo '0, GPU-d37e67a5-91dd-3774-a5cb-99096249601a, 7.5';; esac\n" % (
        os.path.join(ROOT, "tests/unit/host/nvidia_smi/t4_515.xml")))
    assert [(gpu["name"], gpu["compute_capability"]) for gpu in found["gpus"]] == [("Tesla T4", "7.5")]


def test_a_fabric_that_is_not_set_up(look):
    problems = look(fake.card(0, fabric=2), fake.card(1, fabric=2))["problems"]
    assert len(problems) == 1 and "error 802" in problems[0] and "systemctl start nvidia-fabricmanager" in problems[0] and "560.35.03" in problems[0]
    assert look(fake.card(0, fabric=3), fake.card(1, fabric=3))["problems"] == []
