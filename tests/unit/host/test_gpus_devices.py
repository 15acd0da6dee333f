"""GPUs in the environment of engines, with a stand-in for nvidia-smi, through the launcher as a real process."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import LAUNCH, ROOT

SHOW = "import os; print({name: os.environ.get(name) for name in ('CUDA_DEVICE_ORDER', 'CUDA_VISIBLE_DEVICES')})"


@pytest.fixture
def launch(tmp_path, record):
    """launch(vendor, uuids, commands of the stand-in, ...) -> (exit code, lines)."""
    for folder in ("launcher", "records", "state", "locks", "bin"):
        (tmp_path / folder).mkdir()
    shutil.copy(os.path.join(ROOT, "roles", "host", "files", "launcher.py"), tmp_path / "launcher")
    for name in ("alone.py", "backoff.py", "devices.py", "health.py"):
        shutil.copy(os.path.join(LAUNCH, name), tmp_path / "launcher")

    def launch(vendor, uuids, commands=None, timeout=None, env=None):
        spec = {"argv": [sys.executable, "-c", SHOW], "env": env or {}, "devices": {"vendor": vendor, "uuids": uuids}}
        path = tmp_path / "records" / "prod.qwen3-0.json"
        path.write_text(json.dumps(record(spec=spec)))
        if commands:
            (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\n%s\n" % commands)
            (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
        if timeout:
            text = (tmp_path / "launcher" / "devices.py").read_text()
            (tmp_path / "launcher" / "devices.py").write_text(text.replace("TIMEOUT = 20", "TIMEOUT = %d" % timeout))
        done = subprocess.run(
            [sys.executable, str(tmp_path / "launcher" / "launcher.py"), str(path)], stdout=subprocess.PIPE, text=True, timeout=30,
            env={"PATH": "%s:/usr/bin:/bin" % (tmp_path / "bin"), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        return done.returncode, done.stdout.splitlines()[1:]

    return launch


def test_indexes_are_asked_for_at_the_start(launch):
    code, lines = launch("nvidia", ["GPU-c", "GPU-a"], "printf '0, GPU-a\\n1, GPU-b\\n2, GPU-c\\n'")
    assert (code, lines) == (0, [str({"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "2,0"})])


@pytest.mark.parametrize("vendor", [None, "declared"])
def test_engines_on_the_cpu_see_no_gpu(launch, vendor):
    code, lines = launch(vendor, ["declared:h1:0"] if vendor else [], env={"CUDA_VISIBLE_DEVICES": "0"})
    assert (code, lines) == (0, [str({"CUDA_DEVICE_ORDER": None, "CUDA_VISIBLE_DEVICES": ""})])


def test_a_lost_card_leaves_the_others_usable(launch):
    listed = "echo 'Unable to determine the device handle for GPU0: 0000:16:00.0: Unknown Error'; echo '1, GPU-b'; exit 15"
    assert launch("nvidia", ["GPU-b"], listed)[1] == [str({"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"})]


@pytest.mark.parametrize(
    "commands, said",
    [
        ("echo '0, GPU-a'", "the GPU GPU-b does not answer (nvidia-smi lists GPU-a); it is tried again"),
        ("echo 'Failed to initialize NVML: Unknown Error'; exit 255", "nvidia-smi fails: Failed to initialize NVML: Unknown Error; it is tried again"),
        ("exec sleep 30", "nvidia-smi did not end within 1 s: look for NVRM in the kernel's log (dmesg), and reboot; it is tried again"),
        (None, "nvidia-smi is not found, which tells the indexes of GPUs; install it (Debian: nvidia-smi, Ubuntu: nvidia-utils); it is tried again"),
    ],
)
def test_a_card_that_is_not_there_now_is_tried_again(launch, commands, said):
    """Not 78: the driver may come later than the instance at boot, and a card comes back after a reset."""
    code, lines = launch("nvidia", ["GPU-b"], commands, timeout=1)
    assert (code, lines) == (75, ["modelfleet: cannot be started: " + said])
