"""What is wrong with NVIDIA on a host, told from files, and whose memory is in use."""

import os
import signal

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus import nvidia, nvidia_cards, nvidia_nvml, nvidia_smi, nvidia_trouble
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus.entry import Engine, Scan, foreign_memory
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus.nvidia_reading import reading
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus.nvidia_xid import kernel_lines, serious_xids
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus.table import find_gpus
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system import apart

SEEN = {"driver_version": "550.54.15", "cuda_version": "12.4", "cards": [reading(0)]}


@pytest.fixture
def root(tmp_path):
    """A machine with NVIDIA's driver, on which everything is as it should be."""
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version: 550.54.15\n")
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        device(tmp_path, name, 0o666)
    return tmp_path


def device(root, name, mode):
    path = root / "dev" / name
    path.write_text("")
    path.chmod(mode)


def pci(root, bus, pci_class, driver=None):
    folder = root / "sys/bus/pci/devices" / bus
    folder.mkdir(parents=True)
    (folder / "vendor").write_text("0x10de\n")
    (folder / "class").write_text(pci_class + "\n")
    if driver:
        (folder / "driver").symlink_to("../../drivers/" + driver)


def troubles(root, user="nobody"):
    return nvidia_trouble.although_it_answers(SEEN, "/usr/bin/nvidia-smi", user, str(root))


def test_a_healthy_machine_has_none(root):
    assert troubles(root) == []


def test_uvm_that_nothing_would_load(root):
    (root / "dev/nvidia-uvm").unlink()
    assert "nvidia-modprobe -u -c 0" in troubles(root)[0]
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/nvidia-modprobe").write_text("")
    (root / "usr/bin/nvidia-modprobe").chmod(0o4755)
    assert troubles(root) == []         # CUDA loads it by itself


@pytest.mark.skipif(os.getuid() != 0, reason="root's files are meant")
def test_device_files_that_are_closed_to_the_engines(root):
    device(root, "nvidia0", 0o660)
    assert troubles(root) == ["/dev/nvidia0 is closed to the user nobody (mode 0660): let everybody use it (NVreg_DeviceFileMode=0666), or give it to the "
                              "group video"]
    assert troubles(root, "root") == []


def test_a_fabric_manager_that_does_not_run(root):
    pci(root, "0000:05:00.0", "0x068000")
    assert "systemctl start nvidia-fabricmanager" in troubles(root)[0]
    (root / "proc/77").mkdir()
    (root / "proc/77/comm").write_text("nv-fabricmanage\n")     # the kernel keeps 15 characters
    assert troubles(root) == []


def test_engines_need_nvidia_smi(root):
    assert "nvidia-smi is not found" in nvidia_trouble.although_it_answers(SEEN, None, "nobody", str(root))[0]


def find(root, monkeypatch, library=False, program=None):
    monkeypatch.setattr(nvidia_cards, "library_loads", lambda: library)
    monkeypatch.setattr(nvidia_smi, "find_program", lambda: program)
    monkeypatch.setattr(nvidia_nvml, "available", lambda: None)
    return nvidia.find(Scan("gpu01", [], [], "nobody", str(root)))


def test_a_host_without_nvidia_asks_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia_smi, "read", lambda *_arguments: pytest.fail("it was asked"))
    assert find(tmp_path, monkeypatch, program="/usr/bin/nvidia-smi") == ([], [], [])


@pytest.mark.parametrize("driver, held", [(None, ""), ("nouveau", " (the driver nouveau holds them)")])
def test_cards_without_nvidias_driver_make_a_cpu_host(tmp_path, monkeypatch, driver, held):
    pci(tmp_path, "0000:01:00.0", "0x030000", driver)
    pci(tmp_path, "0000:01:00.1", "0x040300")       # its sound device
    assert find(tmp_path, monkeypatch) == ([], [], [
        "1 NVIDIA GPU is on its PCI bus%s, but NVIDIA's driver is not installed, so it counts as a host without GPUs" % held])


def test_cards_of_virtual_machines_are_no_remark(tmp_path, monkeypatch):
    pci(tmp_path, "0000:01:00.0", "0x030200", "vfio-pci")
    assert find(tmp_path, monkeypatch) == ([], [], [])


def test_a_driver_of_which_parts_are_missing(root, monkeypatch):
    pci(root, "0000:01:00.0", "0x030200", "nvidia")
    assert "libnvidia-ml.so.1 is not found, though 1 NVIDIA GPU is on the PCI bus" in find(root, monkeypatch).problems[0]
    assert "there is no nvidia-smi" in find(root, monkeypatch, library=True).problems[0]


def test_all_vendors_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia_cards, "library_loads", lambda: False)
    monkeypatch.setattr(nvidia_smi, "find_program", lambda: None)
    pci(tmp_path, "0000:01:00.0", "0x030000")
    found = find_gpus(Scan("gpu01", [{"memory": "24GiB"}], [], "nobody", str(tmp_path)))
    assert [gpu["uuid"] for gpu in found.gpus] == ["declared:gpu01:0"] and len(found.remarks) == 1


@pytest.mark.parametrize("text", ["00000000:65:00.0", "0000:65:00", "0000:65:00.0", "0000:65:00.0\n"])
def test_bus_ids(text):
    assert nvidia_cards.bus_id(text) == "0000:65:00.0"


LOG = [
    "6,1,1,-;NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.54.15",
    "3,2,2,-;NVRM: Xid (PCI:0000:65:00): 31, pid=77, name=python3, MMU Fault",
    "3,3,3,-;NVRM: Xid (PCI:0000:b3:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    "3,4,4,-;NVRM: Xid (PCI:0000:17:00): 119, pid=1, Timeout waiting for RPC from GSP!",
]


def test_serious_errors_in_the_kernels_log():
    assert {bus: number for bus, (number, _meaning) in serious_xids(LOG).items()} == {"0000:b3:00.0": 79, "0000:17:00.0": 119}


def test_a_driver_that_is_loaded_again_begins_anew():
    assert serious_xids(LOG + LOG[:1]) == {}


def test_the_kernels_log_where_there_is_none(tmp_path):
    assert kernel_lines(str(tmp_path)) == []


@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK), reason="/dev/kmsg is closed here")
def test_reading_the_real_log_ends():
    assert all(isinstance(line, str) for line in kernel_lines("/"))


OURS = Engine(frozenset([10, 11]), True, {"gpu": 40})
LOADING = Engine(frozenset([10, 11]), False, {"gpu": 40})
ELSEWHERE = Engine(frozenset([10]), True, {"other": 40})


@pytest.mark.parametrize(
    "processes, engines, foreign",
    [
        ({}, [], 100),
        ({10: 5, 11: 30, 99: 12}, [OURS], 65),
        ({10: 5, 11: 30, 99: 12}, [ELSEWHERE], 100),    # it has no business here
        ({10: None}, [OURS], 60),                       # loaded: its claim
        ({}, [OURS], 60),
        ({10: None}, [LOADING], 100),
        ({10: 5}, [LOADING], 95),
        ({10: 90, 11: 30}, [OURS], 0),
    ],
)  # fmt: skip
def test_foreign_memory(processes, engines, foreign):
    assert foreign_memory("gpu", 100, processes, engines) == foreign
    assert foreign_memory("gpu", None, processes, engines) is None


def test_a_call_apart():
    assert apart.call_apart(lambda: {"a": ["x" * 200000]}, 10) == {"a": ["x" * 200000]}
    with pytest.raises(apart.Crashed):
        apart.call_apart(lambda: os.kill(os.getpid(), signal.SIGKILL), 10)
    with pytest.raises(apart.Crashed):
        apart.call_apart(lambda: 1 / 0, 10)
    with pytest.raises(apart.TooSlow):
        apart.call_apart(lambda: os.read(os.pipe()[0], 1), 0.1)
