"""NVIDIA GPUs through nvidia-smi: what it printed on real cards, and a stand-in that prints it."""

import os

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus import nvidia, nvidia_cards, nvidia_nvml, nvidia_smi
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus.entry import Engine, Scan

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nvidia_smi")
MIB = 1024**2
A100 = ["GPU-513536b6-7d19-9063-b049-1e69664bb298", "GPU-7f2a60f4-2f30-05a9-cf3b-3a9c0e33bc5d"]


def recorded(name):
    with open(os.path.join(RECORDED, name)) as file:
        return file.read()


def only_card(name):
    cards = nvidia_smi.parse(recorded(name))["cards"]
    assert len(cards) == 1
    return cards[0]


def test_mig_and_memory_errors_of_a100s():
    seen = nvidia_smi.parse(recorded("a100_mig_535.xml"))
    split, busy = seen["cards"]
    assert (seen["driver_version"], seen["cuda_version"], [card["uuid"] for card in seen["cards"]]) == ("535.54.03", "12.2", A100)
    assert (split["mig"], split["total"], split["used"], split["recovery"], split["bus_id"]) == (True, 81920 * MIB, 921 * MIB, "none", "0000:01:00.0")
    assert (split["ecc_uncorrected"], split["memory_repair_pending"], split["fabric_ready"]) == (0, None, None)
    assert (busy["mig"], busy["compute_mode"], busy["ecc_uncorrected"], busy["memory_repair_pending"], busy["memory_repair_failed"]) == (
        False, "exclusive", 1, True, False)  # fmt: skip
    assert busy["processes"] == {4711: 12276 * MIB}


def test_a_t4_with_an_old_driver():
    """What the driver keeps for itself counts as used; pages are retired, rows are not remapped; nothing tells of a recovery."""
    card = only_card("t4_515.xml")
    assert (card["used"], card["memory_repair_pending"], card["memory_repair_failed"], card["recovery"]) == (1421 * MIB, False, None, None)
    assert (card["bus_id"], card["processes"], card["ill"]) == ("0000:00:1e.0", {}, None)


def test_a_geforce_with_a_new_driver():
    """N/A and what is deprecated is not known; a desktop is no compute process."""
    card = only_card("rtx3090_590.xml")
    assert (card["recovery"], card["ecc_uncorrected"], card["mig"], card["memory_repair_pending"]) == ("none", None, False, None)
    assert (card["name"], card["total"], card["processes"]) == ("NVIDIA GeForce RTX 3090", 24576 * MIB, {})


def test_a_card_that_does_not_answer_beside_those_that_do():
    cards = nvidia_smi.parse(recorded("h100_lost_580.xml"))["cards"]
    assert [(card["index"], card["bus_id"], card["ill"]) for card in cards] == [
        (0, "0000:16:00.0", None), (1, "0000:34:00.0", "it answers with an unknown error: reboot the host"), (2, "0000:ac:00.0", None),
    ]  # fmt: skip
    assert (cards[0]["fabric_ready"], cards[0]["recovery"], cards[2]["recovery"]) == (True, "none", "reset")


@pytest.mark.parametrize(
    "line, index, lost",
    [
        ("Unable to determine the device handle for GPU 0000:34:00.0: GPU is lost.  Reboot the system to recover this GPU", 1, True),
        ("Unable to determine the device handle for GPU0000:34:00.0: Unknown Error", 1, False),
        ("Unable to determine the device handle for GPU1: Unknown Error", 1, False),
        ("Unable to determine the device handle for GPU2: 0000:FF:00.0: GPU is lost", 2, True),
    ],
)
def test_the_ways_to_say_that_a_card_does_not_answer(line, index, lost):
    cards = nvidia_smi.parse(line + "\n" + recorded("h100_lost_580.xml").split("\n", 1)[1])["cards"]
    assert [card["index"] for card in cards] == [0, 1, 2]
    assert [bool(card["ill"]) for card in cards] == [place == index for place in range(3)]
    assert ("lost" in cards[index]["ill"]) == lost


def test_values_of_a_card_that_is_lost_while_it_is_asked():
    text = recorded("t4_515.xml").replace("GPU-d37e67a5-91dd-3774-a5cb-99096249601a", "GPU is lost").replace("15360 MiB", "GPU is lost")
    card = nvidia_smi.parse(text)["cards"][0]
    assert (card["uuid"], card["total"], card["used"]) == (None, None, None) and "it is lost" in card["ill"]


def test_the_csv():
    assert nvidia_smi.parse_csv("0, GPU-a, 9.0\n1, GPU-b, [N/A]\n[GPU is lost]\n") == {"GPU-a": (0, "9.0"), "GPU-b": (1, None)}
    assert nvidia_smi.parse_csv('Field "compute_cap" is not a valid field to query.\n') == {}


@pytest.fixture
def host(tmp_path, monkeypatch):
    """host(shell commands of the stand-in, engines) -> Found, on a machine whose Python has no pynvml."""
    monkeypatch.setattr(nvidia_nvml, "available", lambda: None)
    monkeypatch.setattr(nvidia_cards, "library_loads", lambda: True)
    monkeypatch.setattr(nvidia_cards, "library_version", lambda: None)
    monkeypatch.setattr(nvidia_smi, "TIMEOUT", 2)
    (tmp_path / "bin").mkdir()
    (tmp_path / "root").mkdir()

    def host(commands, engines=()):
        program = tmp_path / "bin" / "nvidia-smi"
        program.write_text("#!/bin/sh\n" + commands + "\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", "%s:/usr/bin:/bin" % (tmp_path / "bin"))
        return nvidia.find(Scan("gpu01", [], list(engines), "root", str(tmp_path / "root")))

    host.root = tmp_path / "root"
    return host


def shows(name, csv=""):
    return "case $1 in -q) cat %s;; *) printf '%s';; esac" % (os.path.join(RECORDED, name), csv)


def test_the_report_of_a_host_without_pynvml(host):
    ours = Engine(frozenset([4711]), True, {A100[1]: 13 * 1024 * MIB})
    found = host(shows("a100_mig_535.xml", "0, %s, 8.0\\n1, %s, 8.0\\n" % tuple(A100)), [ours])
    assert [(gpu["index"], gpu["compute_capability"], gpu["memory_foreign"]) for gpu in found.gpus] == [(0, "8.0", 921 * MIB), (1, "8.0", 881 * MIB)]
    assert found.gpus[0]["problem"].startswith("MIG is enabled on it") and found.gpus[1]["problem"].startswith("it has uncorrectable memory errors")
    assert found.problems == []


def test_an_exclusive_card_that_somebody_else_uses(host):
    text = recorded("a100_mig_535.xml").replace("<remapped_row_pending>Yes", "<remapped_row_pending>No")
    (host.root / "xml").write_text(text)
    found = host("cat %s" % (host.root / "xml"))
    assert found.gpus[1]["problem"] == "its compute mode is Exclusive, and process 4711 uses it: stop that, or nvidia-smi -i 1 -c DEFAULT"
    found = host("cat %s" % (host.root / "xml"), [Engine(frozenset([4711]), True, {A100[1]: 1})])
    assert found.gpus[1]["problem"] is None


def test_a_tool_that_ends_at_the_first_lost_card(host):
    """Older drivers: the others are asked one by one."""
    for bus in ("0000:00:1e.0", "0000:34:00.0"):
        folder = host.root / "sys/bus/pci/devices" / bus
        folder.mkdir(parents=True)
        (folder / "vendor").write_text("0x10de\n")
        (folder / "class").write_text("0x030200\n")
        (folder / "driver").symlink_to("../../drivers/nvidia")
    lost = "echo 'Unable to determine the device handle for GPU 0000:34:00.0: GPU is lost.  Reboot the system to recover this GPU'; exit 15"
    found = host('case "$*" in "-q -x -i 0000:00:1e.0") cat %s;; *) %s;; esac' % (os.path.join(RECORDED, "t4_515.xml"), lost))
    assert [(gpu["name"], gpu["problem"]) for gpu in found.gpus] == [
        ("Tesla T4", None), ("NVIDIA GPU", "it is lost (it has fallen off the bus): reboot the host"),
    ]  # fmt: skip
    assert found.gpus[1]["uuid"] == "nvidia:0000:34:00.0"


MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 560.35\n"


@pytest.mark.parametrize(
    "commands, said",
    [
        ("printf '%s'; exit 18" % MISMATCH.replace("\n", "\\n"), "(the kernel module is 550.54.15, the library 560.35): reboot"),
        ("echo \"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\"; exit 9", "is not loaded: run modprobe nvidia"),
        ("echo 'Failed to initialize NVML: Unknown Error'; exit 255", "fails (Failed to initialize NVML: Unknown Error): look for NVRM"),
        ("echo 'Failed to initialize NVML: GPU access blocked by the operating system'; exit 17", "the system outside keeps NVIDIA's GPUs from this host"),
        ("echo 'No devices were found'; exit 6", "finds no GPU that it can use"),
        ("exec sleep 30", "does not answer (nvidia-smi did not end within 2 s): look for NVRM in the kernel's log (dmesg), and reboot"),
    ],
)
def test_a_tool_that_fails_is_explained(host, commands, said):
    (host.root / "sys/module/nvidia").mkdir(parents=True)
    (host.root / "sys/module/nvidia/version").write_text("550.54.15\n")
    found = host(commands)
    assert found.gpus == [] and len(found.problems) == 1 and said in found.problems[0]
